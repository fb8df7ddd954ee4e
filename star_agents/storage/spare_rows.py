"""Rows that are kept beside the dataset since it has all that are wanted, and what is there: verbs of a store."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from star_agents.records import Outcome, RowShape, Seed
from star_agents.records.row_labels import labels_from
from star_agents.storage import pair_sums, tallies
from star_agents.storage.outcome_parts import add_parts
from star_agents.storage.reads import outcome_rows
from star_agents.storage.seed_columns import seed_from_columns
from star_agents.storage.sql import execute
from star_agents.storage.writer import Writer
from star_agents.text.plain_data import writable

_PAGE = 64
Added = TypeVar("Added")


class RowsTold(NamedTuple):
    """The rows of a shape in a store."""

    rows: int
    spare: int
    above_quota: int
    """Of the spare ones those that a quota keeps back."""
    ended: int
    """Seeds that have ended without children."""
    labels: Sequence[tuple[Mapping[str, str], int]]
    """What rows say of where they come from, and how many say so."""


class SpareRows:
    """What a store is asked and told of them, in its writer's thread."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def told(self, shape: RowShape, *, with_labels: bool = True) -> RowsTold:
        """The rows of a shape, by where they come from unless nobody asks: all of them are read for that."""
        return await self._writer.run(partial(rows_told, shape=shape, with_labels=with_labels))

    async def seeds_for(self, recipe: str) -> int:
        """How many seeds that were made for a recipe have no outcome yet."""
        return await self._writer.run(lambda connection: _seeds_for(connection, recipe))

    async def by_shape(self) -> Mapping[str, int]:
        """How many there are of each shape, as far as their texts are there."""
        return await self._writer.run(tallies.spare_by_shape)

    async def take(
        self,
        enter: Callable[[Outcome, Seed], tuple[Outcome, Added]],
        entered: Callable[[Added], None],
        *,
        after: int,
    ) -> int | None:
        """Let a page of outcomes have rows that were spare; the number of the last, or ``None`` behind the last page.

        Args:
            enter: An outcome with those of its spare rows that enter, and what that adds: asked in the writer's thread.
            entered: Told what was added, of each outcome that was changed, within the transaction.
            after: Number of the outcome behind which to look.
        """
        page = partial(_take_page, enter=enter, entered=entered, after=after)
        return await self._writer.run(page)


def _seeds_for(connection: sqlite3.Connection, recipe: str) -> int:
    return int(execute(connection, "seeds_for_recipe", recipe=recipe).fetchone()[0])


def rows_told(connection: sqlite3.Connection, shape: RowShape, *, with_labels: bool) -> RowsTold:
    """The rows of a shape in a store."""
    spare, above_quota = execute(connection, "count_spare", shape=shape).fetchone()
    return RowsTold(
        rows=execute(connection, "count_rows_of_shape", shape=shape).fetchone()[0],
        spare=spare,
        above_quota=above_quota,
        ended=execute(connection, "ended_alone").fetchone()[0],
        labels=_labels(connection, shape) if with_labels else (),
    )


def _labels(connection: sqlite3.Connection, shape: RowShape) -> list[tuple[Mapping[str, str], int]]:
    found: Counter[tuple[str, str, str, str, str]] = Counter(
        map(tuple, execute(connection, "row_origins", shape=shape))
    )
    return [
        (labels_from({**json.loads(of_seed), **json.loads(of_row)}, recipe=recipe, source=source, arm=arm), count)
        for (of_seed, of_row, recipe, source, arm), count in found.items()
    ]


def _take_page(
    connection: sqlite3.Connection,
    enter: Callable[[Outcome, Seed], tuple[Outcome, Added]],
    entered: Callable[[Added], None],
    after: int,
) -> int | None:
    page = execute(connection, "spare_outcomes", after=after, limit=_PAGE).fetchall()
    for columns in page:
        seq, seed = columns[0], seed_from_columns(columns[4:])
        old = outcome_rows(connection, [columns[:4]])[0].outcome
        new, added = enter(old, seed)
        if new is old:
            continue
        for part in ("remove_findings", "remove_rows", "remove_judgements", "remove_trials"):
            execute(connection, part, seq=seq)
        add_parts(connection, new, seq)
        pair_sums.forget(connection)
        winner = new.winner
        execute(connection, "set_outcome_arm", seq=seq, arm=writable(winner.arm) if winner else "")
        lineage = (columns[9], columns[8], columns[12])
        tallies.replace_outcome(connection, (old, seq), (new, seq), lineage, tried=(), at=columns[2])
        entered(added)
    return page[-1][0] if len(page) == _PAGE else None
