"""What agents spent and what is set aside for their calls in flight, by period: the books behind ``budgets.py``.

Pure bookkeeping; the clock is handed in. Amounts are whole picodollars, so that sums are exact and ``spent + reserved``
can be compared with a limit without a tolerance. A reservation belongs to the day it was made on, however late its call
ends.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

PICO = 10**12
DAY_S = 86_400
_DAYS_KEPT = 3
"""A clock that is set back over midnight finds what that day had spent."""

Owner = str | None
"""An agent, or ``None`` for all together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reservation:
    """What reserving hands out and settling or cancelling takes back, once."""

    id: int
    agent: str
    usd: float | None
    """``None``: the price is unknown and nothing is reserved."""


class Book:
    """Picodollars that each agent, and under ``None`` all together, spent and reserved in one period."""

    def __init__(self) -> None:
        self.spent: Counter[Owner] = Counter()
        self.reserved: Counter[Owner] = Counter()

    def reserve(self, agent: str, amount: int) -> None:
        """Set an amount aside; a negative one is given back."""
        for owner in (agent, None):
            self.reserved[owner] += amount

    def spend(self, agent: str, amount: int) -> None:
        """Count an amount as spent."""
        for owner in (agent, None):
            self.spent[owner] += amount


class Spending:
    """One book for the life of the store and one for each of the last days of UTC."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.life = Book()
        self.unknown: Counter[Owner] = Counter()
        """Calls of which nobody knows what they cost."""
        self.day = -1
        """The day that was looked up last, in days since 1970."""
        self._days: dict[int, Book] = {}
        self._open: dict[int, tuple[str, int, int]] = {}
        self._next_id = 0
        self.today()

    def today(self) -> Book:
        """The book of the present day; ``day`` says which that is."""
        self.day = int(self._clock() // DAY_S)
        return self._on(self.day)

    def restore(self, spent: Mapping[str, float], on_day: Mapping[str, float], day: int) -> None:
        """Set what each agent spent before this process began, in US dollars: in all, and of that on one day."""
        self.life, self._days[day] = Book(), Book()
        for book, costs in ((self.life, spent), (self._days[day], on_day)):
            for agent, usd in costs.items():
                book.spend(agent, round_down(usd))

    def reserve(self, agent: str, usd: float | None) -> Reservation:
        """Set ``usd`` aside in both books of the present."""
        amount = round_up(usd or 0.0)
        self._next_id += 1
        self.life.reserve(agent, amount)
        self.today().reserve(agent, amount)
        self._open[self._next_id] = (agent, amount, self.day)
        return Reservation(id=self._next_id, agent=agent, usd=usd)

    def settle(self, reservation: Reservation, actual: float | None) -> None:
        """Turn a reservation into what the call cost; what nobody knows counts as what was reserved, and as unknown."""
        agent, amount, day = self._close(reservation)
        if actual is None:
            for owner in (agent, None):
                self.unknown[owner] += 1
        cost = amount if actual is None else round_down(actual)
        self.life.spend(agent, cost)
        self._on(day).spend(agent, cost)

    def cancel(self, reservation: Reservation) -> None:
        """Give a reservation back."""
        self._close(reservation)

    def _close(self, reservation: Reservation) -> tuple[str, int, int]:
        agent, amount, day = self._open.pop(reservation.id)
        self.life.reserve(agent, -amount)
        self._on(day).reserve(agent, -amount)
        return agent, amount, day

    def _on(self, day: int) -> Book:
        """The book of a day; a day that is forgotten gets a blank one, which nobody asks for."""
        book = self._days.get(day)
        if book is None:
            book = self._days[day] = Book()
            while len(self._days) > _DAYS_KEPT:
                del self._days[next(iter(self._days))]
        return book


def round_up(usd: float) -> int:
    """Whole picodollars that are no less."""
    return math.ceil(usd * PICO)


def round_down(usd: float) -> int:
    """Whole picodollars that are no more."""
    return math.floor(usd * PICO)
