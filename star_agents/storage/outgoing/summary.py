"""A run in numbers: counts, costs, agents, and what each pair did with its chances."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from star_agents import __version__
from star_agents.config.kept import config_in_sections
from star_agents.config.target import TargetConfig
from star_agents.observe.status import plain
from star_agents.records import PAIRS, STAR
from star_agents.storage.exams import referee_facts
from star_agents.storage.migrations import scripts
from star_agents.storage.reader import StoreReader
from star_agents.storage.recipe_facts import pool_facts, recipe_facts, refused_arms
from star_agents.storage.recipe_tallies import probabilities_in_force
from star_agents.storage.results import Result
from star_agents.storage.rows import per, usd_or_none
from star_agents.storage.target_facts import target_facts
from star_agents.storage.turning import turns

Probabilities = Callable[[Mapping[str, Any]], Mapping[str, float]]
"""Reads the probability of each pair from a policy's state; the store knows no policy."""


@dataclass(slots=True)
class PairTally:
    """One pair over all finished seeds."""

    candidates: int = 0
    failures: int = 0
    wins: int = 0
    known_pi: int = 0
    sum_pi: float = 0.0
    cost_usd: float = 0.0
    """Sum of the known costs of its candidates; a rewrite that pairs share counts for each of them."""
    unknown_cost: int = 0
    """Candidates of which nobody knows what they cost."""


def tally(result: Result, pairs: dict[str, PairTally]) -> None:
    """Add one finished seed of the recipe that draws pairs."""
    if result.header.recipe != STAR:
        return
    chosen = result.chosen
    for place, trial in enumerate(result.trials):
        pair, pi = pairs.setdefault(trial.arm, PairTally()), trial.measures.get("pi")
        pair.candidates += 1
        pair.failures += bool(trial.failure)
        pair.wins += place in chosen
        pair.cost_usd += trial.cost_usd or 0.0
        pair.unknown_cost += trial.cost_usd is None
        if pi is not None:
            pair.known_pi += 1
            pair.sum_pi += pi


def summarise(reader: StoreReader, pairs: Mapping[str, PairTally], probabilities: Probabilities) -> dict[str, Any]:
    """The summary of a store whose finished seeds are in ``pairs`` already; plain data."""
    counts, pools, revisions, tallies = reader.counts(), reader.pools(), reader.revisions(), reader.tallies()
    shares = probabilities_in_force(pools, tallies.recipes)
    drawn_from = pool_facts(shares, tallies.pools, tallies.arm_notes, tallies.grown)
    policy = pools.get(PAIRS)
    config = config_in_sections(revisions[-1].config) if revisions else {}
    wanted = config.get("target_rows")
    start = probabilities(policy.start) if policy else {}
    now = probabilities(policy.state) if policy else {}
    return {
        "counts": {"seeds": counts.seeds, "done": counts.done, **asdict(counts)},
        "cost": {
            "known_usd": counts.cost_usd,
            "calls_of_unknown_price": counts.calls_of_unknown_price,
            "usd_per_sample": per(counts.cost_usd, counts.selected),
            "usd_per_improved": per(counts.cost_usd, counts.kept),
        },
        "agents": {usage.agent: asdict(usage) for usage in reader.agent_usage()},
        "referee": plain(referee_facts(tallies, reader.exams())),
        "exams": plain(reader.point_exams()),
        "pairs": {
            name: _pair_summary(pairs.get(name, PairTally()), start.get(name), now.get(name))
            for name in sorted({*pairs, *now})
        },
        "recipes": plain(recipe_facts(tallies.recipes)),
        "pools": plain(drawn_from),
        "turns": plain(turns(drawn_from, tallies)),
        "parts": {name: {"seeds": one.seeds, **asdict(one)} for name, one in tallies.parts.items()},
        "target": None if wanted is None else plain(target_facts(TargetConfig.model_validate(wanted), tallies)),
        "scales": plain(tallies.scales),
        "failures": [one.to_dict() for one in tallies.failures],
        "refused": plain(refused_arms(tallies.refused)),
        "selection": config.get("star", {}).get("selection"),
        "policy": config.get("evolution", {}).get("policy"),
        "config_revisions": len(revisions),
        "versions": {
            "star_agents": __version__,
            "schema": len(scripts()),
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
        },
    }


def _pair_summary(tally: PairTally, start: float | None, now: float | None) -> dict[str, Any]:
    cost_usd = usd_or_none(tally.cost_usd, tally.unknown_cost)
    return {
        "candidates": tally.candidates,
        "failures": tally.failures,
        "wins": tally.wins,
        "mean_pi": per(tally.sum_pi, tally.known_pi),
        "cost_usd": cost_usd,
        "candidates_of_unknown_cost": tally.unknown_cost,
        "usd_per_win": per(cost_usd, tally.wins),
        "probability_start": start,
        "probability_now": now,
    }
