"""Says while a batch works that its seeds cannot give the rows that are wanted, once that is as good as sure."""

from __future__ import annotations

from collections.abc import Callable

from star_agents.engine.target_rows import TargetRows
from star_agents.events import Event, OutcomeCommitted


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
