"""The parameters that shape an answer: the agent's own, and what one call overrides."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final

from star_agents.config.models import AgentConfig


class Unset(enum.Enum):
    """Tells a parameter that is not given from ``None``, which means the provider's default."""

    UNSET = enum.auto()


UNSET: Final = Unset.UNSET


def sampling(
    config: AgentConfig, temperature: float | Unset | None = UNSET, max_tokens: int | Unset | None = UNSET
) -> dict[str, Any]:
    """What is sent besides the messages; a parameter left to the provider is left out.

    An agent whose ``extra`` names ``max_completion_tokens`` is one that refuses ``max_tokens``: whoever bounds its
    reply does so under that name.
    """
    length = "max_completion_tokens" if "max_completion_tokens" in config.extra else "max_tokens"
    longest = config.extra.get(length, config.max_tokens) if max_tokens is UNSET else max_tokens
    chosen = {
        "temperature": config.temperature if temperature is UNSET else temperature,
        "top_p": config.top_p,
        length: longest,
    }
    return {**config.extra, **{name: value for name, value in chosen.items() if value is not None}}


def longest_reply(shape: Mapping[str, Any]) -> int | None:
    """Tokens that one reply may have at most; ``None`` where the parameters do not bound it."""
    bounds = [shape[name] for name in ("max_tokens", "max_completion_tokens") if isinstance(shape.get(name), int)]
    return max(bounds, default=None)
