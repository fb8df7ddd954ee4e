"""One thread owns the only writing connection; everybody else hands it closures and awaits their commit.

Closures that are waiting at the same moment share one transaction (group commit): one sync to disk acknowledges all of
them. Each runs in a savepoint of its own, so that one that fails undoes itself alone; one that is a single statement
needs none, since SQLite undoes a statement that fails. A caller hears of its result only after COMMIT; when COMMIT
fails, everybody in the batch hears that.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import anyio

from star_agents.errors import StoreError
from star_agents.storage.connection import connect, store_errors
from star_agents.storage.open_files import OpenFiles

PORTION = 16
"""Callers that go on in one turn of the event loop: a whole batch of them would hold it for a tenth of a second."""

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

BATCH = 256
"""Closures after which a transaction takes in no further turn: bounds how long the first one waits for the last."""


class _Job(NamedTuple):
    work: Work[Any]
    future: asyncio.Future[Any]
    is_one_statement: bool = False


class _Settled(NamedTuple):
    future: asyncio.Future[Any]
    value: Any = None
    error: BaseException | None = None


class Writer:
    """The writing thread of one SQLite file. Used from the event loop that started it.

    Attributes:
        opened: Done when the connection stands and is prepared; holds the error where that failed.
        closed: Done when the thread has closed its connection, whatever came before.
        commits: Transactions committed so far.
        commit_seconds: Time in them, syncing included.
    """

    def __init__(self, path: Path, prepare: Callable[[sqlite3.Connection], None], beside: Sequence[Path]) -> None:
        self.path = path
        self._beside = (*(path.with_name(path.name + end) for end in ("-wal", "-shm")), *beside)
        self._files: OpenFiles | None = None
        self.commits = 0
        self.commit_seconds = 0.0
        self._loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self._stopping = False
        # Without a bound of their own: every entry has a caller who awaits it, so callers bound them.
        self._queue: queue.SimpleQueue[list[_Job] | None] = queue.SimpleQueue()
        # What is asked for in one turn of the event loop goes to the thread together: waking it costs a system call.
        self._turn: list[_Job] = []
        # A daemon thread: an interpreter that ends without aclose() is not held up; what was acknowledged is durable.
        self._thread = threading.Thread(target=self._serve, args=(prepare,), name="store-writer", daemon=True)

    @classmethod
    def start(cls, path: Path, prepare: Callable[[sqlite3.Connection], None], *, beside: Sequence[Path] = ()) -> Self:
        """Start the thread; ``prepare`` brings the fresh connection up to date before any closure runs.

        ``beside``: further files that have to stay where they are while this one is open.
        """
        writer = cls(path, prepare, beside)
        writer._thread.start()
        return writer

    async def run(self, work: Work[T], *, is_one_statement: bool = False) -> T:
        """Run ``work`` in the writer thread and return its result once it is durable.

        Calls take effect in the order in which they are made. A caller that is cancelled stops waiting; its work is
        done all the same. ``work`` must return plain values: no cursor survives it. One that changes the store by
        ``is_one_statement``, after which nothing fails that changed anything, is spared its savepoint: a tenth of what
        it costs to record a call.

        Raises:
            StoreError: when SQLite fails or the commit does; then ``work`` left no trace.
            StoreGone: when the file is not where it was any more; what ``work`` did is lost with it.
            Exception: whatever ``work`` raised; it left no trace either.
        """
        return await self.submit(work, is_one_statement=is_one_statement)

    def submit(self, work: Work[T], *, is_one_statement: bool = False) -> asyncio.Future[T]:
        """The same for whoever does not wait here: done once it is durable, or holds what ``run`` raises."""
        if self._stopping:
            raise StoreError(f"{self.path}: the store is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        if not self._turn:
            self._loop.call_soon(self._hand_over)
        self._turn.append(_Job(work, future, is_one_statement))
        return future

    def check_files(self) -> None:
        """Raises StoreGone where the files were removed or replaced since they were opened."""
        if self._files is not None:
            self._files.check()

    def stop(self, last: Work[Any] | None = None) -> None:
        """Take no further work; what is queued is still done, and ``last`` after it, should it succeed or not."""
        if not self._stopping:
            self._stopping = True
            if last is not None:
                future = self._loop.create_future()
                future.add_done_callback(lambda done: done.exception())  # Nobody waits for it; it must not be logged.
                self._turn.append(_Job(last, future))
            self._hand_over()
            self._queue.put(None)

    async def aclose(self, last: Work[Any] | None = None) -> None:
        """Stop, and wait until the connection is closed."""
        self.stop(last)
        with anyio.CancelScope(shield=True):  # Whoever comes next finds the folder free.
            await asyncio.shield(self.closed)

    def _hand_over(self) -> None:
        turn, self._turn = self._turn, []
        for start in range(0, len(turn), BATCH):
            self._queue.put(turn[start : start + BATCH])

    def _serve(self, prepare: Callable[[sqlite3.Connection], None]) -> None:
        try:
            connection = self._open(prepare)
        except BaseException as error:
            self._tell([_Settled(self.opened, error=error), _Settled(self.closed)])
            return
        self._tell([_Settled(self.opened)])
        try:
            for batch in self._batches():
                self._tell(self._commit(connection, batch))
        finally:
            connection.close()
            self._tell([_Settled(self.closed)])

    def _open(self, prepare: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
        with store_errors(self.path):
            connection = connect(self.path)
            try:
                prepare(connection)
                self._files = OpenFiles(self.path, self._beside)
            except BaseException:
                connection.close()
                raise
        return connection

    def _batches(self) -> Iterator[list[_Job]]:
        """Everything that waits, until told to stop; about ``BATCH`` closures at a time."""
        while (turn := self._queue.get()) is not None:
            batch = turn
            while len(batch) < BATCH and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    yield batch
                    return
                batch += following
            yield batch

    def _commit(self, connection: sqlite3.Connection, batch: Sequence[_Job]) -> list[_Settled]:
        """One transaction for the batch; when it fails as a whole, nobody's work was done."""
        try:
            with store_errors(self.path):
                settled = self._transact(connection, batch)
            self.check_files()
            return settled
        except BaseException as error:
            kind, reason = (
                (type(error), str(error)) if isinstance(error, StoreError) else (StoreError, f"{self.path}: {error!r}")
            )
            # Each their own: an error that is raised twice gathers the tracebacks of both.
            return [_Settled(job.future, error=kind(reason)) for job in batch]

    def _transact(self, connection: sqlite3.Connection, batch: Sequence[_Job]) -> list[_Settled]:
        began = time.monotonic()
        connection.execute("BEGIN IMMEDIATE")
        try:
            settled = [self._apply(connection, job) for job in batch]
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self.commits += 1
        self.commit_seconds += time.monotonic() - began
        return settled

    def _apply(self, connection: sqlite3.Connection, job: _Job) -> _Settled:
        if not job.is_one_statement:
            connection.execute("SAVEPOINT work")
        try:
            with store_errors(self.path):
                value = job.work(connection)
        except BaseException as error:
            if not connection.in_transaction:
                raise  # A full disk or an I/O error: SQLite has undone the whole batch by itself.
            if not job.is_one_statement:
                connection.execute("ROLLBACK TO work")
                connection.execute("RELEASE work")
            return _Settled(job.future, error=error)
        if not job.is_one_statement:
            connection.execute("RELEASE work")
        return _Settled(job.future, value)

    def _tell(self, settled: Sequence[_Settled]) -> None:
        # One hop to the event loop per batch. A loop that is closed has nobody left to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_settle, settled, self._loop)


def _settle(settled: Sequence[_Settled], loop: asyncio.AbstractEventLoop) -> None:
    """Resolve futures, on the event loop; a future that is done already belongs to a cancelled caller."""
    for one in settled[:PORTION]:
        if one.future.done():
            continue
        if one.error is None:
            one.future.set_result(one.value)
        else:
            one.future.set_exception(one.error)
    if rest := settled[PORTION:]:
        loop.call_soon(_settle, rest, loop)
