"""What a store or a daemon has done so far, as plain data: for the API, `status`, and scripts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from star_agents.agents.budgets import BudgetState
from star_agents.agents.client import AgentState
from star_agents.storage.rows import Counts, PairCost, Spend, per


def describe(
    counts: Counts,
    spend: Mapping[str, Spend],
    pairs: Sequence[PairCost],
    budgets: Sequence[BudgetState],
    probabilities: Mapping[str, float],
    states: Mapping[str, AgentState] | None = None,
) -> dict[str, Any]:
    """Join counts, money and probabilities; where the line is at work, also how each agent is doing.

    Costs are US dollars and sums of what is known; how much is not known stands beside each. ``None`` stands for a
    share of nothing, such as the cost per sample before the first one.
    """
    return {
        "seeds": {
            "waiting": counts.waiting,
            "working": counts.working,
            "kept": counts.kept,
            "base": counts.base,
            "dropped": counts.dropped,
            "quarantined": counts.quarantined,
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
            "usd_per_sample": per(counts.cost_usd, counts.selected),
        },
        "budgets": [asdict(budget) for budget in budgets],
        "agents": {
            agent: {
                "calls": spent.calls,
                "usd": spent.usd,
                "calls_of_unknown_price": spent.unknown_calls,
                "usd_per_call": per(spent.usd, spent.calls - spent.unknown_calls),
                **(asdict(states[agent]) if states and agent in states else {}),
            }
            for agent, spent in sorted({**{name: Spend(0.0, 0, 0) for name in states or ()}, **spend}.items())
        },
        "pairs": dict(probabilities),
        "pair_costs": {pair.pair: _pair_cost(pair) for pair in pairs},
    }


def _pair_cost(pair: PairCost) -> dict[str, Any]:
    return {
        "candidates": pair.candidates,
        "wins": pair.wins,
        "usd": pair.cost_usd,
        "candidates_of_unknown_cost": pair.unknown_cost,
        "usd_per_win": pair.usd_per_win,
    }
