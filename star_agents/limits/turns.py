"""Long work on the event loop, in turns so short that nobody waits long for the next one.

A thread would not do: it shares the interpreter, and the loop then waits out the interpreter's switch interval, 5 ms,
whenever it comes back from the operating system, several times for each request that it serves.
"""

from __future__ import annotations

import time

import anyio.lowlevel

TURN_S = 0.001
"""Seconds. A request that is served meanwhile waits for some three turns."""


class Turns:
    """The turns of one piece of work; the first begins when this is made."""

    def __init__(self) -> None:
        self._over = time.perf_counter() + TURN_S

    async def give_way(self) -> None:
        """Let everybody else have a turn where this one has lasted long enough; cheap enough for every row."""
        if time.perf_counter() >= self._over:
            await anyio.lowlevel.checkpoint()
            self._over = time.perf_counter() + TURN_S
