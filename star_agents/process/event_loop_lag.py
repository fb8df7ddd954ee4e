"""How late the event loop is: the time by which a short sleep oversleeps.

Everything shares one loop, so a step that computes too long, or a machine that is too busy, delays every call and every
page. This is the one number that shows it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import anyio

EVERY_S = 0.25
"""Often enough that a step of a second cannot hide, seldom enough to cost nothing."""


async def watch_lag(
    tell: Callable[[float], None],
    *,
    every_s: float = EVERY_S,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> None:
    """Tell, ``1 / every_s`` times a second until cancelled, by how many seconds the loop was late.

    Args:
        tell: Hears each measurement in seconds, 0 or more. It must not raise.
        every_s: Seconds between two measurements.
        clock: Monotonic seconds.
        sleep: Waits on the loop that is measured.
    """
    while True:
        due = clock() + every_s
        await sleep(every_s)
        tell(max(0.0, clock() - due))
