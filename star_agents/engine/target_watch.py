"""Says while a batch works that its seeds cannot give the rows that are wanted, once that is as good as sure; and of a
daemon that it rests since they are there."""

from __future__ import annotations

from collections.abc import Callable

from star_agents.engine.settling import Settling
from star_agents.engine.target_rows import TargetRows
from star_agents.events import ConfigApplied, Event, OutcomeCommitted, TargetReached


class TargetWatch:
    """Of one batch; subscribe ``hear`` to its bus. While seeds are to come that other seeds are made of, nobody knows
    what they will give, and nothing is said.

    Args:
        target: What is wanted, and what is there.
        last: The last recipe of the chain.
        to_come: Seeds for it.
        to_open: Seeds for those before it.
        say: Told once, in a sentence.
    """

    def __init__(
        self, target: TargetRows, last: str, *, to_come: int, to_open: int, say: Callable[[str], None]
    ) -> None:
        self._target, self._last, self._say = target, last, say
        self._to_come, self._to_open = to_come, to_open
        self._is_told = False

    def hear(self, event: Event) -> None:
        """Count what is to come."""
        if not isinstance(event, OutcomeCommitted):
            return
        outcome = event.outcome
        self._count(outcome.recipe, -1)
        if outcome.children:
            self._count(outcome.children[0].recipe, event.new_children)
        if not (self._is_told or self._to_open) and (told := self._target.shortfall(self._to_come)):
            self._is_told = True
            self._say(told)

    def _count(self, recipe: str, seeds: int) -> None:
        if recipe == self._last:
            self._to_come += seeds
        else:
            self._to_open += seeds


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
