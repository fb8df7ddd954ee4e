"""Sums over what recipes did: outcomes, rows, children, trials, measures, and what each arm of their pools earned.

Kept in the transaction that adds to them (``tallies``). What a recipe declares is kept beside them, so that a store
says what it holds without the recipe's file. A measure that is declared anew, or with another range, is counted again
from the trials.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from star_agents.records import PAIRS, Declaration, Measure, Outcome, Reward
from star_agents.storage.curve import probabilities_in
from star_agents.storage.rows import PoolRow, per
from star_agents.storage.sql import execute, queries
from star_agents.text.plain_data import from_json, to_json, writable

BINS = 40
MICRO = 1_000_000
"""Rewards are added up in millionths: whole numbers, whose sum does not go by their order."""
Key = tuple[str, str]
"""What is counted, and what of it, as a list in JSON."""
_OUTCOMES = "recipes.outcomes"
_ROWS = "recipes.rows"
_CHILDREN = "recipes.children"
_TRIALS = "recipes.trials"
_MEASURED = "recipes.measured"
_DRAWS = "pools.draws"
_REWARDS = "pools.rewards"
_EARNED = "pools.earned"


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasureTally:
    """What came of one measure."""

    measure: Measure
    n: int = 0
    """Values; a trial of which it could not be measured has none."""
    total: float = 0.0
    histogram: tuple[int, ...] = (0,) * BINS
    """Values by bins of equal width from ``measure.low`` to ``measure.high``; the ends hold what lies beyond."""

    @property
    def mean(self) -> float | None:
        """Of the values themselves; ``None`` before the first."""
        return per(self.total, self.n)


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipeTally:
    """What one recipe did."""

    name: str
    takes: tuple[str, ...] = ()
    """Kinds of seeds; empty where it was declared to no release that kept it."""
    in_chain: bool = False
    outcomes: Mapping[str, int] = field(default_factory=dict[str, int])
    """By kind; every outcome counts, those included that were superseded later."""
    rows: Mapping[str, int] = field(default_factory=dict[str, int])
    """By shape; Star's winners are rows to fine-tune on."""
    children: int = 0
    """Seeds that were queued for the next recipe; those that were seeds already do not count."""
    trials: Mapping[str, int] = field(default_factory=dict[str, int])
    """By kind of their failure; empty for those that did not fail."""
    measures: tuple[MeasureTally, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmTally:
    """What one arm of a pool was drawn for, and what it earned."""

    draws: int = 0
    """Of every outcome; a seed that was queued again counts again."""
    rewards: int = 0
    earned: int = 0
    """Their sum, in millionths."""

    @property
    def mean_reward(self) -> float | None:
        """In [0, 1]; ``None`` before the first."""
        return per(self.earned / MICRO, self.rewards)


def declare(connection: sqlite3.Connection, declared: Sequence[Declaration]) -> None:
    """Keep what the recipes of a chain say of themselves, in its order; others stay known, and stand in no place."""
    execute(connection, "forget_stages")
    for stage, one in enumerate(declared):
        execute(connection, "declare_recipe", recipe=one.recipe, stage=stage, takes=to_json(list(one.takes)))
        _declare_measures(connection, one)


def add_outcome(
    connection: sqlite3.Connection, outcome: Outcome, *, completed: Sequence[Reward], new_children: int
) -> None:
    """Count one outcome that is being committed, with the rewards of children that it completes."""
    counted = count(outcome, completed=completed, new_children=new_children)
    measured = [one.measures for one in outcome.trials if one.measures]
    if measured:
        counted += _measure(connection, outcome.recipe, _known_measures(connection, outcome.recipe), measured)
    _add(connection, counted)


def count(outcome: Outcome, *, completed: Sequence[Reward], new_children: int) -> Counter[Key]:
    """What one outcome adds, its measures aside. Pure."""
    recipe = outcome.recipe
    counted = Counter({_key(_OUTCOMES, recipe, outcome.kind): 1})
    counted.update(_key(_ROWS, recipe, shape) for shape in outcome.shapes)
    if new_children:
        counted[_key(_CHILDREN, recipe)] += new_children
    counted.update(_key(_TRIALS, recipe, one.failure.kind if one.failure else "") for one in outcome.trials)
    counted.update(_key(_DRAWS, pool, arm) for pool, arm in outcome.drawn)
    for reward in (*outcome.earned, *completed):
        counted[_key(_REWARDS, reward.pool, reward.arm)] += 1
        counted[_key(_EARNED, reward.pool, reward.arm)] += round(reward.value * MICRO)
    return counted


def edges(low: float, high: float) -> list[float]:
    """Where one bin ends and the next begins."""
    return [low + (high - low) * number / BINS for number in range(1, BINS)]


def recipes(connection: sqlite3.Connection, rows: Mapping[Key, int]) -> tuple[RecipeTally, ...]:
    """What each recipe did: those of the chain in its order, then others by name.

    Args:
        connection: To read what they declare.
        rows: Every count of the table.
    """
    found, in_chain = dict[str, list[str]](), set[str]()
    for name, stage, takes in execute(connection, "declared_recipes"):
        found[name] = from_json(takes)
        in_chain |= {name} if stage is not None else set()
    outcomes, shapes, trials = (_by_name(rows, name) for name in (_OUTCOMES, _ROWS, _TRIALS))
    children = {parts[0]: n for parts, n in _items(rows, _CHILDREN)}
    measures: dict[str, list[MeasureTally]] = {}
    bins = dict(_items(rows, _MEASURED))
    for recipe, name, what, better, low, high, n, total in execute(connection, "declared_measures"):
        measure = Measure(name, low=low, high=high, better=better, what=what)
        histogram = tuple(bins.get((recipe, name, number), 0) for number in range(BINS))
        measures.setdefault(recipe, []).append(MeasureTally(measure=measure, n=n, total=total, histogram=histogram))
    return tuple(
        RecipeTally(
            name=name,
            takes=tuple(found.get(name, ())),
            in_chain=name in in_chain,
            outcomes=outcomes.get(name, {}),
            rows=shapes.get(name, {}),
            children=children.get(name, 0),
            trials=trials.get(name, {}),
            measures=tuple(measures.get(name, ())),
        )
        for name in [*found, *sorted(outcomes.keys() - found.keys())]
    )


def pools(rows: Mapping[Key, int]) -> dict[str, dict[str, ArmTally]]:
    """Draws and rewards by pool and arm, Star's pairs aside."""
    draws, rewards, earned = (_by_name(rows, name) for name in (_DRAWS, _REWARDS, _EARNED))
    return {
        pool: {
            arm: ArmTally(
                draws=draws.get(pool, {}).get(arm, 0),
                rewards=rewards.get(pool, {}).get(arm, 0),
                earned=earned.get(pool, {}).get(arm, 0),
            )
            for arm in sorted({*draws.get(pool, {}), *rewards.get(pool, {})})
        }
        for pool in sorted({*draws, *rewards})
    }


def probabilities_in_force(kept: Mapping[str, PoolRow], recipes: Sequence[RecipeTally]) -> dict[str, Any]:
    """The probabilities of the pools of a chain, as their kept states name them; Star's pairs aside."""
    in_chain = {one.name for one in recipes if one.in_chain}
    return {
        name: probabilities_in(row.state)
        for name, row in kept.items()
        if name != PAIRS and any(name.startswith(f"{recipe}.") for recipe in in_chain)
    }


def _declare_measures(connection: sqlite3.Connection, declared: Declaration) -> None:
    known = _known_measures(connection, declared.recipe)
    ranges = {one.name: (one.low, one.high) for one in declared.measures}
    gone = known.keys() - ranges.keys()
    for name in gone:
        execute(connection, "forget_measure", recipe=declared.recipe, measure=name)
    anew = {name: ends for name, ends in ranges.items() if known.get(name) != ends}
    for name in {*gone, *anew}:
        for number in range(BINS):
            execute(connection, "forget_tally", of=_MEASURED, item=to_json([declared.recipe, name, number]))
    for place, one in enumerate(declared.measures):
        texts = {"measure": one.name, "what": writable(one.what), "better": one.better}
        ends = {"low": one.low, "high": one.high, "anew": one.name in anew}
        execute(connection, "declare_measure", recipe=declared.recipe, place=place, **texts, **ends)
    if anew:
        found = (from_json(row[0]) for row in execute(connection, "measures_of_recipe", recipe=declared.recipe))
        _add(connection, _measure(connection, declared.recipe, anew, found))


def _known_measures(connection: sqlite3.Connection, recipe: str) -> dict[str, tuple[float, float]]:
    """Range by name."""
    return {name: (low, high) for name, low, high in execute(connection, "ranges_of_recipe", recipe=recipe)}


def _measure(
    connection: sqlite3.Connection,
    recipe: str,
    ranges: Mapping[str, tuple[float, float]],
    measured: Iterable[Mapping[str, float | None]],
) -> Counter[Key]:
    """Add values to sums; return how many fall into which bin."""
    borders = {name: edges(*ends) for name, ends in ranges.items()}
    counted: Counter[Key] = Counter()
    for values in measured:
        for name, value in values.items():
            if value is not None and name in borders:
                counted[_key(_MEASURED, recipe, name, bisect_right(borders[name], value))] += 1
                execute(connection, "add_measured", recipe=recipe, measure=name, value=float(value))
    return counted


def _add(connection: sqlite3.Connection, counted: Counter[Key]) -> None:
    rows = [{"name": name, "item": item, "n": n} for (name, item), n in counted.items()]
    connection.executemany(queries()["add_to_tally"], rows)


def _key(name: str, *parts: str | int) -> Key:
    return name, to_json(list(parts))


def _items(rows: Mapping[Key, int], name: str) -> Iterator[tuple[tuple[str | int, ...], int]]:
    return ((tuple(from_json(item)), n) for (of, item), n in rows.items() if of == name)


def _by_name(rows: Mapping[Key, int], name: str) -> dict[str, dict[str, int]]:
    """Counts of two parts, by the first and then by the second."""
    found: dict[str, dict[str, int]] = {}
    for (first, second), n in sorted(_items(rows, name)):
        found.setdefault(str(first), {})[str(second)] = n
    return found
