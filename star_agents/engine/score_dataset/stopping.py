"""Ctrl-C and SIGTERM end a scoring between two pieces of work; what is finished is on disk."""

from __future__ import annotations

import signal
from typing import Protocol

import anyio


class Stoppable(Protocol):
    """What a signal ends."""

    stopped_by: str
    """Its name."""


async def stop_on_signal(scope: anyio.CancelScope, work: Stoppable) -> None:
    """Cancel the scope of a work at the first signal."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            work.stopped_by = signal.Signals(number).name
            scope.cancel()
