"""The daemon's store: every verb is durable when it returns.

One folder holds one store: ``store.sqlite3``, written by one thread of one process, and ``lock``, which says whose. All
SQL stands in queries.sql; what a verb does is a function in ``ledger``, ``journal`` or ``reads``, and here it is sent
to the writer thread.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio

from star_agents.errors import ScorerError, StarAgentsError
from star_agents.observe.status import StoreState
from star_agents.process.crash_points import crash_point
from star_agents.records import Declaration, Outcome, Reply, Seed
from star_agents.records.failures import Tried
from star_agents.storage import (
    call_sums,
    journal,
    ledger,
    pair_sums,
    quarantine,
    recipe_tallies,
    retention,
    run_scope,
    turn_taking,
)
from star_agents.storage.connection import STORE_FILE as STORE_FILE
from star_agents.storage.failure_tallies import add_tried, set_left_out
from star_agents.storage.file_systems import make_folder, refuse_network_folder
from star_agents.storage.ledger import Admit, Committed, Foresee, PoolStates
from star_agents.storage.lock import LOCK_FILE, FolderLock
from star_agents.storage.near_texts import Unlike
from star_agents.storage.outcome_groups import ToCommit, commit_together
from star_agents.storage.rows import Intent, MemoryRow
from star_agents.storage.spare_rows import SpareRows
from star_agents.storage.sql import execute
from star_agents.storage.store_batches import StoreBatches
from star_agents.storage.store_seeds import StoreSeeds
from star_agents.storage.upgrading import bring_up_to_date
from star_agents.storage.writer import Writer

FILES_LOOK_S = 1.0


class Store(StoreSeeds):
    """A store open for work, by ``Store.open``. Used from one event loop.

    Verbs take effect in the order in which they are called. Every verb raises StoreError where the file cannot be
    written; it has then left no trace. It raises StoreGone where the files were removed or replaced.
    """

    def __init__(self, folder: Path, writer: Writer, now: Callable[[], float]) -> None:
        self.folder = folder
        super().__init__(writer)
        self._now = now
        self.batches, self.spare_rows = StoreBatches(writer, now, lambda: self._scope), SpareRows(writer)

    @classmethod
    async def open(cls, folder: Path, *, now: Callable[[], float] = time.time) -> Self:
        """Create or open the store in ``folder`` and queue again what was in hand when an earlier process died.

        A seed that was in hand at three deaths is quarantined instead (``quarantine``).

        Raises:
            StoreLocked: when another process works on it.
            StoreError: when the folder or file cannot be used, or was written by a newer release.
        """
        make_folder(folder)
        refuse_network_folder(folder)
        lock = FolderLock.acquire(folder)
        path = folder / STORE_FILE
        writer = Writer.start(path, partial(_prepare, path=path), beside=(folder / LOCK_FILE,))
        # The lock lives exactly as long as the writing thread, whoever waits for it or stops waiting.
        writer.closed.add_done_callback(lambda _: lock.release())
        try:
            await writer.opened
        except BaseException:
            await writer.aclose()
            lock.release()  # At once: the callback runs only after whoever waits for this.
            raise
        crash_point("deaths_counted")
        return cls(folder, writer, now)

    async def aclose(self) -> None:
        """Finish what was asked for, queue again what is in hand, close the file and give the folder free."""
        await self._writer.aclose(_requeue_working)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What is in hand when a fault ends the work has a death coming, as if the process had been killed.
        await self._writer.aclose(None if error is not None and _is_fault(error) else _requeue_working)

    async def watch_files(self) -> None:
        """Look whether the files still lie where they were opened, for as long as this is not cancelled.

        Every verb looks too before it says that something is recorded; this is for a line that has nothing to do.

        Raises:
            StoreGone: when they were removed or replaced.
        """
        while True:
            self._writer.check_files()
            await anyio.sleep(FILES_LOOK_S)

    # Seeds

    async def add_seeds(
        self,
        seeds: Sequence[Seed],
        *,
        request: tuple[str, str] | None = None,
        told_with_it: Mapping[str, Any] | None = None,
        unlike: Unlike | None = None,
    ) -> tuple[int, int]:
        """Queue seeds, all or none; return how many were new and how many the store held already.

        Args:
            seeds: What to queue.
            request: Key and digest of the request that brought them; its response is kept in the same transaction
                (``recall_request``). StoreError for a key that is known already.
            told_with_it: What else the response says.
            unlike: Leave out, and count among the known ones, those that nearly repeat what is there.
        """
        if (divided := self._parts) is not None:
            seeds = [divided.stamped(seed) for seed in seeds]
        more = told_with_it or {}
        return await self._writer.run(
            lambda connection: ledger.add_named_seeds(connection, seeds, request, self._now(), more, unlike)
        )

    async def recall_request(self, key: str) -> tuple[str, str] | None:
        """Digest and response (``{"new": ..., "duplicates": ...}``) of intake of the last seven days, by its key."""
        return await self._writer.run(lambda connection: ledger.recall_request(connection, key, self._now()))

    # Journal

    async def find_answers(self, keys: Sequence[str]) -> dict[str, Reply]:
        """The recorded replies of the calls that were answered. AgentRefused where a text was cleared."""
        return await self._writer.run(partial(journal.find_answers, keys=keys))

    async def answered_otherwise(self, intent: Intent) -> bool:
        """Whether the step of an intent has an answer to another prompt, and none to this one."""
        if self._leases.is_unrecorded(intent.seed_id, "call", intent.step):
            return False
        return await self._writer.run(partial(journal.answered_otherwise, intent=intent))

    async def intend(self, intents: Sequence[Intent]) -> None:
        """Record that calls are about to be sent. StoreError where one is answered already."""
        for one in intents:
            self._leases.recorded(one.seed_id, "call", one.step)
        await self._writer.run(
            lambda connection: journal.intend(connection, intents, self._now()), is_one_statement=len(intents) == 1
        )

    async def record_answers(self, answers: Sequence[tuple[str, Reply]]) -> None:
        """Record what begun calls brought back, all or none, before anybody uses it."""
        await self._writer.run(
            lambda connection: journal.record_answers(connection, answers, self._now()),
            is_one_statement=len(answers) == 1,
        )

    async def withdraw(self, keys: Sequence[str]) -> None:
        """Take back the last send of calls that were certainly not paid for."""
        await self._writer.run(partial(journal.withdraw, keys=keys))

    async def repair_counts(self) -> int:
        """Make counts that no reply can have unknown, as older releases recorded them; return of how many calls."""
        return await self._writer.run(journal.repair_counts)

    async def find_step(self, seed_id: str, step: str) -> dict[str, Any] | None:
        """A decision that a recipe made for a seed earlier."""
        if self._leases.is_unrecorded(seed_id, "step", step):
            return None
        return await self._writer.run(partial(journal.find_step, seed_id=seed_id, step=step))

    async def record_step(self, seed_id: str, step: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Record a decision unless one stands already; return the one that stands."""
        self._leases.recorded(seed_id, "step", step)
        return await self._writer.run(partial(journal.record_step, seed_id=seed_id, step=step, payload=payload))

    # Outcomes

    async def commit_outcomes(self, group: Sequence[ToCommit]) -> list[Committed | Exception]:
        """Write outcomes and all that follows from them in one transaction: their parts, their children as seeds, the
        pools, the memory rows, the seeds' states; of each what is known only then, or why it alone was not written:
        a StoreError for a seed that is unknown or has its outcome already (``outcome_groups``)."""

        for one in group:
            self._leases.ended(one.outcome.seed_id)

        def commit(connection: sqlite3.Connection) -> list[Committed | Exception]:
            written = commit_together(connection, group, at=self._now(), path=self._writer.path)
            for one, committed in zip(group, written, strict=True):
                if one.outcome.children and isinstance(committed, Committed):
                    self._scope = run_scope.adopt(connection, one.outcome.seed_id, self._scope)
            return written

        return await self._writer.run(commit)

    async def commit_outcome(
        self, outcome: Outcome, *, foresee: Foresee, memory: MemoryRow | None, revision: int, admit: Admit | None = None
    ) -> Committed:
        """One outcome alone, as ``commit_outcomes`` writes many; ``foresee`` is called once, in the writer's thread.

        Raises:
            StoreError: for a seed that is unknown or has its outcome already.
        """
        one = ToCommit(outcome, lambda completed, _: foresee(completed), memory, revision, admit=admit)
        (committed,) = await self.commit_outcomes([one])
        if isinstance(committed, Exception):
            raise committed
        return committed

    async def clear_texts(self, before: float, limit: int = 64) -> int:
        """Clear the texts behind up to ``limit`` samples selected before a moment; return how many (``retention``).

        Args:
            before: Seconds since 1970.
            limit: Samples in this batch; other verbs wait for it. Call again until it returns 0.
        """
        cleared = await self._writer.run(
            lambda connection: retention.clear_texts(connection, before=before, limit=limit, at=self._now())
        )
        crash_point("texts_cleared")
        return cleared

    async def save_pools(self, pools: PoolStates, revision: int) -> None:
        """Keep states of pools that follow from no outcome: the first ones, and after a change of the config."""
        await self._writer.run(partial(ledger.save_pools, pools=pools, revision=revision))

    async def declare_recipes(self, declared: Sequence[Declaration]) -> None:
        """Keep what the recipes of the chain say of themselves, so that whoever reads the store knows it."""
        await self._writer.run(partial(recipe_tallies.declare, declared=declared))

    # Config and facts

    async def add_revision(self, digest: str, config_json: str) -> int:
        """Record a config as in force and return its id; the digest in force already keeps its id."""
        return await self._writer.run(
            lambda connection: ledger.add_revision(connection, digest, config_json, self._now())
        )

    async def meta_get(self, key: str) -> str | None:
        """One fact about the store."""
        row = await self._writer.run(lambda connection: execute(connection, "meta_get", key=key).fetchone())
        return None if row is None else str(row[0])

    async def meta_set_default(self, key: str, value: str) -> str:
        """Set a fact unless it is set; return the value that stands."""
        return await self._writer.run(partial(ledger.set_default, key=key, value=value))

    async def meta_set(self, key: str, value: str) -> None:
        """Set a fact, whatever it was before."""
        await self._writer.run(partial(ledger.set_fact, key=key, value=value))

    async def take_turn(self, seed_id: str, due: Mapping[str, int]) -> str:
        """Which of some things a seed is to do that are due; see ``turn_taking``."""
        return await self._writer.run(partial(turn_taking.take_turn, seed_id=seed_id, due=due))

    def stats(self) -> StoreState:
        """How the writer does, and how large the files are."""
        path = self._writer.path
        return StoreState(
            commits=self._writer.commits,
            commit_seconds=self._writer.commit_seconds,
            file_bytes=_size(path),
            wal_bytes=_size(path.with_name(f"{path.name}-wal")),
        )

    async def set_left_out(self, left_out: Tried) -> None:
        """Note which rows of a seed file were left out, in place of what was noted of that file before."""
        await self._writer.run(lambda connection: set_left_out(connection, left_out, at=self._now()))

    async def add_left_out(self, left_out: Tried) -> None:
        """Count what was left out of one more file or request."""
        await self._writer.run(lambda connection: add_tried(connection, [left_out], at=self._now()))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    bring_up_to_date(connection, path)
    quarantine.count_deaths(connection)
    run_scope.prepare(connection)
    call_sums.fold(connection)
    pair_sums.fold(connection)


def _requeue_working(connection: sqlite3.Connection) -> None:
    execute(connection, "requeue_working")


def _is_fault(error: BaseException) -> bool:
    """Whether a seed may be what ended the work: not a cancellation, and no error of ours but a scorer that dies."""
    if isinstance(error, BaseExceptionGroup):
        return any(_is_fault(one) for one in error.exceptions)
    return isinstance(error, Exception) and (isinstance(error, ScorerError) or not isinstance(error, StarAgentsError))
