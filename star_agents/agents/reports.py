"""How a call went, for whoever counts calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from star_agents.errors import AgentRateLimited, AgentUnavailable, BudgetExhausted, CallLost

CallOutcome = Literal["ok", "rate_limited", "unavailable", "refused", "budget", "cancelled", "lost"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CallReport:
    """How one call went, all its tries together. It holds no text."""

    agent: str
    model: str
    seconds: float
    """From asking to the end, queue and waits included."""
    outcome: CallOutcome
    retries: int = 0
    """Tries after the first, those after a 429 included."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None
    """``None`` where nobody knows: no price, or a failed call that may have been billed all the same."""


def outcome_of(error: BaseException) -> CallOutcome:
    """The word for how a failed call ended."""
    match error:
        case AgentRateLimited():
            return "rate_limited"
        case AgentUnavailable():
            return "unavailable"
        case BudgetExhausted():
            return "budget"
        case CallLost():
            return "lost"
        case Exception():
            return "refused"
    return "cancelled"
