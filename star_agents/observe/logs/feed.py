"""The log as readers inside the process see it: the newest lines, and those to come.

Lines come from any thread, already redacted and rendered; a reader only ever gets what the log itself says. Nothing
here waits for a reader: all of them read from one ring, and who falls behind it skips lines and knows how many.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Any, NamedTuple, Self

import orjson

from star_agents.errors import UsageError

LINES_KEPT = 2_000
"""Bounds the memory of the ring; lines are mostly shorter than 500 bytes."""
BYTES_KEPT = 8 * 2**20
"""Bounds it where lines are long, because they hold texts."""
READER_LINES = 500
"""How far a reader may fall behind before lines are dropped for it: a person cannot read more."""


class LogLine(NamedTuple):
    """One line."""

    n: int
    """Counts the lines of this process from 1."""
    level: int
    """As `logging` numbers them."""
    json: bytes
    """The line without ``n``."""

    def data(self) -> dict[str, Any]:
        """The line as plain data: ``n``, ``timestamp``, ``level``, ``event`` and the event's fields."""
        return {"n": self.n, **orjson.loads(self.json)}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines somebody wants to read; every part that is not given lets all through."""

    events: frozenset[str]
    without: str
    agent: str
    seed: str
    level: int

    @classmethod
    def of(
        cls,
        *,
        event: str | Collection[str] | None = None,
        without: str = "",
        agent: str = "",
        seed: str = "",
        level: str = "debug",
    ) -> Self:
        """Read what a person or a URL says.

        Args:
            event: Name of an event, or several.
            without: Lines of all events but this one.
            agent: Lines about this agent: its calls, and outcomes that a pair with it won.
            seed: Lines about the seed whose id begins so.
            level: Lines of this level and above.

        Raises:
            UsageError: when there is no such level.
        """
        events = [event] if isinstance(event, str) else event or ()
        number = logging.getLevelNamesMapping().get(level.upper())
        if not number:
            raise UsageError(f"there is no log level {level!r}; use debug, info, warning or error")
        return cls(frozenset(name for name in events if name), without, agent, seed, number)

    def __contains__(self, line: Mapping[str, Any]) -> bool:
        return (
            (not self.events or line.get("event") in self.events)
            and (not self.without or line.get("event") != self.without)
            and (not self.agent or self.agent in _agents_of(line))
            and (not self.seed or str(line.get("seed_id", "")).startswith(self.seed))
            and _number(line.get("level")) >= self.level
        )


def _agents_of(line: Mapping[str, Any]) -> tuple[str, ...]:
    return (str(line.get("agent", "")), *str(line.get("pair", "")).split("/"))


def _number(level: object) -> int:
    return logging.getLevelNamesMapping().get(str(level).upper(), logging.INFO)


class LogFeed:
    """The newest lines, for anybody who asks, and for readers that follow.

    Args:
        lines: How many are kept.
    """

    def __init__(self, lines: int = LINES_KEPT) -> None:
        self._ring: deque[LogLine] = deque()
        self._lines = lines
        self._lock = threading.Lock()
        self._bytes = 0
        self._newest = 0
        self._sleepers: dict[LogReader, asyncio.AbstractEventLoop] = {}
        self._is_closed = False

    def append(self, level: int, json: bytes) -> None:
        """Take in a line; from any thread, at any rate."""
        with self._lock:
            self._newest += 1
            self._ring.append(LogLine(self._newest, level, json))
            self._bytes += len(json)
            while len(self._ring) > self._lines or self._bytes > BYTES_KEPT:
                self._bytes -= len(self._ring.popleft().json)
            if self._sleepers:
                self._wake()

    def recent(
        self,
        *,
        event: str | Collection[str] | None = None,
        without: str = "",
        agent: str = "",
        seed: str = "",
        level: str = "debug",
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """The newest lines that fit, oldest of them first.

        Raises:
            UsageError: when there is no such level.
        """
        wanted = Wanted.of(event=event, without=without, agent=agent, seed=seed, level=level)
        with self._lock:
            newest_first = list(reversed(self._ring))
        fitting = (data for line in newest_first if line.level >= wanted.level and (data := line.data()) in wanted)
        return list(islice(fitting, max(limit, 0)))[::-1]

    def follow(self, maxlen: int = READER_LINES, *, level: str = "debug") -> LogReader:
        """Read the lines from now on; use as an async context manager.

        Args:
            maxlen: How many lines may wait for this reader.
            level: Only lines of this level and above.

        Raises:
            UsageError: when there is no such level.
        """
        return LogReader(self, maxlen, Wanted.of(level=level).level)

    def close(self) -> None:
        """End every reader, once it has read what waits for it."""
        with self._lock:
            self._is_closed = True
            self._wake()

    def _wake(self) -> None:
        """Tell those who sleep, each once, from whatever thread this is."""
        for reader, loop in self._sleepers.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(reader.wake)
        self._sleepers.clear()

    def after(self, n: int, reader: LogReader, *, maxlen: int) -> tuple[list[LogLine], int]:
        """The lines after ``n``, at most ``maxlen``, and the newest number; where there are none, the next wakes."""
        with self._lock:
            there = min(self._newest - n, maxlen, len(self._ring))
            if not there and not self._is_closed:
                self._sleepers[reader] = asyncio.get_running_loop()
            return list(islice(reversed(self._ring), there))[::-1], self._newest

    def forget(self, reader: LogReader) -> None:
        """Wake this reader no more."""
        with self._lock:
            self._sleepers.pop(reader, None)

    @property
    def newest(self) -> int:
        """Number of the newest line; 0 before the first."""
        return self._newest

    @property
    def is_closed(self) -> bool:
        """Whether readers end when they have read what there is."""
        return self._is_closed


class LogReader:
    """Follows a feed: line by line with ``async for``, or everything that waits with ``batch``."""

    def __init__(self, feed: LogFeed, maxlen: int, level: int) -> None:
        self._feed = feed
        self._maxlen = maxlen
        self._level = level
        self._seen = feed.newest
        self._news = asyncio.Event()
        self._waiting: deque[LogLine] = deque()
        self.dropped = 0
        """Lines that this reader was too slow to get."""

    async def batch(self) -> list[LogLine]:
        """Wait until there is a line, then return all there are; none when the feed is closed."""
        while True:
            self._news.clear()
            lines, newest = self._feed.after(self._seen, self, maxlen=self._maxlen)
            self.dropped += newest - self._seen - len(lines)
            self._seen = newest
            fitting = [line for line in lines if line.level >= self._level]
            if fitting or (not lines and self._feed.is_closed):
                return fitting
            if not lines:
                await self._news.wait()

    def wake(self) -> None:
        """There is a line; the feed calls this on the reader's event loop."""
        self._news.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._feed.forget(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> dict[str, Any]:
        if not self._waiting:
            self._waiting.extend(await self.batch())
        if not self._waiting:
            raise StopAsyncIteration
        return self._waiting.popleft().data()
