"""What the program around a batch gives it: words to stop, a pace, whether the process is the batch's own, and the
option by which dropped seeds are queued again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from star_agents.engine.interruption import Stops, signals_to_stop
from star_agents.engine.queue import SeedQueue


class Pace:
    """Holds a batch back while those who take its outcomes lag behind: it begins no seed that could be one too many.

    Args:
        ahead: Seeds in hand and outcomes that nobody has taken yet, together, at most.
    """

    def __init__(self, ahead: int) -> None:
        self._ahead = ahead
        self._untaken = 0
        self._wake: Callable[[], None] = lambda: None

    def hold(self, queue: SeedQueue) -> None:
        """Hold this queue back from now on, besides whatever else does."""
        others = queue.may_take
        queue.may_take = lambda in_hand: others(in_hand) and in_hand + self._untaken < self._ahead
        self._wake = queue.wake

    def committed(self) -> None:
        """An outcome is there for somebody to take."""
        self._untaken += 1

    def taken(self) -> None:
        """Somebody has taken one."""
        self._untaken -= 1
        self._wake()


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """The program around a batch; unless told otherwise the command, whose process does nothing else."""

    stops: Stops = signals_to_stop
    """Where words to stop come from."""
    pace: Pace | None = None
    """Who holds it back, if anybody."""
    owns_process: bool = True
    """Whether what holds for all of the process, such as what the garbage collector looks at, may be set."""
    retry_option: str = ""
    """What a person adds to the same call to have dropped seeds queued again, such as ``--retry-dropped``; empty where
    nothing does, or where that happens anyway."""


COMMAND = Host()
