"""The seed queue: hands leased seeds to workers, waits when there is none, and ends when told to.

The seeds themselves wait in the store, so the queue holds nothing that a crash could lose.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import anyio

from star_agents.records import Seed


class SeedQueue:
    """Leases seeds one by one.

    Args:
        lease: Marks up to that many waiting seeds as being worked on, durably, and returns them.
        ends_when_empty: True for a batch: the queue ends with its last seed instead of waiting for more.
    """

    def __init__(self, lease: Callable[[int], Awaitable[Sequence[Seed]]], *, ends_when_empty: bool) -> None:
        self._lease = lease
        self._ends_when_empty = ends_when_empty
        self._closed = False
        self._news = anyio.Event()

    async def get(self) -> Seed | None:
        """The next seed, or ``None`` once the queue has ended."""
        while not self._closed:
            news = self._news
            leased = await self._lease(1)
            if leased:
                return leased[0]
            if self._ends_when_empty:
                return None
            await news.wait()
        return None

    def wake(self) -> None:
        """Tell waiting workers that there are new seeds."""
        news, self._news = self._news, anyio.Event()
        news.set()

    def close(self) -> None:
        """Hand out no further seed; workers finish what they hold."""
        self._closed = True
        self.wake()
