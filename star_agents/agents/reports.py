"""The word for how a call went."""

from __future__ import annotations

from typing import Literal

from star_agents.errors import AgentRateLimited, AgentUnavailable, BudgetExhausted, CallLost

CallOutcome = Literal["ok", "rate_limited", "unavailable", "refused", "budget", "cancelled", "lost"]


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
