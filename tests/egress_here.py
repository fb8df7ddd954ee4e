"""A process that sends for this one, without the process: all else is real, and what passes is packed."""

from __future__ import annotations

import asyncio
from typing import Any

from star_agents.agents.egress.worker import EgressWorker


class WorkerHere:
    """An ``EgressChannel``. ``die`` ends it as a kill does: what was in flight is cut off, and nobody answers."""

    def __init__(self, name: str = "here") -> None:
        self.name = name
        self.worker = EgressWorker()
        self.puts = 0
        self._dead: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: list[asyncio.Task[None]] = []

    def put(self, packed: bytes) -> None:
        self.puts += 1
        self._tasks.append(asyncio.create_task(self.worker.put(packed)))

    async def take(self) -> bytes:
        taking = asyncio.create_task(self.worker.take())
        either: list[asyncio.Future[Any]] = [taking, self._dead]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self._dead.done():
            taking.cancel()
            raise ConnectionResetError("the process was killed")
        return taking.result()

    async def die(self) -> None:
        if not self._dead.done():
            self._dead.set_result(None)
        await self.worker.aclose()


class Silent(WorkerHere):
    """A process that is there and says nothing, as one whose machine stands still."""

    async def take(self) -> bytes:
        await asyncio.Event().wait()
        return b""
