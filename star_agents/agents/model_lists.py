"""What is known of a model before it is asked: from its own server, and from LiteLLM's list.

A server's word counts more than the list's, which knows names and not what is loaded where. OpenAI's protocol has
``GET /models`` (vLLM adds ``max_model_len``, others a context length under a name of their own); Ollama has
``/api/tags``, ``/api/show`` and ``/api/ps``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

import aiohttp
import anyio.to_thread
import orjson

from star_agents.agents.endpoints import Endpoint
from star_agents.agents.replies.body import ENCODINGS, read_reply

_TIMEOUT = aiohttp.ClientTimeout(total=10)
_LONGEST_BODY = 16 << 20
"""Bytes. The longest list in the field, OpenRouter's, has less than one million."""
_OLLAMA = "http://localhost:11434"
_CONTEXT_KEYS = ("max_model_len", "context_length", "context_window", "max_context_length")


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """Where to ask for models."""

    speaks: Literal["openai", "ollama"]
    base: str
    key: str | None = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shelf:
    """The models that a server says it has."""

    names: tuple[str, ...]
    context: int | None
    """Tokens of prompt and reply together that the model in question takes; ``None``: it does not say."""

    def has(self, model: str) -> bool:
        """Whether a model is there; for Ollama a name without a tag means ``:latest``."""
        return model in self.names or f"{model}:latest" in self.names


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """A model by LiteLLM's reading of its name."""

    provider: str
    model: str
    """As the provider is told it."""
    server: Server | None
    """``None``: LiteLLM knows no address, or not one that speaks a protocol of ours."""
    entry: Mapping[str, Any]
    """LiteLLM's list has this on it; empty where it does not know the model."""


def identify(litellm: ModuleType, endpoint: Endpoint, environ: Mapping[str, str]) -> Identity:
    """Read a resolved endpoint as LiteLLM will: provider, address and key are those that a call uses."""
    if endpoint.respond is not None:
        provider, _, model = endpoint.model.partition("/")
        return Identity(provider=provider, model=model, server=None, entry={})
    params = endpoint.params
    model, provider, key, base = litellm.get_llm_provider(
        model=endpoint.model, api_base=params.get("api_base"), api_key=params.get("api_key")
    )
    key = params.get("api_key") or key
    server: Server | None = None
    if provider in ("ollama", "ollama_chat"):
        base = params.get("api_base") or environ.get("OLLAMA_API_BASE") or _OLLAMA
        server = Server(speaks="ollama", base=base.rstrip("/"), key=key)
    elif base and (provider == "openai" or provider in litellm.openai_compatible_providers):
        server = Server(speaks="openai", base=base.rstrip("/"), key=key)
    return Identity(provider=provider, model=model, server=server, entry=_entry(litellm, endpoint.model, provider))


def listed_by_litellm(litellm: ModuleType, provider: str) -> tuple[str, ...]:
    """Names that LiteLLM lists for a provider, without its prefix."""
    return tuple(name.removeprefix(f"{provider}/") for name in litellm.models_by_provider.get(provider, ()))


def nearest(model: str, names: Iterable[str]) -> str | None:
    """The name that is most like the model's, whatever the case; ``None`` where none is."""
    by_lower = {name.lower(): name for name in names}
    found = difflib.get_close_matches(model.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None


def open_session() -> aiohttp.ClientSession:
    """Connections to ask servers over; what comes is unpacked here, in bounds."""
    return aiohttp.ClientSession(trust_env=True, auto_decompress=False, headers={"Accept-Encoding": ENCODINGS})


async def look(session: aiohttp.ClientSession, server: Server, model: str) -> Shelf | None:
    """Ask a server for its models and the context of one; ``None`` where it has no answer that can be read."""
    if server.speaks == "ollama":
        return await _look_at_ollama(session, server, model)
    body = await _fetch(session, server, "/models")
    rows = _rows(body.get("data") if isinstance(body, dict) else body)
    if rows is None:
        return None
    own: Mapping[str, Any] = next((row for row in rows if row.get("id") == model), {})
    lengths = (_count(own.get(key)) for key in _CONTEXT_KEYS)
    return Shelf(names=_names(rows, "id"), context=next(filter(None, lengths), None))


async def _look_at_ollama(session: aiohttp.ClientSession, server: Server, model: str) -> Shelf | None:
    """The context is the one that the model is loaded with; Ollama cuts longer prompts without a word."""
    tags = await _fetch(session, server, "/api/tags")
    rows = _rows(tags.get("models")) if isinstance(tags, dict) else None
    if rows is None:
        return None
    shelf = Shelf(names=_names(rows, "name"), context=None)
    if not shelf.has(model):
        return shelf
    running = await _fetch(session, server, "/api/ps")
    loaded = (_rows(running.get("models")) if isinstance(running, dict) else None) or []
    for row in loaded:
        if row.get("name") in (model, f"{model}:latest") and (context := _count(row.get("context_length"))):
            return Shelf(names=shelf.names, context=context)
    shown = await _fetch(session, server, "/api/show", {"model": model})
    return Shelf(names=shelf.names, context=_shown_context(shown if isinstance(shown, dict) else {}))


def _shown_context(shown: Mapping[str, Any]) -> int | None:
    """``num_ctx`` of the model's parameters, else the length that the model was made for."""
    parameters, facts = shown.get("parameters"), shown.get("model_info")
    for line in parameters.splitlines() if isinstance(parameters, str) else ():
        name, _, value = line.strip().partition(" ")
        if name == "num_ctx" and value.strip().isdigit():
            return int(value)
    if not isinstance(facts, dict):
        return None
    return next((_count(value) for name, value in facts.items() if name.endswith(".context_length")), None)


async def _fetch(
    session: aiohttp.ClientSession, server: Server, path: str, body: Mapping[str, str] | None = None
) -> Any:
    """JSON from the server, or ``None``: a list is a help, and its absence no failure. Follows no redirect."""
    headers = {"Authorization": f"Bearer {server.key}"} if server.key else {}
    try:
        async with session.request(
            "GET" if body is None else "POST",
            server.base + path,
            json=body,
            headers=headers,
            allow_redirects=False,
            timeout=_TIMEOUT,
        ) as reply:
            return await _document(reply) if reply.status == 200 else None
    except (aiohttp.ClientError, OSError, ValueError):  # a TimeoutError is an OSError
        return None


async def _document(reply: aiohttp.ClientResponse) -> Any:
    text = await read_reply(reply.content.iter_any(), reply.headers, _LONGEST_BODY)
    return await anyio.to_thread.run_sync(orjson.loads, text)


def _rows(value: Any) -> list[dict[str, Any]] | None:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else None


def _names(rows: Iterable[Mapping[str, Any]], key: str) -> tuple[str, ...]:
    return tuple(row[key] for row in rows if isinstance(row.get(key), str))


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _entry(litellm: ModuleType, model: str, provider: str) -> Mapping[str, Any]:
    """The Router leaves empty entries for models that nobody knows in LiteLLM's list; those have no ``mode``."""
    for name in (model, model.partition("/")[2]):
        entry: Mapping[str, Any] = litellm.model_cost.get(name) or {}
        if entry.get("mode") and str(entry.get("litellm_provider", "")).startswith(provider):
            return entry
    return {}
