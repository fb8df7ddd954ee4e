"""Calls of texts to OpenAI's and Anthropic's own models, written without LiteLLM, which then need not be loaded.

Loading it takes two seconds of CPU and 130 MB. What is written here is what LiteLLM writes: a test lets it write the
same calls for every model of its list, and compares. Whatever else a model, an agent or a call has of its own is no
plain call, and LiteLLM's to write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import yarl

from star_agents.agents.price_list import listed
from star_agents.agents.transports.http import proxy_for

Body = dict[str, Any]

_OPENAIS_PLAIN = re.compile(r"(?:gpt-4o|gpt-4o-mini|gpt-4\.1|gpt-4\.1-mini|gpt-4\.1-nano)(?:-\d{4}-\d\d-\d\d)?")
"""Of OpenAI's own models those that take every parameter as it is."""
_OPENAIS_WORDS = frozenset(
    {"temperature", "top_p", "max_tokens", "stop", "seed", "presence_penalty", "frequency_penalty", "user"}
    | {"response_format"}
)
_OPENAIS_STOPS = 4
"""Beyond as many LiteLLM leaves out the others."""
_ANTHROPICS_SAMPLING = frozenset({"temperature", "top_p"})
_ANTHROPICS_WORDS = _ANTHROPICS_SAMPLING | {"max_tokens", "stop", "response_format"}
_ANTHROPICS_BETA = {"anthropic-beta": "structured-outputs-2025-11-13"}
"""Goes with a schema."""
_PLAIN_SCHEMA = frozenset({"type", "properties", "required", "additionalProperties", "enum", "items", "description"})
"""Keywords of a schema that LiteLLM leaves as they are for Anthropic."""
_NOT_A_KEY = ("sk-ant-oat", "Bearer ")
"""What LiteLLM sends to Anthropic in another header."""
_KEY = re.compile(r"[!-~]+")
_BASES: Mapping[str, str] = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}
_PATHS: Mapping[str, str] = {"openai": "/chat/completions", "anthropic": "/v1/messages"}
_PARAMS = frozenset({"model", "api_base", "api_key"})
_TURN = {"role", "content"}
_ROLES = frozenset({"system", "user", "assistant"})
_OF_THE_BILL = "x-anthropic-billing-header:"
"""Begins a turn that LiteLLM may leave out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainRequest:
    """A call as it goes out, and what has to be known to read the reply."""

    provider: str
    """As LiteLLM knows it."""
    form: Literal["openai", "anthropic"]
    """Of the reply."""
    model: str
    """As the provider knows it."""
    url: str = field(repr=False)
    proxy: str | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: Body
    json_mode: bool = False
    """Whether the reply is bound by a schema."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainWriter:
    """Writes the plain calls to one endpoint."""

    provider: Literal["openai", "anthropic"]
    model: str
    """As the provider knows it."""
    url: str = field(repr=False)
    proxy: str | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    """The key among them."""
    takes_sampling: bool = True
    takes_schemas: bool = True

    def takes(self, shape: Mapping[str, Any]) -> bool:
        """Whether calls of these sampling parameters are plain, those of texts at least."""
        return self._parameters(shape) is not None

    def request(
        self, messages: Sequence[Mapping[str, Any]], shape: Mapping[str, Any], n: int = 1
    ) -> PlainRequest | None:
        """The call; ``None`` where it is not plain, so that LiteLLM has to write it."""
        parameters = self._parameters(shape)
        is_text = all(one.keys() == _TURN and isinstance(one["content"], str) for one in messages)
        if parameters is None or not is_text or (n > 1 and self.provider != "openai"):
            return None
        told = _as_they_are(messages) if self.provider == "openai" else _in_anthropics_form(messages)
        if told is None:
            return None
        is_bound = "output_format" in parameters
        return PlainRequest(
            provider=self.provider,
            form=self.provider,
            model=self.model,
            url=self.url,
            proxy=self.proxy,
            headers={**self.headers, **_ANTHROPICS_BETA} if is_bound else self.headers,
            body={"model": self.model, **told, **parameters, **({"n": n} if n > 1 else {})},
            json_mode=is_bound,
        )

    def _parameters(self, shape: Mapping[str, Any]) -> Body | None:
        """As the provider has them; ``None``: only LiteLLM knows how."""
        if None in shape.values():
            return None
        if self.provider == "openai":
            stops = shape.get("stop")
            is_cut = isinstance(stops, (list, tuple)) and len(stops) > _OPENAIS_STOPS
            return dict(shape) if shape.keys() <= _OPENAIS_WORDS and not is_cut else None
        if not shape.keys() <= _ANTHROPICS_WORDS or type(shape.get("max_tokens")) is not int:
            return None
        if not self.takes_sampling and shape.keys() & _ANTHROPICS_SAMPLING:
            return None
        known = {name: value for name, value in shape.items() if name not in ("stop", "response_format")}
        if "stop" in shape:
            stop = shape["stop"]
            stops = [stop] if isinstance(stop, str) else stop
            if not isinstance(stops, list) or not stops or not all(isinstance(one, str) for one in stops):
                return None
            known["stop_sequences"] = stops
        if "response_format" in shape:
            schema = _schema_in(shape["response_format"]) if self.takes_schemas else None
            if schema is None:
                return None
            known["output_format"] = {"type": "json_schema", "schema": schema}
        return known


def plain_provider_of(model: str) -> str:
    """The provider of a model's name, where its plain calls are written here; else empty."""
    provider, slash, _ = model.partition("/")
    return provider if slash and provider in _BASES else ""


def plain_writer(provider: str, params: Mapping[str, str], environ: Mapping[str, str]) -> PlainWriter | None:
    """Who writes the plain calls to an endpoint; ``None``: nobody here, since LiteLLM may know more of it.

    Args:
        provider: As LiteLLM knows it.
        params: LiteLLM's parameters of the endpoint.
        environ: Where LiteLLM finds keys, addresses and more.
    """
    model = params["model"].partition("/")[2]
    if provider == "openai" and has_plain_parameters(model):
        return _writer("openai", model, params, environ, lambda key: {"Authorization": f"Bearer {key}"}, {})
    entry = listed(model)
    if provider != "anthropic" or entry.get("litellm_provider") != "anthropic" or entry.get("mode") != "chat":
        return None
    more = {
        "takes_sampling": entry.get("supports_sampling_params") is not False,
        "takes_schemas": entry.get("supports_native_structured_output") is True,
    }
    version = {"anthropic-version": "2023-06-01"}
    return _writer("anthropic", model, params, environ, lambda key: {**version, "x-api-key": key}, more)


def has_plain_parameters(model: str) -> bool:
    """Whether a model of OpenAI's own takes every usual parameter as it is."""
    return _OPENAIS_PLAIN.fullmatch(model) is not None


def _writer(
    provider: Literal["openai", "anthropic"],
    model: str,
    params: Mapping[str, str],
    environ: Mapping[str, str],
    signed: Callable[[str], Mapping[str, str]],
    more: Mapping[str, bool],
) -> PlainWriter | None:
    name = f"{provider.upper()}_API_KEY"
    key = params.get("api_key") or environ.get(name, "")
    # Addresses, organisations, tokens and federations of the environment are LiteLLM's to read.
    marks = (f"{provider.upper()}_", f"LITELLM_{provider.upper()}_")
    is_told_more = any(other != name and other.startswith(marks) for other in environ)
    base = params.get("api_base") or _BASES[provider]
    if is_told_more or not params.keys() <= _PARAMS or not _is_plain_key(key) or not _is_plain_address(base):
        return None
    is_whole = provider == "anthropic" and base.endswith(_PATHS[provider])
    url = base if is_whole else base + _PATHS[provider]
    proxy = proxy_for(url)
    if proxy is not None and not proxy.startswith(("http://", "https://")):
        return None
    headers = {**signed(key), "Content-Type": "application/json", "User-Agent": "star_agents"}
    return PlainWriter(provider=provider, model=model, url=url, proxy=proxy, headers=headers, **more)


def _is_plain_key(key: str) -> bool:
    return _KEY.fullmatch(key) is not None and not key.startswith(_NOT_A_KEY)


def _is_plain_address(base: str) -> bool:
    """Whether nothing in it is to be put elsewhere, written otherwise, or dearer, as OpenAI's regions are."""
    parts = urlsplit(base)
    is_whole = parts.scheme in ("http", "https") and not parts.query and not parts.fragment and "@" not in parts.netloc
    return is_whole and not base.endswith("/") and ".api.openai.com" not in base and str(yarl.URL(base)) == base


def _as_they_are(messages: Sequence[Mapping[str, Any]]) -> Body | None:
    return {"messages": messages} if all(one["role"] in _ROLES for one in messages) else None


def _in_anthropics_form(messages: Sequence[Mapping[str, Any]]) -> Body | None:
    """Turns of both sides in turn, the first and the last one the user's; what the system says stands before them."""
    first = next((index for index, one in enumerate(messages) if one["role"] != "system"), len(messages))
    before, turns = messages[:first], messages[first:]
    if [one["role"] for one in turns] != ["user", "assistant"] * (len(turns) // 2) + ["user"]:
        return None
    if any(not one["content"].strip() or one["content"].startswith(_OF_THE_BILL) for one in messages):
        return None
    told: Body = {"messages": [{"role": one["role"], "content": _parts(one)} for one in turns]}
    return {**told, "system": [part for one in before for part in _parts(one)]} if before else told


def _parts(turn: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"type": "text", "text": turn["content"]}]


def _schema_in(form: Any) -> Any:
    """The schema of a ``response_format``, where LiteLLM would leave it as it is; else ``None``."""
    if not isinstance(form, Mapping) or form.get("type") != "json_schema" or "response_schema" in form:
        return None
    asked = form.get("json_schema")
    schema = asked.get("schema") if isinstance(asked, Mapping) else None
    return schema if _is_plain_schema(schema) else None


def _is_plain_schema(schema: Any) -> bool:
    if not isinstance(schema, Mapping) or not schema.keys() <= _PLAIN_SCHEMA:
        return False
    kind, choices = schema.get("type"), schema.get("enum")
    if choices is not None and (kind != "string" or not all(isinstance(one, str) for one in choices)):
        return False
    if kind == "object":
        properties = schema.get("properties")
        if schema.get("additionalProperties") is not False or not isinstance(properties, Mapping):
            return False
        return all(map(_is_plain_schema, properties.values()))
    if kind == "array":
        return _is_plain_schema(schema.get("items"))
    return kind in ("string", "integer", "number", "boolean") and not {"properties", "items"} & schema.keys()
