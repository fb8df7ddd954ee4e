"""The seed queue: hands leased seeds to workers, waits when there is none, and ends when told to.

The seeds themselves wait in the store, so the queue holds nothing that a crash could lose.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import anyio

from star_agents.records import Seed


class ChildTurns:
    """Spreads the turns of newest children evenly over the seeds that are taken."""

    def __init__(self) -> None:
        self._due = 0.0

    def is_next(self, share: float) -> bool:
        """Whether the next seed to take is the newest child, at this share of all."""
        self._due += share
        is_due = self._due >= 1
        self._due -= is_due
        return is_due


class SeedQueue:
    """Leases seeds one by one.

    Args:
        lease: Marks a waiting seed as being worked on, durably, and returns it; nothing where none waits.
        ends_when_empty: True for a batch: the queue ends with its last seed instead of waiting for more.
        holds_back: Whether the last lease left seeds waiting that may only be worked when another one has ended.
    """

    def __init__(
        self,
        lease: Callable[[], Awaitable[Sequence[Seed]]],
        *,
        ends_when_empty: bool,
        holds_back: Callable[[], bool] = lambda: False,
    ) -> None:
        self._lease = lease
        self._ends_when_empty = ends_when_empty
        self._holds_back = holds_back
        self.may_take: Callable[[int], bool] = lambda in_hand: True
        """Whether another seed may be taken beside so many; asked again when one ends, and on ``wake``."""
        self._in_hand = 0
        self._being_taken = 0
        self.is_closed = False
        self.is_paused = False
        self._news = anyio.Event()

    async def get(self) -> Seed | None:
        """The next seed, or ``None`` once the queue has ended. Say ``seed_ended`` when it is out of hand."""
        while not self.is_closed:
            news = self._news
            is_held = self.is_paused or not self.may_take(self._in_hand + self._being_taken)
            leased = [] if is_held else await self._take_one()
            if leased:
                self._in_hand += 1
                return leased[0]
            # A seed in hand may yet come back.
            if self._ends_when_empty and not self._in_hand and not is_held and not self.is_paused:
                self.wake()  # Those who were held because this one was looking find nothing either.
                return None
            await news.wait()
        return None

    async def _take_one(self) -> Sequence[Seed]:
        self._being_taken += 1
        try:
            return await self._lease()
        finally:
            self._being_taken -= 1

    @property
    def in_hand(self) -> int:
        """Seeds that were given out and have not ended."""
        return self._in_hand

    def seed_ended(self) -> None:
        """A seed has its outcome or is back in the queue. Most often that is no news for those who wait."""
        self._in_hand -= 1
        if self._holds_back() or not self.may_take(self._in_hand + 1) or (self._ends_when_empty and not self._in_hand):
            self.wake()

    def wake(self) -> None:
        """Tell waiting workers that there are new seeds."""
        news, self._news = self._news, anyio.Event()
        news.set()

    def pause(self) -> None:
        """Hand out no seed until resumed."""
        self.is_paused = True

    def resume(self) -> None:
        """Hand out seeds again."""
        self.is_paused = False
        self.wake()

    def close(self) -> None:
        """Hand out no further seed; workers finish what they hold."""
        self.is_closed = True
        self.wake()
