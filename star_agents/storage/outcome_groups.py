"""Outcomes that are committed together: one transaction, and one sync to disk, acknowledges all of them.

Each is written in a savepoint of its own, in order, and what pools learn of it is foreseen on top of what the ones
before it left: the store then holds what it would if they had come one after another. One that fails undoes itself
alone, and those behind it go on from what stood before it. Where the transaction fails, none of them was written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from star_agents.records import GrownArm, Outcome, Reward
from star_agents.storage import ledger, pair_sums
from star_agents.storage.connection import store_errors
from star_agents.storage.ledger import Admit, Committed, PoolStates
from star_agents.storage.recollections import NearDraw
from star_agents.storage.rows import MemoryRow
from star_agents.storage.sums import Sums

ForeseeAfter = Callable[[Sequence[Reward], PoolStates], PoolStates]
"""As ``ledger.Foresee``, given the states that pools have by outcomes before it in the same transaction, which whoever
foresees has not learned of yet."""


class ToCommit(NamedTuple):
    """An outcome, and all that follows from it."""

    outcome: Outcome
    """What became of the seed."""
    foresee: ForeseeAfter
    """Says what the pools' states are after it, given the rewards that it completes for the arms in its seed's labels.
    It is called once, in the writer's thread; what it reads must not change meanwhile."""
    memory: MemoryRow | None
    """What enters the memory bank."""
    revision: int
    """Of the config that the seed was worked under."""
    near: Sequence[NearDraw] = ()
    """What was near when its arms were drawn."""
    admit: Admit | None = None
    """Looks whether what it claims to be new is so."""
    grown: Sequence[GrownArm] = ()
    """Arms that it adds to pools or retires."""


def commit_together(
    connection: sqlite3.Connection, group: Sequence[ToCommit], *, at: float, path: Path
) -> list[Committed | Exception]:
    """Write outcomes in their order; what is known of each only then, or why it could not be written.

    Args:
        connection: In a transaction.
        group: What to write.
        at: The moment, in seconds since 1970.
        path: Of the store, for what is told of errors.

    Raises:
        StoreError: the transaction is gone with all that was written in it.
    """
    after: dict[str, Mapping[str, Any]] = {}
    found: list[Committed | Exception] = []
    sums = Sums()
    for one in group:
        own = Sums()
        try:
            with store_errors(path), _savepoint(connection):
                committed = _commit(connection, one, after, own, at)
        except Exception as error:
            if not connection.in_transaction:
                raise  # A full disk or an I/O error: SQLite has undone everything by itself.
            found.append(error)
        else:
            after |= committed.pools
            sums.take_in(own)
            found.append(committed)
    sums.write(connection, at=at)
    seqs = [one.seq for one in found if isinstance(one, Committed)]
    if seqs:
        pair_sums.fold_now_and_then(connection, min(seqs) - 1, max(seqs))
    return found


def _commit(connection: sqlite3.Connection, one: ToCommit, after: PoolStates, sums: Sums, at: float) -> Committed:
    return ledger.commit_outcome(
        connection,
        one.outcome,
        foresee=lambda completed: one.foresee(completed, after),
        memory=one.memory,
        revision=one.revision,
        at=at,
        near=one.near,
        admit=one.admit,
        grown=one.grown,
        sums=sums,
    )


@contextmanager
def _savepoint(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("SAVEPOINT outcome")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK TO outcome")
            connection.execute("RELEASE outcome")
        raise
    connection.execute("RELEASE outcome")
