"""What agents.yaml asks for that no request could carry: told with its line, and not by each call that fails of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from star_agents.config.models import AgentConfig, Config
from star_agents.config.secrets import HEADERS

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token of RFC 9110."""
Finding = tuple[tuple[str | int, ...], str, str]
"""Where it stands, what is wrong, what to do."""


def unsendable(config: Config) -> Iterator[Finding]:
    """Everything in the agents that no request could carry."""
    for name, agent in config.agents.items():
        yield from _two_who_log_in(("agents", name), agent)
        for key in sorted(HEADERS):
            yield from _no_headers(("agents", name, "extra", key), agent.extra.get(key))
    embedder = config.agents.get(config.memory.embedder.removeprefix("agent:"))
    if embedder is not None and any(one.model.startswith("sagemaker/") for one in embedder.endpoints):
        message = "names a model of `sagemaker/`, to which LiteLLM sends by the AWS SDK, past the limits of a reply"
        yield ("memory", "embedder"), message, "use an embedder of another provider, or `auto`"


def _two_who_log_in(location: tuple[str | int, ...], agent: AgentConfig) -> Iterator[Finding]:
    for index, one in enumerate(agent.endpoints):
        at = location if agent.model is not None else (*location, "deployments", index)
        if one.api_key is not None and "@" in urlsplit(one.api_base or "").netloc:
            message = "holds a user or password beside an `api_key`, and a request has room for one of them"
            yield (*at, "api_base"), message, "take `user:password@` out of the address, or leave `api_key` out"


def _no_headers(location: tuple[str | int, ...], headers: Any) -> Iterator[Finding]:
    """Headers that HTTP has no form for. Nothing of a value is repeated: it may be a key."""
    if headers is None:
        return
    if not isinstance(headers, Mapping):
        yield location, "holds no headers", "write `{NAME: VALUE}`"
        return
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            yield location, "names a header as none can be called", "letters, digits and `-` make a name"
        elif not isinstance(value, str):
            yield (*location, name), f"is no text but {type(value).__name__}", "put it into quotes"
        elif not (value.isascii() and value.isprintable()):
            message = "holds a line break, another control character or a letter beyond ASCII, which no header can hold"
            yield (*location, name), message, "take it out; YAML's `|` and `>` end a text with a line break"
