"""Which endpoints the direct way can serve, and what it has to know of them.

It can where a server speaks OpenAI's protocol, or Ollama's, and LiteLLM would pass the agent's parameters on as they
are. The second half is asked of LiteLLM itself, once per endpoint: a parameter that it renames, drops or refuses for
this provider and model means that only LiteLLM can serve the endpoint. So do its own words, such as ``drop_params``.
An agent that sets nothing unusual is not asked about, so that LiteLLM need not be imported for it: a test holds that
its answer would be yes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal
from urllib.parse import urlsplit

import yarl

from star_agents.agents.price_list import listed
from star_agents.agents.transports.http import proxy_for
from star_agents.agents.transports.plain_requests import has_plain_parameters
from star_agents.config.models import AgentConfig, DeploymentConfig

Dialect = Literal["openai", "ollama"]

_OPENAIS_OWN = re.compile(r"(?:^|/)(?:o\d|gpt|chatgpt|codex|computer-use|ft:)", re.IGNORECASE)
"""Names of OpenAI's own models, some of which take other parameters than the rest."""

_OPENAI_WORDS = frozenset(
    {"seed", "stop", "presence_penalty", "frequency_penalty", "logit_bias", "response_format", "reasoning_effort"}
    | {"top_k", "min_p", "typical_p", "repetition_penalty", "repeat_penalty", "chat_template_kwargs", "cache_prompt"}
    | {"repeat_last_n", "dry_multiplier", "dry_base", "dry_allowed_length", "dry_penalty_last_n"}
    | {"min_tokens", "ignore_eos", "stop_token_ids", "skip_special_tokens", "include_stop_str_in_output"}
    | {"guided_json", "guided_choice", "guided_regex", "guided_grammar", "structured_outputs", "grammar", "extra_body"}
)
_OLLAMA_OPTIONS = frozenset(
    {"seed", "stop", "top_k", "min_p", "typical_p", "num_ctx", "num_gpu", "num_thread", "num_keep"}
    | {"repeat_penalty", "repeat_last_n", "mirostat", "mirostat_eta", "mirostat_tau"}
)
OLLAMA_TOP_LEVEL = frozenset({"keep_alive", "think"})
"""What Ollama takes beside its ``options``."""
OLLAMA_NAMES = {"max_tokens": "num_predict"}
"""What Ollama calls by another name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """Where the direct way sends."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    """Of every request, the key among them."""
    model: str
    """As the server knows it."""
    dialect: Dialect = "openai"
    proxy: str | None = field(default=None, repr=False)
    """From ``HTTP_PROXY`` and its like; it may hold a password."""


def provider_of(model: str) -> str:
    """The provider of a model's name, where the direct way knows it; else empty."""
    provider = model.partition("/")[0]
    return provider if provider in _COMPLETE and "/" in model else ""


def route_to(
    litellm: Callable[[], ModuleType],
    agent: AgentConfig,
    deployment: DeploymentConfig,
    key: str | None,
    environ: Mapping[str, str],
) -> Route | None:
    """Where to send directly; ``None`` where only LiteLLM can.

    Args:
        litellm: Loads the module; called only where it has to be asked.
        agent: Whose parameters shape the calls.
        deployment: One of its endpoints.
        key: The value behind its ``api_key``; ``None`` where it names none.
        environ: Where LiteLLM's own variables are looked up, such as ``OLLAMA_API_BASE``.
    """
    provider = provider_of(deployment.model)
    if not provider or agent.transport == "litellm" or deployment.api_version is not None:
        return None
    model = deployment.model.partition("/")[2]
    url = _url(provider, deployment.api_base, environ)
    if url is None or not _is_plain_chat(model, provider):
        return None
    if not _is_plain(agent, model, provider) and not _is_passed_on(litellm, agent, model, provider):
        return None
    proxy = proxy_for(url)
    if proxy is not None and not proxy.startswith(("http://", "https://")):
        return None
    return Route(
        url=str(yarl.URL(url)),
        headers=_headers(key or key_by_habit(provider, environ)),
        model=model,
        dialect="ollama" if provider == "ollama_chat" else "openai",
        proxy=proxy,
    )


def _url(provider: str, base: str | None, environ: Mapping[str, str]) -> str | None:
    """The address that LiteLLM would send to; ``None`` for providers that it speaks another protocol with."""
    if provider == "ollama_chat":
        base = base or environ.get("OLLAMA_API_BASE") or "http://localhost:11434"
    complete = _COMPLETE.get(provider)
    if base is None or complete is None:
        return None
    parts = urlsplit(base)
    # A password or a query in the address, and OpenAI's regions, which cost more, are LiteLLM's to handle.
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or parts.query or ".api.openai.com" in parts.netloc:
        return None
    return complete(base)


def _joined(base: str) -> str:
    return f"{base.rstrip('/')}/chat/completions"


def _vllm(base: str) -> str:
    return base.rstrip("/") if "chat/completions" in base else _joined(base)


def _tgi(base: str) -> str:
    base = base.rstrip("/")
    if base.endswith("/chat/completions"):
        return base
    return _joined(base if base.endswith("/v1") else f"{base}/v1")


def _ollama(base: str) -> str:
    # Not its OpenAI-compatible address: that one puts defaults of its own (temperature 1, top_p 1) over the model's.
    base = base.rstrip("/")
    return base if base.endswith("/api/chat") else f"{base}/api/chat"


_COMPLETE: Mapping[str, Callable[[str], str]] = {
    "openai": _joined,
    "llamafile": _joined,
    "lm_studio": _joined,
    "hosted_vllm": _vllm,
    "huggingface": _tgi,
    "ollama_chat": _ollama,
}


_KEYS: Mapping[str, tuple[tuple[str, ...], str | None]] = {
    "huggingface": (("HF_TOKEN", "HUGGINGFACE_API_KEY"), None),
    "ollama_chat": (("OLLAMA_API_KEY",), None),
    "hosted_vllm": (("HOSTED_VLLM_API_KEY",), "fake-api-key"),
    "llamafile": (("LLAMAFILE_API_KEY",), "fake-api-key"),
    "lm_studio": (("LM_STUDIO_API_KEY",), "fake-api-key"),
}
"""By provider: the variables, and the placeholder."""


def _is_plain_chat(model: str, provider: str) -> bool:
    """Whether LiteLLM asks this model at a chat endpoint: some of OpenAI's it sends to the Responses API instead."""
    entry = listed(model) if provider == "openai" else {}
    return not model.startswith("responses/") and entry.get("mode", "chat") == "chat"


def _is_plain(agent: AgentConfig, model: str, provider: str) -> bool:
    """Whether there is nothing to ask LiteLLM about: no unusual parameter, no model that it may treat by its name."""
    is_openais_own = provider == "openai" and _OPENAIS_OWN.search(model) and not has_plain_parameters(model)
    return not agent.extra and provider != "huggingface" and not is_openais_own


def _is_passed_on(litellm: Callable[[], ModuleType], agent: AgentConfig, model: str, provider: str) -> bool:
    """Whether LiteLLM would send the agent's parameters, and those that a call may set, as they are."""
    body = agent.extra.get("extra_body", {})
    words = _OLLAMA_OPTIONS | OLLAMA_TOP_LEVEL if provider == "ollama_chat" else _OPENAI_WORDS
    if not isinstance(body, Mapping) or (agent.extra.keys() | body.keys()) - words or "extra_body" in body:
        return False
    shape = {"temperature": 0.0, "top_p": 0.5, "max_tokens": 7, **agent.extra}
    try:
        sent = litellm().get_optional_params(model=model, custom_llm_provider=provider, **shape)
    except Exception:
        return False
    if provider == "ollama_chat":
        shape = {OLLAMA_NAMES.get(name, name): value for name, value in shape.items()}
    return flat({name: value for name, value in sent.items() if name != "stream"}) == flat(shape)


def flat(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as they stand in the body: what ``extra_body`` holds stands beside the others."""
    if "extra_body" not in shape:
        return dict(shape)
    return {**{name: value for name, value in shape.items() if name != "extra_body"}, **(shape["extra_body"] or {})}


def key_by_habit(provider: str, environ: Mapping[str, str]) -> str | None:
    """What LiteLLM sends where agents.yaml names no key: one from the environment, or a placeholder."""
    names, otherwise = _KEYS.get(provider, ((), None))
    return next((environ[name] for name in names if environ.get(name)), otherwise)


def _headers(key: str | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "star_agents"}
    return headers if key is None else {**headers, "Authorization": f"Bearer {key}"}
