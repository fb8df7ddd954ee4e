"""Finished seeds that are worked once more, to add to the outcome that they have: it stands until the new one takes its
place, in the transaction of that one. As functions of a connection.

Until then such a seed waits, and counts among those that do; its rows, battles and ratings are there all the while.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from star_agents.storage import pair_sums
from star_agents.storage.reads import outcome_rows
from star_agents.storage.rows import OutcomeRow
from star_agents.storage.run_scope import Scope
from star_agents.storage.sql import execute


class Lacking(NamedTuple):
    """An outcome in which not all is that is asked for."""

    row: OutcomeRow
    is_cleared: bool
    """Whether the texts behind it are gone (``retention``)."""


def lacking(
    connection: sqlite3.Connection,
    *,
    recipe: str,
    arms: Sequence[str],
    after: int,
    limit: int,
    scope: Scope,
    parts: Sequence[str],
) -> list[Lacking]:
    """A page of a recipe's outcomes in which some arm has no trial, by sequence number; of seeds that may be leased."""
    asked = {"arms": json.dumps(list(arms)), "arms_asked": len(set(arms)), "scoped": scope.scoped}
    of_parts = {"parts": json.dumps(list(parts)) if parts else None}
    rows = execute(
        connection, "outcomes_lacking", recipe=recipe, after=after, limit=limit, **asked, **of_parts
    ).fetchall()
    found = outcome_rows(connection, [row[:4] for row in rows])
    return [Lacking(one, row[4] is not None) for one, row in zip(found, rows, strict=True)]


def reopen(connection: sqlite3.Connection, seqs: Sequence[int]) -> Counter[str]:
    """Let the seeds of these outcomes wait, to add to them; how many more wait so, by kind of outcome."""
    before = kinds(connection)
    execute(connection, "reopen", seqs=json.dumps(list(seqs)))
    if execute(connection, "requeue_reopened", seqs=json.dumps(list(seqs))).rowcount:
        pair_sums.forget(connection)
    return _more(before, kinds(connection))


def close(connection: sqlite3.Connection, recipe: str) -> Counter[str]:
    """Let the seeds of a recipe that wait so be done with what they have; how many more wait so, which is below 0."""
    before = kinds(connection)
    if execute(connection, "close_reopened", recipe=recipe).rowcount:  # A start asks it of recipes that reopened none.
        pair_sums.forget(connection)
    execute(connection, "forget_closed")
    return _more(before, kinds(connection))


def _more(before: Counter[str], after: Counter[str]) -> Counter[str]:
    after.subtract(before)
    return after


def kinds(connection: sqlite3.Connection) -> Counter[str]:
    """How many there are, by kind of the outcome that stands."""
    return Counter(dict(execute(connection, "count_reopened").fetchall()))


def so_far(connection: sqlite3.Connection, seed_id: str) -> OutcomeRow | None:
    """What a seed has that is to add to it."""
    row = execute(connection, "outcome_so_far", seed_id=seed_id).fetchone()
    return None if row is None else outcome_rows(connection, [row])[0]


def take(connection: sqlite3.Connection, seed_id: str) -> OutcomeRow | None:
    """The same, taken out of the store: another takes its place in this transaction."""
    row = so_far(connection, seed_id)
    if row is not None:
        execute(connection, "forget_reopened", seed_id=seed_id)
        for part in ("remove_findings", "remove_rows", "remove_judgements", "remove_trials", "remove_outcome"):
            execute(connection, part, seq=row.seq)
        execute(connection, "forget_rows_of_seed", seed_id=seed_id)
        execute(connection, "forget_vectors_of_seed", seed_id=seed_id)
    return row
