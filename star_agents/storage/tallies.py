"""Sums over all outcomes, kept in the transaction that adds to them: what recipes did and measured, what each arm of
their pools did and earned (``recipe_tallies``), what judges said (``judge_tallies``), and what was tolerated.

A sum over a hundred thousand seeds is read as fast as one over ten. Every outcome counts, a dropped one that was
queued again included.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from star_agents.observe.status import Batches, JudgeScale
from star_agents.records import PAIRS, STAR, GrownArm, Outcome, Reward
from star_agents.records.failures import FailureCount, Tried
from star_agents.storage import arm_notes, judge_tallies, label_tallies, parts, recipe_tallies
from star_agents.storage.arm_notes import ArmNotes
from star_agents.storage.batch_status import batch_status, no_batches
from star_agents.storage.failure_tallies import add_tried, failure_counts, refused_by_arm
from star_agents.storage.grown_arms import by_pool, grown_arms
from star_agents.storage.judge_tallies import JudgeTally
from star_agents.storage.label_tallies import Labelled, LabelTally
from star_agents.storage.parts import PartCount
from star_agents.storage.recipe_tallies import BINS, ArmTally, MeasureTally, RecipeTally
from star_agents.storage.scales import scales
from star_agents.storage.sql import execute
from star_agents.storage.stranded import Stranded, stranded
from star_agents.storage.sums import Sums

GAP_LOW = -1.0
GAP_WIDTH = 0.05
_RECALLED = "memory.draws"
_NO_JUDGES = JudgeTally()
_NO_ARMS: Mapping[str, ArmTally] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Tallies:
    """What was counted so far."""

    recipes: tuple[RecipeTally, ...] = ()
    """What each recipe did: those of the chain in its order, then others."""
    pools: Mapping[str, Mapping[str, ArmTally]] = field(default_factory=dict[str, Mapping[str, ArmTally]])
    """By pool and arm."""
    labelled: Labelled = field(default_factory=dict[str, Mapping[str, Mapping[str, LabelTally]]])
    """How seeds with a label ended, by recipe, label and value."""
    arm_notes: Mapping[str, ArmNotes] = field(default_factory=dict[str, ArmNotes])
    """By pool."""
    stranded: tuple[Stranded, ...] = ()
    """Seeds that nobody takes as things stand."""
    parts: Mapping[str, PartCount] = field(default_factory=dict[str, PartCount])
    """Seeds by part; empty where they have none."""
    judges: Mapping[str, JudgeTally] = field(default_factory=dict[str, JudgeTally])
    """By recipe."""
    hits: int = 0
    """Outcomes with an arm that the memory bank proposed."""
    misses: int = 0
    """Outcomes whose arms were all drawn from the whole pool."""
    failures: tuple[FailureCount, ...] = ()
    """What was tolerated, by part and reason."""
    refused: tuple[FailureCount, ...] = ()
    """What was refused, by reason and the arm that it was drawn for."""
    scales: tuple[JudgeScale, ...] = ()
    """What rewards of reward models that judge stand for."""
    batches: Batches = field(default_factory=no_batches)
    """Calls that go by the batches of providers."""
    spare: Mapping[str, int] = field(default_factory=dict[str, int])
    """Rows that are kept beside the dataset, by shape."""
    grown: Mapping[str, Mapping[str, GrownArm]] = field(default_factory=dict[str, Mapping[str, GrownArm]])
    """Arms that recipes added to their pools while they worked, by pool and name."""

    @property
    def draws(self) -> int:
        """Outcomes for which arms were drawn from a pool with a memory bank."""
        return self.hits + self.misses

    @property
    def referees(self) -> JudgeTally:
        """What Star's referees said."""
        return self.judges.get(STAR, _NO_JUDGES)

    @property
    def drawn(self) -> dict[str, int]:
        """Candidates by agent-pair, base pairs left out."""
        return {arm: one.tried for arm, one in self.pools.get(PAIRS, _NO_ARMS).items() if one.tried}

    @property
    def won(self) -> dict[str, int]:
        """Those of them that were chosen."""
        return {arm: one.won for arm, one in self.pools.get(PAIRS, _NO_ARMS).items() if one.won}

    @property
    def gaps_chosen(self) -> tuple[int, ...]:
        """Chosen candidates by gap: bins of ``GAP_WIDTH`` from ``GAP_LOW`` on; the ends hold all beyond."""
        return self._gaps.chosen if self._gaps else (0,) * BINS

    @property
    def gaps_others(self) -> tuple[int, ...]:
        """Likewise the scored candidates that were not chosen."""
        return self._gaps.others if self._gaps else (0,) * BINS

    @property
    def _gaps(self) -> MeasureTally | None:
        measures = (one for recipe in self.recipes if recipe.name == STAR for one in recipe.measures)
        return next((one for one in measures if one.measure.name == "gap"), None)


def add_outcome(
    connection: sqlite3.Connection,
    outcome: Outcome,
    seq: int,
    lineage: Sequence[str],
    *,
    completed: Sequence[Reward],
    new_children: int,
    sums: Sums,
) -> None:
    """Count one outcome that is being committed.

    Args:
        connection: In the transaction.
        outcome: What is committed.
        seq: Its number.
        lineage: Of its seed: the parent's id, then labels and columns as JSON.
        completed: Rewards of children that it completes.
        new_children: How many of its children were queued.
        sums: Gathers what is written for several at once.
    """
    counted = judge_tallies.count(outcome)
    if outcome.recalled is not None:
        counted[_RECALLED, "hits" if outcome.recalled else "misses"] += 1
    sums.count(counted)
    sums.count(recipe_tallies.counted_of(connection, outcome, completed=completed, new_children=new_children))
    sums.tried(outcome.tried)
    label_tallies.add_outcome(connection, outcome, seq, lineage)


def replace_outcome(
    connection: sqlite3.Connection,
    old: tuple[Outcome, int],
    new: tuple[Outcome, int],
    lineage: Sequence[str],
    *,
    tried: Sequence[Tried],
    at: float,
) -> None:
    """Count an outcome that is being committed in the place of another of its seed, each with its number, with what was
    tried for it."""
    said = judge_tallies.count(new[0])
    said.subtract(judge_tallies.count(old[0]))
    recipe_tallies.replace_outcome(connection, old[0], new[0], said)
    label_tallies.replace_outcome(connection, old, new, lineage)
    add_tried(connection, tried, at=at)


def spare_by_shape(connection: sqlite3.Connection) -> dict[str, int]:
    """Rows that are kept beside the dataset by shape, as far as their texts are there."""
    return dict(execute(connection, "count_spare_rows").fetchall())


def tallies(connection: sqlite3.Connection) -> Tallies:
    """Everything that was counted, from a table of a few rows."""
    rows = {(name, item): n for name, item, n in execute(connection, "tallies")}
    return Tallies(
        recipes=recipe_tallies.recipes(connection, rows),
        pools=recipe_tallies.pools(rows),
        labelled=label_tallies.labelled(connection),
        arm_notes=arm_notes.arm_notes(connection),
        stranded=stranded(connection),
        parts=parts.count(connection),
        judges=judge_tallies.judges(rows),
        hits=rows.get((_RECALLED, "hits"), 0),
        misses=rows.get((_RECALLED, "misses"), 0),
        failures=failure_counts(connection),
        refused=refused_by_arm(connection),
        scales=scales(connection),
        batches=batch_status(connection),
        spare=spare_by_shape(connection),
        grown=by_pool(grown_arms(connection)),
    )
