"""SIGINT and SIGTERM of a batch: what is in hand is paid for and is finished, unless somebody insists."""

from __future__ import annotations

import signal
from collections.abc import Callable

import anyio

from star_agents.line import Line


class Interruption:
    """First signal: finish the seeds in hand. Second: stop at once, still consistent.

    Args:
        line: What is told to stop.
        say: Tells the person what happens now.
    """

    def __init__(self, line: Line, say: Callable[[str], None]) -> None:
        self._line = line
        self._say = say
        self.signal = 0
        """Number of the first one that came; 0 where none did."""

    async def watch(self, scope: anyio.CancelScope) -> None:
        """Obey signals until the work ends; a second one ends it by cancelling ``scope``."""
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for number in signals:
                if self.signal:
                    scope.cancel()
                    return
                self.signal = number
                again = "Ctrl-C again" if number == signal.SIGINT else "a second signal"
                in_hand = self._line.queue.in_hand
                self._say(f"finishing {in_hand} seeds, whose calls are paid for; {again} quits at once")
                self._line.stop(f"stopped by {signal.Signals(number).name}")
