"""The store for many who look at once: a few read-only connections, each used by one worker thread at a time.

Nobody who looks holds up the writer, and nobody who downloads slowly holds up those who ask: questions share
``QUESTIONS`` connections and answer within milliseconds, every download has a connection of its own. No transaction
outlives a page of rows, so the write-ahead log is folded in however slow a reader is.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import anyio
from anyio.to_thread import run_sync

from star_agents.storage.reader import StoreReader

T = TypeVar("T")

QUESTIONS = 3
"""Connections for questions: more than a machine's readers can use at once."""
DOWNLOADS = 4
"""Downloads at once; each holds a connection for as long as it takes. Further ones wait."""


class Readers:
    """Readers of the store in ``folder``; use as an async context manager, from one event loop.

    Connections are opened when they are first needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._idle: list[StoreReader] = []
        self._threads = anyio.CapacityLimiter(QUESTIONS)
        self._download_threads = anyio.CapacityLimiter(DOWNLOADS)
        self._downloads = anyio.Semaphore(DOWNLOADS)
        self._is_closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close what is idle now, and everything else when it is given back."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().close()

    async def ask(self, question: Callable[[StoreReader], T]) -> T:
        """Ask in a worker thread; the answer must be plain values, no iterator of the reader.

        Raises:
            StoreError: when there is no store, or it cannot be read.
            Exception: whatever ``question`` raises.
        """
        return await run_sync(self._ask, question, limiter=self._threads)

    async def stream(
        self, make_iterator: Callable[[StoreReader], Iterator[T]], batch: int = 200
    ) -> AsyncGenerator[list[T], None]:
        """What an iterator over the store gives, in lists of up to ``batch``, each made when it is asked for.

        Close it (``contextlib.aclosing``) where it may be left before its end: it holds a connection.

        Args:
            make_iterator: Such as ``lambda reader: reader.results()``; it must hold no transaction between two items
                for long, as the reader's own iterators do not.
            batch: Most items in a list.

        Raises:
            StoreError: when there is no store, or it cannot be read.
        """
        async with self._downloads, self._own_reader() as reader:
            iterator = make_iterator(reader)
            try:
                while items := await self._in_thread(lambda: list(itertools.islice(iterator, batch))):
                    yield items
            finally:
                if isinstance(iterator, Generator):
                    iterator.close()

    def _ask(self, question: Callable[[StoreReader], T]) -> T:
        """In a worker thread; the limiter bounds how many readers there are."""
        try:
            reader = self._idle.pop()
        except IndexError:
            reader = StoreReader(self._folder)
        try:
            answer = question(reader)
        except BaseException:
            reader.close()  # Whatever is wrong with it, the next one begins anew.
            raise
        if self._is_closed:
            reader.close()
        else:
            self._idle.append(reader)
        return answer

    @asynccontextmanager
    async def _own_reader(self) -> AsyncIterator[StoreReader]:
        reader = await self._in_thread(lambda: StoreReader(self._folder))
        try:
            yield reader
        finally:
            reader.close()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await run_sync(work, limiter=self._download_threads)
