"""Why a line rests although seeds wait, and how its workers rest: all of them together, until one thing ends it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import anyio

_LOOKS_AFTER_S = 60.0
"""Longest time between two looks at the clock: it may be set, and a laptop sleeps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """What a line waits for."""

    reason: str
    """One sentence for people: what stands in the way, and what ends it."""
    until: float | None = None
    """Seconds since 1970 at which it tries again by itself; ``None``: once agents.yaml has changed."""


class Rest:
    """The rest of a line's workers; they take no seed while ``waiting_for`` says why.

    Args:
        now: Seconds since 1970.
        on_end: Called when a rest is over and work goes on.
    """

    def __init__(self, now: Callable[[], float], on_end: Callable[[], None]) -> None:
        self._now = now
        self._on_end = on_end
        self._over = anyio.Event()
        self._closed = False
        self.waiting_for: Waiting | None = None

    def begin(self, waiting: Waiting) -> None:
        """Rest before the next seed. A rest that has begun keeps its reason; the next refusal gives the next one."""
        if self.waiting_for is None and not self._closed:
            self.waiting_for, self._over = waiting, anyio.Event()

    def end(self) -> None:
        """Go on: what was waited for may have come."""
        if self.waiting_for is not None:
            self.waiting_for = None
            self._on_end()
            self._over.set()

    def close(self) -> None:
        """Never rest again: the line takes no further seed."""
        self._closed = True
        self.end()

    async def over(self) -> None:
        """Wait until nobody rests."""
        while (waiting := self.waiting_for) is not None:
            left = math.inf if waiting.until is None else waiting.until - self._now()
            if left <= 0:
                self.end()
                return
            over = self._over
            with anyio.move_on_after(min(left, _LOOKS_AFTER_S)):
                await over.wait()
