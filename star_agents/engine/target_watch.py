"""Says while a batch works that its seeds cannot give the rows that are wanted, once that is as good as sure; and of a
daemon that it rests since they are there."""

from __future__ import annotations

from collections.abc import Callable

from star_agents.engine.settling import Settling
from star_agents.engine.target_rows import TargetRows
from star_agents.events import ConfigApplied, Event, OutcomeCommitted, TargetReached


class TargetWatch:
    """Of one batch; subscribe ``hear`` to its bus.

    Args:
        target: What is wanted, and what is there.
        waiting: Seeds that are to come.
        say: Told once, in a sentence.
    """

    def __init__(self, target: TargetRows, waiting: int, say: Callable[[str], None]) -> None:
        self._target, self._waiting, self._say = target, waiting, say
        self._is_told = False

    def hear(self, event: Event) -> None:
        """Count what is to come."""
        if isinstance(event, OutcomeCommitted):
            self._waiting += event.new_children - 1
            if not self._is_told and (told := self._target.shortfall(self._waiting)):
                self._is_told = True
                self._say(told)


class TargetRest:
    """Of one daemon; subscribe ``hear`` to its bus.

    Args:
        settling: Says whether the rows are there.
        publish: Told each time they come to be.
    """

    def __init__(self, settling: Settling, publish: Callable[[Event], None]) -> None:
        self._settling, self._publish = settling, publish
        self._rests = False
        self._look()

    def hear(self, event: Event) -> None:
        """Look whether they are there."""
        if isinstance(event, OutcomeCommitted | ConfigApplied):
            self._look()

    def _look(self) -> None:
        rested, waiting = self._rests, self._settling.waiting_for
        self._rests = waiting is not None
        if waiting is not None and not rested:
            self._publish(TargetReached(message=waiting.reason))
