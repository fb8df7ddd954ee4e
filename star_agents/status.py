"""What a store or a daemon has done so far, as plain data: for the API, `status`, and scripts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from star_agents.config import Config
from star_agents.storage.rows import Counts, Spend


def describe(
    config: Config, counts: Counts, spend: Mapping[str, Spend], probabilities: Mapping[str, float]
) -> dict[str, Any]:
    """Join counts, money and probabilities; costs are US dollars, ``None`` stands for a price that nobody knows."""
    return {
        "seeds": {
            "waiting": counts.waiting,
            "working": counts.working,
            "kept": counts.kept,
            "base": counts.base,
            "dropped": counts.dropped,
        },
        "calls": {
            "answered": counts.calls_answered,
            "pending": counts.calls_pending,
            "maybe_paid_twice": counts.calls_maybe_paid,
            "prompt_tokens": counts.prompt_tokens,
            "completion_tokens": counts.completion_tokens,
        },
        "cost": {
            "usd": counts.cost_usd,
            "calls_of_unknown_price": counts.calls_of_unknown_price,
            "budget_usd": config.budget_usd,
        },
        "agents": {
            agent: {"calls": spent.calls, "usd": spent.usd, "calls_of_unknown_price": spent.unknown_calls}
            for agent, spent in sorted(spend.items())
        },
        "pairs": dict(probabilities),
    }
