"""The seed queue: hands leased seeds to workers, waits when there is none, and ends when told to.

The seeds themselves wait in the store, so the queue holds nothing that a crash could lose.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import anyio

from star_agents.records import Seed


class WaitingSeeds(Protocol):
    """What is known of seeds that wait and are not handed out."""

    has_put_off: bool
    """Whether some wait until others have come as far as they."""

    @property
    def holds_back(self) -> bool:
        """Whether the last lease left some waiting that may only be worked when another one has ended."""

    @property
    def has_to_come(self) -> bool:
        """Whether some were parked for a provider's batch, or in hand, when a lease last found none."""

    async def call_back(self) -> None:
        """Let those that were put off be leased again."""


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
        store: Knows of those that wait and are not handed out.

    Attributes:
        is_last_call: A batch has nothing left but seeds that were put off, which were called back.
    """

    def __init__(
        self,
        lease: Callable[[], Awaitable[Sequence[Seed]]],
        *,
        ends_when_empty: bool,
        store: WaitingSeeds,
    ) -> None:
        self._lease = lease
        self._ends_when_empty = ends_when_empty
        self._store = store
        self.is_last_call = False
        self.may_take: Callable[[int], bool] = lambda in_hand: True
        """Whether another seed may be taken beside so many, parked ones included; asked again when one ends, and on
        ``wake``."""
        self.on_nothing_but_parked: Callable[[], None] = lambda: None
        """Hears that a batch can do nothing before seeds come back that are parked."""
        self.suffices: Callable[[int], bool] = lambda in_hand: False
        """Whether so many seeds in hand are expected to be enough, parked ones included; with none a batch ends."""
        self._parked = 0
        self._in_hand = 0
        self._being_taken = 0
        self._are_held = False
        """Whether somebody waits who might have taken a seed, since enough were begun."""
        self.is_closed = False
        self.is_paused = False
        self._news = anyio.Event()

    async def get(self) -> Seed | None:
        """The next seed, or ``None`` once the queue has ended. Say ``seed_ended`` when it is out of hand."""
        while not self.is_closed:
            news = self._news
            in_hand = self._in_hand + self._being_taken
            begun = in_hand + self.parked
            if self._ends_when_empty and not in_hand and self.suffices(0):
                self.wake()  # What is parked is no more needed than what waits: nobody sends it, or stays for it.
                return None
            is_held = self.is_paused or not self.may_take(begun) or self.suffices(begun)
            leased = [] if is_held else await self._take_one()
            if leased:
                self._in_hand += 1
                return leased[0]
            # A seed in hand may yet come back.
            if self._ends_when_empty and not self._in_hand and not is_held and not self.is_paused:
                if self._store.has_to_come:
                    self.on_nothing_but_parked()
                    await news.wait()
                    continue
                if not self._store.has_put_off:
                    self.wake()  # Those who were held because this one was looking find nothing either.
                    return None
                if not self._being_taken:
                    self.is_last_call = True
                    await self.call_back()
                    continue
            if is_held and self.parked and not self._in_hand:
                self.on_nothing_but_parked()
            self._are_held |= is_held
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
        is_last = self._ends_when_empty and not self._in_hand
        if self._store.holds_back or self._are_held or is_last:
            self.wake()

    @property
    def parked(self) -> int:
        """Seeds that wait for a batch: whoever counts seeds that were begun counts them still."""
        return max(0, self._parked)

    def seeds_parked(self, seeds: int = 1) -> None:
        """So many wait for a batch that were given out, here or by an earlier process."""
        self._parked += seeds

    def unparked(self, seeds: int) -> None:
        """So many may go on. It may be heard of one before its parking is, so the sum may be below 0 for a moment."""
        self._parked -= seeds
        self.wake()

    def wake(self) -> None:
        """Tell waiting workers that there are new seeds."""
        news, self._news, self._are_held = self._news, anyio.Event(), False
        news.set()

    async def call_back(self) -> None:
        """Seeds that were put off may be taken, and so may others that nobody took."""
        await self._store.call_back()
        self.wake()

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
