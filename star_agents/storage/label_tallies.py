"""How seeds with a label ended, and what was measured of them, by the measures that a recipe declares ``by_label``.

A seed's labels are the arms that were drawn for its parents, what stands in some of its columns, and its part. Counted
in the transaction of its outcome: a dropped one that was queued again counts again, and one that adds to an earlier
outcome takes that one's place. Sums are in millionths, so that taking one out leaves nothing behind.

How it goes of late is told beside all together: two earlier sums are kept with every sum, each as of the outcome at
which it stood so, and what came since the older of them is the newest. Both move on by themselves, so that these are
``WINDOW`` values at least, once there are so many, and fewer than twice as many.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from star_agents.records import Outcome
from star_agents.records.failures import one_line
from star_agents.records.seeds import PART, drawn_in
from star_agents.storage.games import COLUMNS
from star_agents.storage.rows import per
from star_agents.storage.sql import execute
from star_agents.text.plain_data import from_json, to_json, writable

WINDOW = 50
"""Values: the interval of a share that was seen so often reaches no farther than 14 points."""
MOST_VALUES = 2_000
"""Of one label that are counted apart; a column may hold anything."""
OTHERS = "(others)"
"""Those beyond."""
LONGEST_VALUE = 200
"""Characters of what stands in a column; more are cut."""
MICRO = 1_000_000
Measured = Sequence[tuple[str, float]]
"""Names of measures, and their values of one outcome's trials."""


class Sum(NamedTuple):
    """Values that were added up."""

    n: int = 0
    total: int = 0
    """In millionths."""

    @property
    def mean(self) -> float | None:
        """``None`` before the first."""
        return per(self.total / MICRO, self.n)


class LabelSums(NamedTuple):
    """One measure of the seeds with a label: sums of all of its values, and of those up to two earlier outcomes. The
    store keeps it as the list of these numbers."""

    n: int = 0
    total: int = 0
    """In millionths, as the others are."""
    before_n: int = 0
    before_total: int = 0
    """Of the outcomes up to ``since``."""
    middle_n: int = 0
    middle_total: int = 0
    """Of those up to ``middle_seq``, which ``since`` will be once there are enough after it."""
    since: int = 0
    """The newest values are those of the outcomes after this one."""
    middle_seq: int = 0

    @property
    def all(self) -> Sum:
        """Every value."""
        return Sum(self.n, self.total)

    @property
    def before(self) -> Sum:
        """Those before the newest."""
        return Sum(self.before_n, self.before_total)

    @property
    def newest(self) -> Sum:
        """Of the outcomes after ``since``."""
        return Sum(self.n - self.before_n, self.total - self.before_total)

    def added(self, seq: int, value: float) -> LabelSums:
        """With a value of the newest outcome."""
        n, total = self.n + 1, self.total + round(value * MICRO)
        if n - self.middle_n < WINDOW:
            return self._replace(n=n, total=total)
        return LabelSums(n, total, self.middle_n, self.middle_total, n, total, self.middle_seq, seq)

    def without(self, seq: int, value: float) -> LabelSums:
        """Without a value of an earlier outcome, wherever it counts."""
        micro, before, middle = round(value * MICRO), seq <= self.since, seq <= self.middle_seq
        return self._replace(
            n=self.n - 1,
            total=self.total - micro,
            before_n=self.before_n - before,
            before_total=self.before_total - before * micro,
            middle_n=self.middle_n - middle,
            middle_total=self.middle_total - middle * micro,
        )


class LabelTally(NamedTuple):
    """How the seeds with a label ended."""

    outcomes: int = 0
    dropped: int = 0
    """Those of them that came to nothing."""
    measures: Mapping[str, LabelSums] = {}

    def counted(self, seq: int, *, is_dropped: bool, measured: Measured, sign: int = 1) -> LabelTally:
        """With an outcome more, or where ``sign`` is -1, with one less."""
        sums = dict(self.measures)
        for name, value in measured:
            so_far = sums.get(name, LabelSums())
            sums[name] = so_far.added(seq, value) if sign > 0 else so_far.without(seq, value)
        return LabelTally(self.outcomes + sign, self.dropped + sign * is_dropped, sums)


Labelled = Mapping[str, Mapping[str, Mapping[str, LabelTally]]]
"""By recipe, label and value."""


def labels_of(labels: Mapping[str, str], meta: Mapping[str, Any]) -> dict[str, str]:
    """What a seed is counted by: arms by pool, columns by name, and the part that it belongs to."""
    columns = {name: value for name in COLUMNS if isinstance(value := meta.get(name), str) and value.strip()}
    part = {"part": labels[PART]} if labels.get(PART) else {}
    told = {name: one_line(value, LONGEST_VALUE) for name, value in {**columns, **part}.items()}
    return {name: writable(value) for name, value in {**told, **drawn_in(labels)}.items()}


def add_outcome(connection: sqlite3.Connection, outcome: Outcome, seq: int, lineage: Sequence[str]) -> None:
    """Count an outcome that is being committed.

    Args:
        connection: In its transaction.
        outcome: What is committed.
        seq: Its number.
        lineage: Of its seed: the parent's id, then labels and columns as JSON.
    """
    _count(connection, lineage, [(outcome, seq, 1)])


def replace_outcome(
    connection: sqlite3.Connection, old: tuple[Outcome, int], new: tuple[Outcome, int], lineage: Sequence[str]
) -> None:
    """Count an outcome in the place of another of the same seed, each with its number."""
    _count(connection, lineage, [(*old, -1), (*new, 1)])


def declare(connection: sqlite3.Connection, recipe: str, before: frozenset[str]) -> None:
    """Count a recipe's seeds anew where other measures are counted by label than were ``before``."""
    names = by_label(connection, recipe)
    if names == before:
        return
    execute(connection, "forget_labelled", recipe=recipe)
    if not names:
        return
    found: dict[tuple[str, str], LabelTally] = {}
    values: dict[str, int] = {}
    for seq, kind, labels, meta, trials in execute(connection, "outcomes_with_labels", recipe=recipe):
        measured = _measured(from_json(trials), names)
        for label, value in labels_of(from_json(labels), from_json(meta)).items():
            if (label, value) not in found:
                value = value if values.get(label, 0) < MOST_VALUES else OTHERS
                values[label] = values.get(label, 0) + ((label, value) not in found)
            tally = found.get((label, value), LabelTally())
            found[label, value] = tally.counted(seq, is_dropped=kind == "dropped", measured=measured)
    for (label, value), tally in found.items():
        _save(connection, recipe, label, value, tally)


def by_label(connection: sqlite3.Connection, recipe: str) -> frozenset[str]:
    """The names of a recipe's measures that are counted so."""
    return frozenset(name for (name,) in execute(connection, "measures_by_label", recipe=recipe))


def labelled(connection: sqlite3.Connection) -> Labelled:
    """Everything that was counted."""
    found: dict[str, dict[str, dict[str, LabelTally]]] = {}
    for recipe, label, value, outcomes, dropped, measures in execute(connection, "labelled"):
        found.setdefault(recipe, {}).setdefault(label, {})[value] = _tally(outcomes, dropped, measures)
    return found


def _count(connection: sqlite3.Connection, lineage: Sequence[str], counted: Sequence[tuple[Outcome, int, int]]) -> None:
    """Count outcomes of one seed, each with its number, and whether it is added or taken out."""
    recipe = counted[0][0].recipe
    names = by_label(connection, recipe)
    if not names:
        return
    for label, given in labels_of(from_json(lineage[1]), from_json(lineage[2])).items():
        value, tally = _find(connection, recipe, label, given)
        for outcome, seq, sign in counted:
            measured = _measured([trial.measures for trial in outcome.trials], names)
            tally = tally.counted(seq, is_dropped=outcome.kind == "dropped", measured=measured, sign=sign)
        _save(connection, recipe, label, value, tally)


def _find(connection: sqlite3.Connection, recipe: str, label: str, value: str) -> tuple[str, LabelTally]:
    """Under which value it counts, and what was counted so. A value that is counted apart once is so for ever, and one
    that came too late never is: an outcome is taken out where it was added."""
    row = execute(connection, "find_labelled", recipe=recipe, label=label, value=value).fetchone()
    if row is None and value != OTHERS:
        if execute(connection, "count_label_values", recipe=recipe, label=label).fetchone()[0] < MOST_VALUES:
            return value, LabelTally()
        return _find(connection, recipe, label, OTHERS)
    return value, LabelTally() if row is None else _tally(*row)


def _measured(trials: Iterable[Mapping[str, float | None]], names: frozenset[str]) -> list[tuple[str, float]]:
    return [(name, value) for name, value in _values(trials) if value is not None and name in names]


def _values(trials: Iterable[Mapping[str, float | None]]) -> Iterator[tuple[str, float | None]]:
    return (item for one in trials for item in one.items())


def _tally(outcomes: int, dropped: int, measures: str) -> LabelTally:
    return LabelTally(outcomes, dropped, {name: LabelSums(*kept) for name, kept in from_json(measures).items()})


def _save(connection: sqlite3.Connection, recipe: str, label: str, value: str, tally: LabelTally) -> None:
    measures = to_json({name: list(sums) for name, sums in tally.measures.items()})
    numbers = {"outcomes": tally.outcomes, "dropped": tally.dropped}
    execute(connection, "save_labelled", recipe=recipe, label=label, value=value, measures=measures, **numbers)
