"""What a store or a daemon has done so far, as plain data: for the API, `status`, and scripts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from star_agents.agents.budgets import BudgetState
from star_agents.agents.client import AgentState
from star_agents.config.models import Config
from star_agents.records import AgentPair
from star_agents.scheduling.win_rates import WinRate, leader, win_rate
from star_agents.storage.exams import ExamsInForce, referee_facts
from star_agents.storage.recipe_facts import pool_facts, recipe_facts
from star_agents.storage.rows import Counts, PairCost, Spend, per
from star_agents.storage.tallies import GAP_LOW, GAP_WIDTH, Tallies

SEED_STATES = ("waiting", "working", "kept", "base", "dropped", "quarantined", "stranded")
_NOTHING_SPENT = Spend(0.0, 0, 0)


def describe(
    counts: Counts,
    spend: Mapping[str, Spend],
    pairs: Sequence[PairCost],
    budgets: Sequence[BudgetState],
    probabilities: Mapping[str, float],
    tallies: Tallies,
    states: Mapping[str, AgentState] | None = None,
    exams: Mapping[int, ExamsInForce] | None = None,
    pools: Mapping[str, Mapping[str, float]] | None = None,
) -> dict[str, Any]:
    """Join counts, money, probabilities and tallies; where the line is at work, also how each agent is doing.

    Costs are US dollars and sums of what is known; how much is not known stands beside each. ``None`` stands for a sum
    of which nothing is known, and for a share of nothing, such as the cost per sample before the first one.
    """
    return {
        "seeds": {name: getattr(counts, name) for name in SEED_STATES},
        "stranded": [one.to_dict() for one in tallies.stranded],
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
            "usd_per_improved": per(counts.cost_usd, counts.kept),
            "projected_usd": projected_usd(counts),
        },
        "budgets": [asdict(budget) for budget in budgets],
        "agents": _agents(spend, tallies, states or {}),
        "pairs": dict(probabilities),
        "pair_costs": {pair.pair: _pair_cost(pair) for pair in pairs},
        **_leaders(probabilities, tallies),
        "gaps": {
            "width": GAP_WIDTH,
            "low": GAP_LOW,
            "chosen": list(tallies.gaps_chosen),
            "others": list(tallies.gaps_others),
        },
        "recipes": recipe_facts(tallies.recipes),
        "pools": pool_facts(pools or {}, tallies.pools),
        "referee": referee_facts(tallies, exams or {}),
        "failures": [one.to_dict() for one in tallies.failures],
        "memory": {
            "size": None,
            "draws": tallies.draws,
            "hits": tallies.hits,
            "hit_rate": per(tallies.hits, tallies.draws),
        },
    }


def describe_config(config: Config, revision: int) -> dict[str, Any]:
    """The settings in force that a reader of numbers has to know."""
    return {
        "revision": revision,
        "agents": list(config.agents),
        "pairs": [pair.name for pair in config.pool],
        "base_pairs": [pair.name for pair in config.base],
        "candidates": config.star.candidates,
        "selection": config.star.selection,
        "small": config.scoring.small if config.needs_small else None,
        "large": config.scoring.large if config.needs_large else None,
    }


def projected_usd(counts: Counts) -> float | None:
    """What it will have cost once every seed is done, if the rest is like those that are; ``None`` where none is.

    Where no price is known at all, nothing is projected either; where some are not, the sum holds what is known.
    """
    if not counts.done or counts.cost_usd is None:
        return None
    return counts.cost_usd + (counts.waiting + counts.working) * counts.cost_usd / counts.done


def eta_s(counts: Counts, seeds_per_minute: float) -> float | None:
    """Seconds until every seed is done at this pace; ``None`` while nothing moves."""
    left = counts.waiting + counts.working
    return 60 * left / seeds_per_minute if seeds_per_minute else None if left else 0.0


def _agents(
    spend: Mapping[str, Spend], tallies: Tallies, states: Mapping[str, AgentState]
) -> dict[str, dict[str, Any]]:
    """Every agent that is configured, was paid, or wrote something."""
    drawn, won = _by_agent(tallies.drawn), _by_agent(tallies.won)
    return {
        name: {
            **_spent(spend.get(name, _NOTHING_SPENT)),
            "candidates": drawn.get(name, 0),
            "wins": won.get(name, 0),
            **_won(win_rate(won.get(name, 0), drawn.get(name, 0))),
            **(asdict(states[name]) if name in states else {}),
        }
        for name in sorted({*spend, *states, *drawn})
    }


def _leaders(probabilities: Mapping[str, float], tallies: Tallies) -> dict[str, Any]:
    """How often each drawn pair was chosen of its answers, with the interval; and who leads clearly, if anybody."""
    pairs = {name: win_rate(tallies.won.get(name, 0), tallies.drawn.get(name, 0)) for name in probabilities}
    drawn, won = (_by_agent({name: counts.get(name, 0) for name in pairs}) for counts in (tallies.drawn, tallies.won))
    return {
        "win_rates": {name: rate._asdict() for name, rate in pairs.items()},
        "best_pair": leader(pairs),
        "best_agent": leader({name: win_rate(won[name], n) for name, n in drawn.items()}),
    }


def _by_agent(pairs: Mapping[str, int]) -> dict[str, int]:
    """Counts of pairs as counts of the agents in them; an agent that is both in one pair counts once."""
    counted: dict[str, int] = {}
    for name, n in pairs.items():
        for agent in set(AgentPair.from_name(name).agents):
            counted[agent] = counted.get(agent, 0) + n
    return counted


def _won(rate: WinRate) -> dict[str, Any]:
    return {"win_rate": rate.rate, "win_rate_low": rate.low, "win_rate_high": rate.high}


def _spent(spent: Spend) -> dict[str, Any]:
    return {
        "calls": spent.calls,
        "usd": spent.usd,
        "calls_of_unknown_price": spent.unknown_calls,
        "usd_per_call": per(spent.usd, spent.calls - spent.unknown_calls),
    }


def _pair_cost(pair: PairCost) -> dict[str, Any]:
    return {
        "candidates": pair.candidates,
        "wins": pair.wins,
        "usd": pair.cost_usd,
        "candidates_of_unknown_cost": pair.unknown_cost,
        "usd_per_win": pair.usd_per_win,
    }
