"""Secrets that stand in agents.yaml itself: a password in an address, a key in a header. Known, and never kept.

A key belongs into a variable (``api_key: os.environ/NAME``), but an address may hold ``user:password@`` and a header
its own key. The store keeps every revision of the config, so it is kept without them (``revision_of``).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from star_agents.config.base import SECRET_REFERENCE
from star_agents.config.models import AgentConfig, Config
from star_agents.text.content_hash import digest
from star_agents.text.redaction import SECRET_NAME, SHORTEST_SECRET, STRUCK, redactor

HEADERS = frozenset({"extra_headers", "headers", "default_headers"})
"""Parameters that hold HTTP headers."""
_SECRET_PARAMETER = re.compile(
    r"authori[sz]ation|password|secret|credential|cookie|signature|(?:api|access|private|auth)[_-]?key"
    r"|(?:^|[_-])(?:key|token)$|_(?:access|auth|session|ad)_token",
    re.IGNORECASE,
)
_EXTRA = "extra"
"""Where an agent's further parameters stand."""
_USER = re.compile(r"(?<=://)[^/?#\s]*(?=@)")
_QUERY = re.compile(r"(?<=[?&])([^=&#]+)=([^&#]*)")
_SCHEME = re.compile(r"(?i:bearer|basic|token|apikey|api-key)\s+")
_CODE = re.compile(r"(?=\S*[0-9])(?=\S*[A-Za-z])[^\s/;,]{16,}")
"""A value that looks like a key, whatever its header is called. Others, such as ``application/json``, stand in good
answers too."""


def written_secrets(agent: AgentConfig) -> Iterator[str]:
    """What is secret in an agent's addresses and headers; of other headers, only what looks like a key."""
    for endpoint in agent.endpoints:
        yield from _in_address(endpoint.api_base or "")
    for name, value in _texts(agent.extra):
        if not SECRET_REFERENCE.fullmatch(value):
            yield from _of_header(value) if _is_secret(name, value) else _in_address(value)


def _is_secret(name: tuple[str, ...], value: str) -> bool:
    if _SECRET_PARAMETER.search(name[-1]):
        return True
    # What another header holds may stand in good answers too, such as `application/json`, unless it looks like a key.
    return _in_headers(name) and bool(SECRET_NAME.search(name[-1]) or _CODE.fullmatch(_SCHEME.sub("", value)))


def revision_of(config: Config, environ: Mapping[str, str]) -> tuple[str, str]:
    """The config as the store keeps it, as hash and as JSON, with a reference in place of each secret.

    The value of a variable that is named like a key becomes ``os.environ/NAME``; what stands in the file alone becomes
    ``***``: passwords in addresses, the value of every header, parameters that are named like a key. The hash is of
    what is kept: one of the whole would let a short password be guessed, and a new password changes no result.
    """
    kept = without_secrets(config.model_dump(mode="json"), environ)
    return digest(kept), json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


def without_secrets(config: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """A config as plain data, such as a revision of a release that kept it whole, as ``revision_of`` keeps it."""
    names = {
        value: name for name, value in environ.items() if SECRET_NAME.search(name) and len(value) >= SHORTEST_SECRET
    }
    agents = {name: _without_secrets(agent, (), names) for name, agent in config.get("agents", {}).items()}
    return {**config, "agents": agents} if agents else dict(config)


def kept_secrets(config: Mapping[str, Any]) -> Iterator[str]:
    """What is secret in a config as plain data, whichever release wrote it (as ``written_secrets``)."""
    for name, value in _texts(config.get("agents", {})):
        below = name[name.index(_EXTRA) + 1 :] if _EXTRA in name[:-1] else ()
        if not SECRET_REFERENCE.fullmatch(value):
            yield from _of_header(value) if below and _is_secret(below, value) else _in_address(value)


def shown_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a call as the journal keeps them: without the values of headers and keys."""
    shown: dict[str, Any] = _without_secrets(parameters, (_EXTRA,), {})
    return shown


def _without_secrets(value: Any, name: tuple[str, ...], names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_secrets(inner, (*name, str(key)), names) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_secrets(inner, name, names) for inner in value]
    if not isinstance(value, str) or SECRET_REFERENCE.fullmatch(value):
        return value
    if value in names:
        return f"os.environ/{names[value]}"
    if _EXTRA in name and (_in_headers(name) or _SECRET_PARAMETER.search(name[-1])):
        return STRUCK
    return redactor.known(_QUERY.sub(_quiet, _USER.sub(STRUCK, value)))


def _quiet(found: re.Match[str]) -> str:
    return f"{found[1]}={STRUCK if _SECRET_PARAMETER.search(found[1]) else found[2]}"


def _in_headers(name: tuple[str, ...]) -> bool:
    return not HEADERS.isdisjoint(name[:-1])


def _texts(value: Any, name: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text in nested data, with the names that lead to it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, (*name, str(key)))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner, name)
    elif isinstance(value, str):
        yield name, value


def _in_address(address: str) -> Iterator[str]:
    """User and password together, the password alone, a key in the query; as they are written and as they are meant."""
    if found := _USER.search(address):
        user, _, password = found[0].partition(":")
        for one in (found[0], password or user):
            yield one
            yield unquote(one)
    for name, value in parse_qsl(address.partition("?")[2]):
        if _SECRET_PARAMETER.search(name):
            yield value


def _of_header(value: str) -> Iterator[str]:
    """The value, and what stands behind ``Bearer``; behind ``Basic`` the password too."""
    yield value
    code = _SCHEME.sub("", value, count=1)
    yield code
    if value.lower().startswith("basic "):
        try:
            meant = base64.b64decode(code, validate=True).decode()
        except ValueError:
            return
        yield meant
        yield meant.partition(":")[2]
