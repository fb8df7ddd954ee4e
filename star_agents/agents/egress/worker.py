"""What sends in the other process: it takes batches of requests, and hands out what came of them.

It decides nothing and keeps nothing: no retry, no limit of a provider's, no log. A request ends with a raw reply, or
with the kind of its failure. Nothing that a request holds leaves ``put`` or ``take`` in an error.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from star_agents.agents.egress.pace import Pace
from star_agents.agents.egress.wire import Ended, pack_ended, unpack_requests
from star_agents.agents.transports.http import HttpPool, HttpRequest, HttpSender

MOST_BYTES = 16 << 20
"""Of bodies that one ``take`` hands out, but for a single longer one."""
BEAT_S = 5.0
"""After so many seconds ``take`` hands out nothing, so that whoever asks hears that this process lives."""


class EgressWorker:
    """Sends what it is given over a pool of connections of its own. It belongs to the event loop that it is used on.

    Args:
        sender: Sends; a pool of this process where it is left out.
    """

    def __init__(self, sender: HttpSender | None = None) -> None:
        self._sender = sender or HttpPool()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._ended: deque[tuple[int, Ended]] = deque()
        self._news = asyncio.Event()
        self._pace = Pace()
        self._fault: ValueError | None = None

    async def ready(self) -> bool:
        """Say that it is there."""
        return True

    async def put(self, packed: bytes) -> None:
        """Begin to send, and leave off what nobody waits for any more. What is no batch of requests, ``take`` tells:
        whoever puts waits for no answer."""
        try:
            requests, cancelled = unpack_requests(packed)
        except ValueError as error:
            self._fault = error
            self._news.set()
            return
        for number in cancelled:
            if (task := self._tasks.get(number)) is not None:
                task.cancel()
        for number, request in requests:
            self._tasks[number] = asyncio.create_task(self._send(number, request))

    async def take(self) -> bytes:
        """What has ended, packed, once anything has; where much is in flight, what ends within a moment after it too.

        One caller at a time: what it is handed is gone here.

        Raises:
            ValueError: What was put is no batch of requests.
        """
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), BEAT_S)
        if self._fault is not None:
            raise self._fault
        if pause_s := self._pace.pause_s(len(self._tasks)):
            await asyncio.sleep(pause_s)
        taken: list[tuple[int, Ended]] = []
        size = 0
        while self._ended and (not taken or size < MOST_BYTES):
            taken.append(self._ended.popleft())
            size += len(getattr(taken[-1][1], "body", b""))
        if not self._ended:
            self._news.clear()
        return pack_ended(taken)

    async def aclose(self) -> None:
        """Leave off everything and close every connection."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._sender.aclose()

    async def _send(self, number: int, request: HttpRequest) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(request.timeout_s):
                ended: Ended = await self._sender.send(request)
        except asyncio.CancelledError:
            self._tasks.pop(number, None)
            raise
        except Exception as error:
            ended = error
        self._tasks.pop(number, None)
        self._pace.took(loop.time() - began)
        self._ended.append((number, ended))
        self._news.set()
