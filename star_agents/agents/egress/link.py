"""The daemon's end of one process that sends for it: requests go out in batches, futures hold what comes back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Protocol

from star_agents.agents.egress.pace import Pace
from star_agents.agents.egress.wire import pack_requests, unpack_ended
from star_agents.agents.egress.worker import BEAT_S
from star_agents.agents.transports.http import HttpReply, HttpRequest
from star_agents.errors import CallLost
from star_agents.text.redaction import redactor

MOST_REQUESTS = 256
"""Of one batch: so many go out at once, whatever there is to gather."""
SILENT_S = 4 * BEAT_S
"""Four of its beats."""
_LONGEST_REASON = 300


class EgressChannel(Protocol):
    """A way to one ``EgressWorker`` in another process. Whatever it raises means that the process is lost."""

    name: str
    """For people."""

    def put(self, packed: bytes) -> None:
        """As ``EgressWorker.put``, without waiting for it."""
        ...

    async def take(self) -> bytes:
        """As ``EgressWorker.take``."""
        ...


class Link:
    """Sends over one channel, until it is closed or lost.

    Args:
        channel: Reaches the process.
        on_lost: Hears once that it is lost, why, and how many requests it had. It must not raise.
        silent_s: Seconds without a word after which it is taken for lost.
    """

    def __init__(
        self,
        channel: EgressChannel,
        on_lost: Callable[[Link, Exception, int], None],
        *,
        silent_s: float = SILENT_S,
    ) -> None:
        self.name = channel.name
        self.is_open = True
        self.sent = 0
        """Requests given to it."""
        self._channel = channel
        self._on_lost = on_lost
        self._silent_s = silent_s
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[HttpReply]] = {}
        self._batch: list[tuple[int, HttpRequest]] = []
        self._cancelled: list[int] = []
        self._due: asyncio.Handle | None = None
        self._pace = Pace()
        self._less = asyncio.Event()
        self._taking = asyncio.create_task(self._take())

    @property
    def in_flight(self) -> int:
        """Requests without a reply yet."""
        return len(self._waiting)

    async def send(self, request: HttpRequest) -> HttpReply:
        """Send once.

        Raises:
            CallLost: The process is gone, and nobody knows what it had sent.
            Exception: What ``HttpSender.send`` raises; what is no error of ours comes as ``FailedElsewhere``.
        """
        if not self.is_open:
            raise _lost(self.name, "it was closed", is_unsent=True)
        loop, number = asyncio.get_running_loop(), next(self._numbers)
        future: asyncio.Future[HttpReply] = loop.create_future()
        began = loop.time()
        self._waiting[number] = future
        self._batch.append((number, request))
        self.sent += 1
        self._set_out()
        try:
            reply = await future
        except asyncio.CancelledError:
            self._forget(number)
            raise
        self._pace.took(loop.time() - began)
        return reply

    async def drained(self) -> None:
        """Wait until nothing is in flight."""
        while self._waiting:
            self._less.clear()
            await self._less.wait()

    def close(self) -> None:
        """Take nothing more in. What is in flight is lost."""
        self._end("it was closed")
        self._taking.cancel()

    def _forget(self, number: int) -> None:
        """Nobody waits for it: it is not sent, or its connection is closed there."""
        if self._waiting.pop(number, None) is None:
            return
        self._less.set()
        before = len(self._batch)
        self._batch = [one for one in self._batch if one[0] != number]
        if len(self._batch) == before and self.is_open:
            self._cancelled.append(number)
            self._set_out()

    def _set_out(self) -> None:
        """See to it that what is gathered goes out, now or in a moment."""
        if not self.is_open:
            return
        if len(self._batch) >= MOST_REQUESTS:
            self._put()
        elif self._due is None:
            pause_s = self._pace.pause_s(len(self._waiting))
            loop = asyncio.get_running_loop()
            self._due = loop.call_later(pause_s, self._put) if pause_s else loop.call_soon(self._put)

    def _put(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        batch, self._batch = self._batch, []
        cancelled, self._cancelled = self._cancelled, []
        if batch or cancelled:
            try:
                self._channel.put(pack_requests(batch, cancelled))
            except Exception as error:
                self.lose(error)

    async def _take(self) -> None:
        try:
            while True:
                async with asyncio.timeout(self._silent_s):
                    packed = await self._channel.take()
                for number, ended in unpack_ended(packed):
                    future = self._waiting.pop(number, None)
                    if future is None or future.done():
                        continue
                    if isinstance(ended, HttpReply):
                        future.set_result(ended)
                    else:
                        future.set_exception(ended)
                self._less.set()
        except Exception as error:
            self.lose(error)

    def lose(self, error: Exception) -> None:
        """Take it for gone, for a reason: its calls fail with ``CallLost``."""
        if self.is_open:
            in_flight = len(self._waiting)
            self._end(f"{type(error).__name__}: {error}")
            self._taking.cancel()
            self._on_lost(self, error, in_flight)

    def _end(self, why: str) -> None:
        self.is_open = False
        if self._due is not None:
            self._due.cancel()
            self._due = None
        unsent = {number for number, _ in self._batch}
        self._batch = []
        waiting, self._waiting = self._waiting, {}
        for number, future in waiting.items():
            if not future.done():
                future.set_exception(_lost(self.name, why, is_unsent=number in unsent))
        self._less.set()


def _lost(name: str, why: str, *, is_unsent: bool) -> CallLost:
    lost = CallLost(f"the process that sent the call is gone ({name}): {redactor.text(why[:_LONGEST_REASON])}")
    lost.certainly_unpaid = is_unsent
    return lost
