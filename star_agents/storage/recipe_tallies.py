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
from functools import lru_cache
from typing import Any

from star_agents.records import PAIRS, Declaration, Measure, Outcome, Reward
from star_agents.storage import label_tallies
from star_agents.storage.arm_notes import probabilities_in
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
_CHOSEN = "recipes.chosen"
_DRAWS = "pools.draws"
_TRIED = "pools.tried"
_WON = "pools.won"
_REWARDS = "pools.rewards"
_EARNED = "pools.earned"
_OF_ARMS = {"draws": _DRAWS, "rewards": _REWARDS, "earned": _EARNED, "tried": _TRIED, "won": _WON}
"""By field of ``ArmTally``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasureTally:
    """What came of one measure."""

    measure: Measure
    n: int = 0
    """Values; a trial of which it could not be measured has none."""
    total: float = 0.0
    histogram: tuple[int, ...] = (0,) * BINS
    """Values by bins of equal width from ``measure.low`` to ``measure.high``; the ends hold what lies beyond."""
    chosen: tuple[int, ...] = (0,) * BINS
    """Those of them of trials that a row is made of."""

    @property
    def others(self) -> tuple[int, ...]:
        """Those of the other trials."""
        return tuple(n - chosen for n, chosen in zip(self.histogram, self.chosen, strict=True))

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
    """By shape."""
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
    tried: int = 0
    """Trials that it was drawn for; of a draw that was never worked there is none."""
    won: int = 0
    """Those of them that a row is made of."""

    @property
    def mean_reward(self) -> float | None:
        """In [0, 1]; ``None`` before the first."""
        return per(self.earned / MICRO, self.rewards)


def declare(connection: sqlite3.Connection, declared: Sequence[Declaration]) -> None:
    """Keep what the recipes of a chain say of themselves, in its order; others stay known, and stand in no place."""
    execute(connection, "forget_stages")
    for stage, one in enumerate(declared):
        execute(connection, "declare_recipe", recipe=one.recipe, stage=stage, takes=to_json(list(one.takes)))
        before = label_tallies.by_label(connection, one.recipe)
        _declare_measures(connection, one)
        label_tallies.declare(connection, one.recipe, before)


def counted_of(
    connection: sqlite3.Connection, outcome: Outcome, *, completed: Sequence[Reward], new_children: int
) -> Counter[Key]:
    """What one outcome that is being committed adds to the table, with the rewards of children that it completes; its
    measures are added to their sums."""
    counted = count(outcome, completed=completed, new_children=new_children)
    chosen = frozenset(outcome.chosen)
    measured = [(place in chosen, one.measures) for place, one in enumerate(outcome.trials) if one.measures]
    if measured:
        counted.update(_measure(connection, outcome.recipe, _known_measures(connection, outcome.recipe), measured))
    return counted


def replace_outcome(connection: sqlite3.Connection, old: Outcome, new: Outcome, besides: Counter[Key]) -> None:
    """Count an outcome in the place of another of the same seed, and what others count of that."""
    counted = count(new, completed=(), new_children=0)
    counted.subtract(count(old, completed=(), new_children=0))
    counted.update(besides)
    for outcome, sign in ((old, -1), (new, 1)):
        chosen = frozenset(outcome.chosen)
        measured = [(place in chosen, one.measures) for place, one in enumerate(outcome.trials) if one.measures]
        counted.update(_measure(connection, new.recipe, _known_measures(connection, new.recipe), measured, sign=sign))
    add(connection, counted)


def count(outcome: Outcome, *, completed: Sequence[Reward], new_children: int) -> Counter[Key]:
    """What one outcome adds, its measures aside. Pure."""
    recipe = outcome.recipe
    counted = Counter(
        [
            key(_OUTCOMES, recipe, outcome.kind),
            *(key(_ROWS, recipe, shape) for shape in outcome.shapes),
            *(key(_TRIALS, recipe, one.failure.kind if one.failure else "") for one in outcome.trials),
            *(key(_DRAWS, pool, arm) for pool, arm in outcome.drawn),
            *_tried(outcome),
        ]
    )
    if new_children:
        counted[key(_CHILDREN, recipe)] += new_children
    for reward in (*outcome.earned, *completed):
        counted[key(_REWARDS, reward.pool, reward.arm)] += 1
        counted[key(_EARNED, reward.pool, reward.arm)] += round(reward.value * MICRO)
    return counted


def _tried(outcome: Outcome) -> Iterator[Key]:
    """Trials that arms were drawn for, and those of them that a row is made of."""
    pools: dict[str, list[str]] = {}
    for pool, arm in dict.fromkeys(outcome.drawn):
        pools.setdefault(arm, []).append(pool)
    chosen = frozenset(outcome.chosen)
    for place, trial in enumerate(outcome.trials):
        for pool in pools.get(trial.arm, ()):
            yield key(_TRIED, pool, trial.arm)
            if place in chosen:
                yield key(_WON, pool, trial.arm)


@lru_cache(maxsize=256)
def edges(low: float, high: float) -> Sequence[float]:
    """Where one bin ends and the next begins; of whole numbers each is the float nearest to it."""
    return tuple((low * (BINS - number) + high * number) / BINS for number in range(1, BINS))


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
    children = {parts[0]: n for parts, n in items(rows, _CHILDREN)}
    measures: dict[str, list[MeasureTally]] = {}
    bins, chosen = dict(items(rows, _MEASURED)), dict(items(rows, _CHOSEN))
    for recipe, name, what, better, low, high, by_label, n, total in execute(connection, "declared_measures"):
        measure = Measure(name, low=low, high=high, better=better, what=what, by_label=bool(by_label))
        all_, some = (tuple(of.get((recipe, name, number), 0) for number in range(BINS)) for of in (bins, chosen))
        told = MeasureTally(measure=measure, n=n, total=total, histogram=all_, chosen=some)
        measures.setdefault(recipe, []).append(told)
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
    """What each arm was drawn for and has earned, by pool and arm."""
    counted = {name: _by_name(rows, of) for name, of in _OF_ARMS.items()}
    return {
        pool: {
            arm: ArmTally(**{name: found.get(pool, {}).get(arm, 0) for name, found in counted.items()})
            for arm in sorted({arm for found in counted.values() for arm in found.get(pool, {})})
        }
        for pool in sorted({pool for found in counted.values() for pool in found})
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
    known = {name: (low, high) for name, (low, high, _) in _known_measures(connection, declared.recipe).items()}
    ranges = {one.name: (one.low, one.high) for one in declared.measures}
    gone = known.keys() - ranges.keys()
    for name in gone:
        execute(connection, "forget_measure", recipe=declared.recipe, measure=name)
    anew = {name: ends for name, ends in ranges.items() if known.get(name) != ends}
    for name in {*gone, *anew}:
        for number in range(BINS):
            for of in (_MEASURED, _CHOSEN):
                execute(connection, "forget_tally", of=of, item=to_json([declared.recipe, name, number]))
    for place, one in enumerate(declared.measures):
        texts = {"measure": one.name, "what": writable(one.what), "better": one.better}
        ends = {"low": one.low, "high": one.high, "by_label": one.by_label, "anew": one.name in anew}
        execute(connection, "declare_measure", recipe=declared.recipe, place=place, **texts, **ends)
    if anew:
        rows = execute(connection, "measures_of_recipe", recipe=declared.recipe)
        found = ((bool(chosen), from_json(measures)) for chosen, measures in rows)
        begun = {name: (*ends, 0.0) for name, ends in anew.items()}
        add(connection, _measure(connection, declared.recipe, begun, found))


def _known_measures(connection: sqlite3.Connection, recipe: str) -> dict[str, tuple[float, float, float]]:
    """Range by name, and the sum of its values so far."""
    return {
        name: (low, high, total) for name, low, high, total in execute(connection, "ranges_of_recipe", recipe=recipe)
    }


def _measure(
    connection: sqlite3.Connection,
    recipe: str,
    known: Mapping[str, tuple[float, float, float]],
    measured: Iterable[tuple[bool, Mapping[str, float | None]]],
    *,
    sign: int = 1,
) -> Counter[Key]:
    """Add values to sums, or with ``sign`` -1 take them out; return how many fall into which bin, of all and of those
    that were chosen."""
    borders = {name: edges(low, high) for name, (low, high, _) in known.items()}
    totals = {name: total for name, (_, _, total) in known.items()}
    values: Counter[str] = Counter()
    bins: Counter[tuple[bool, str, int]] = Counter()
    for is_chosen, measures in measured:
        for name, value in measures.items():
            if value is not None and name in borders:
                bins[is_chosen, name, bisect_right(borders[name], value)] += sign
                values[name] += sign
                totals[name] += sign * value
    added = [{"recipe": recipe, "measure": name, "n": n, "total": totals[name]} for name, n in values.items()]
    connection.executemany(queries()["add_measured"], added)
    counted: Counter[Key] = Counter()
    for (is_chosen, name, number), n in bins.items():
        counted[key(_MEASURED, recipe, name, number)] += n
        if is_chosen:
            counted[key(_CHOSEN, recipe, name, number)] += n
    return counted


def add(connection: sqlite3.Connection, counted: Mapping[Key, int]) -> None:
    """Add to the table."""
    rows = [{"name": name, "item": item, "n": n} for (name, item), n in counted.items()]
    connection.executemany(queries()["add_to_tally"], rows)


@lru_cache(maxsize=8192)
def key(name: str, *parts: str | int) -> Key:
    """What is counted, and what of it."""
    return name, to_json(list(parts))


def items(rows: Mapping[Key, int], name: str) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """Every count of a name, by what of it is counted."""
    return ((tuple(from_json(item)), n) for (of, item), n in rows.items() if of == name)


def _by_name(rows: Mapping[Key, int], name: str) -> dict[str, dict[str, int]]:
    """Counts of two parts, by the first and then by the second."""
    found: dict[str, dict[str, int]] = {}
    for (first, second), n in sorted(items(rows, name)):
        found.setdefault(str(first), {})[str(second)] = n
    return found
