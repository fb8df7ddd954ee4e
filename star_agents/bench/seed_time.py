"""How long a recipe may take for one seed: its own time, which stands still while a call is sent or waits.

A recipe that awaits what never comes would keep its seed, and a place among those that are worked, for good. A call
has limits of its own, and what it waits for may last: agents that are down, rate limits, a queue, the scorer.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import anyio


class SeedTime:
    """The time of one seed.

    Args:
        limit_s: Seconds after which its recipe is ended.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._left_s = limit_s
        self._under_way = 0
        self._scope: anyio.CancelScope | None = None
        self._still = _Still(self)

    @contextmanager
    def limits(self, scope: anyio.CancelScope) -> Iterator[None]:
        """Cancel what goes on in ``scope``, which is entered here, once its own time is over."""
        self._scope = scope
        try:
            with scope:
                self._go_on()
                yield
        finally:
            self._scope = None

    def stands_still(self) -> AbstractContextManager[None]:
        """Count none of the time in here, however many are at once."""
        return self._still

    def _stop(self) -> None:
        self._under_way += 1
        if self._under_way == 1 and self._scope is not None:
            self._left_s = self._scope.deadline - _now()
            self._scope.deadline = math.inf

    def _one_ended(self) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._go_on()

    def _go_on(self) -> None:
        if self._scope is not None:
            self._scope.deadline = _now() + self._left_s


class _Still:
    """What ``stands_still`` gives, always the same one. A class: a generator for each call costs five times as much."""

    __slots__ = ("_time",)

    def __init__(self, time: SeedTime) -> None:
        self._time = time

    def __enter__(self) -> None:
        self._time._stop()

    def __exit__(self, *_: object) -> None:
        self._time._one_ended()


def _now() -> float:
    """As ``anyio.current_time``, which looks up first which library runs the loop."""
    return asyncio.get_running_loop().time()
