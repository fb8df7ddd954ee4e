"""What all event streams share: the newest outcomes and the newest status, each read and serialised once for everybody.

A ring holds the newest outcomes. A reader keeps a cursor of its own and takes what comes after it from the ring, or
from the store where it is behind the ring; so a slow reader lags and misses nothing, and nobody waits for it. Nothing
is read while there is no reader.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from star_agents.observe.stories import OutcomeSummary
from star_agents.web.backend import Backend
from star_agents.web.problems import to_json

TURN_S = 0.5
"""Between two looks for outcomes: a burst of them wakes every reader twice a second, not once for each."""
STATUS_EVERY_S = 1.0
RING = 512
PAGE = 200
_log = logging.getLogger("star_agents.web")


def frame(event: str, data: bytes, id: int | None = None) -> bytes:
    """One event in the form of the HTML standard; ``data`` is on one line."""
    head = b"" if id is None else b"id: %d\n" % id
    return head + b"event: %s\ndata: %s\n\n" % (event.encode(), data)


def outcome_frame(outcome: OutcomeSummary) -> bytes:
    """An outcome whose number a browser sends back to go on behind it."""
    return frame("outcome", to_json(outcome), id=outcome.seq)


class Feed:
    """The newest of everything; ``run`` keeps it so while there are readers.

    Args:
        backend: Where it is read.
        most: Readers at once.

    Attributes:
        is_closed: Whether the streams are to end.
        status: The newest status as an event; empty before the first.
    """

    def __init__(self, backend: Backend, most: int) -> None:
        self.is_closed = False
        self.status = b""
        self._backend = backend
        self._most = most
        self._ring: deque[tuple[int, bytes]] = deque()
        self._floor = self._newest = 0  # The ring holds every outcome after the one and up to the other.
        self._readers = 0
        self._wanted = asyncio.Event()
        self._turn = asyncio.Event()
        self._status_at = float("-inf")

    @contextmanager
    def reader(self) -> Iterator[None]:
        """Be one of the readers.

        Raises:
            web.HTTPServiceUnavailable: when there are as many as may be.
        """
        if self._readers >= self._most:
            text = f"{self._most} pages follow already; close one"
            raise web.HTTPServiceUnavailable(text=text, headers={"Retry-After": "5"})
        if not self._readers:
            self._begin()
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers:
                self._wanted.clear()

    async def run(self) -> None:
        """Look for news, turn after turn, until cancelled."""
        while True:
            await self._wanted.wait()
            try:
                await self._read_outcomes()
                await self._read_status()
            except Exception:  # A store that cannot be read now may be read at the next turn.
                _log.exception("the event streams cannot read what is new")
            self._end_turn()
            await asyncio.sleep(TURN_S)

    async def next_turn(self) -> None:
        """Wait until there may be something new."""
        if not self.is_closed:
            await self._turn.wait()

    def close(self) -> None:
        """End every stream."""
        self.is_closed = True
        self._end_turn()

    async def after(self, cursor: int) -> tuple[list[bytes], int]:
        """Events of the next outcomes after ``cursor``, and the cursor after them; no events: nothing is new."""
        floor = self._floor  # It may rise while the store is read.
        if cursor < floor:
            page = await self._backend.outcomes(after=cursor, limit=PAGE)
            return [outcome_frame(one) for one in page], page[-1].seq if page else floor
        new = []
        for seq, one in reversed(self._ring):
            if seq <= cursor:
                break
            new.append(one)
        return new[::-1], max(cursor, self._newest)

    def _begin(self) -> None:
        """Somebody reads again: what was new for earlier readers is no news."""
        self._ring.clear()
        self._floor = self._newest = self._backend.latest_seq()
        self.status = b""
        self._status_at = float("-inf")
        self._wanted.set()

    async def _read_outcomes(self) -> None:
        latest = self._backend.latest_seq()
        while self._newest < latest:
            page = await self._backend.outcomes(after=self._newest, limit=PAGE)
            if not page:
                return
            self._ring.extend((one.seq, outcome_frame(one)) for one in page)
            self._newest = page[-1].seq
            while len(self._ring) > RING:
                self._floor, _ = self._ring.popleft()

    async def _read_status(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._status_at >= STATUS_EVERY_S:
            self.status = frame("status", to_json(await self._backend.status()))
            self._status_at = now

    def _end_turn(self) -> None:
        self._turn.set()
        self._turn = asyncio.Event()


FEED: web.AppKey[Feed] = web.AppKey("feed", Feed)
