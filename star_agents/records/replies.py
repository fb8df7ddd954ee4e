"""What one call to an agent brought back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from star_agents.records.flat import Flat
from star_agents.records.messages import ToolCall


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply(Flat):
    """What one call to an agent brought back."""

    text: str
    """The answer alone, without the model's thoughts."""
    finish_reason: str
    """``stop``, or ``length`` where the provider cut the text, or the provider's own word."""
    agent: str
    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = 0.0
    """``None`` where nobody knows the price."""
    deployment: str = ""
    reasoning: str = ""
    """The model's thoughts, as far as the provider shows them; its tokens count as completion tokens."""
    flaw: str = ""
    """Why the text is no answer, where the reply itself shows it: it holds a NUL, its thoughts never end."""
    usage_doubt: str = ""
    """Why the provider's counts of tokens cannot be so; they are 0 then, and the cost is not known."""
    tool_calls: tuple[ToolCall, ...] = ()
    """What it asks of the tools that it was offered."""
    answered_as: str = ""
    """What the provider calls the model that answered, such as the dated name of one that was asked by its short name;
    empty where it does not say."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data; newer fields that are empty are left out, as replies of older releases lack them."""
        data = super(Reply, self).to_dict()
        calls, answered_as = data.pop("tool_calls"), data.pop("answered_as")
        return {
            **data,
            **({"tool_calls": [call.to_dict() for call in calls]} if calls else {}),
            **({"answered_as": answered_as} if answered_as else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        return cls(**{**data, "tool_calls": tuple(map(ToolCall.from_dict, data.get("tool_calls", ())))})


def total_usd(costs: Iterable[float | None]) -> float | None:
    """A sum of costs; ``None`` where one of them is unknown."""
    found = list(costs)
    known = [cost for cost in found if cost is not None]
    return sum(known) if len(known) == len(found) else None
