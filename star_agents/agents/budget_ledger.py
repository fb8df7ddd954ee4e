"""What agents spent and what is set aside for their calls in flight, by period: the ledger behind ``budgets.py``.

Pure bookkeeping; the clock is handed in. Amounts are whole numbers, dollars as picodollars, so that sums are exact and
``spent + reserved`` can be compared with a limit without a tolerance. A reservation belongs to the day it was made on,
however late its call ends.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

PICO = 10**12
DAY_S = 86_400
_DAYS_KEPT = 3
"""A clock that is set back over midnight finds what that day had spent."""

Owner = str | None
"""An agent, or ``None`` for all together."""
Unit = Literal["usd", "calls", "tokens"]
"""What a budget counts. Calls and tokens are known whatever the model, its price is not."""
UNITS: tuple[Unit, ...] = get_args(Unit)


@dataclass(frozen=True, slots=True)
class Charge:
    """What a call takes, or took, of every budget."""

    usd: float | None
    """US dollars; ``None``: nobody knows the price."""
    tokens: int | None = 0
    """Of prompt and answer together; ``None``: nobody knows."""
    calls: int = 1

    def of(self, unit: Unit) -> float | None:
        """The amount in one unit."""
        amount: float | None = getattr(self, unit)  # A unit is the name of a field.
        return amount


@dataclass(frozen=True, kw_only=True, slots=True)
class Reservation:
    """What reserving hands out and settling or cancelling takes back, once."""

    id: int
    agent: str
    charge: Charge
    """The most that the call may take. Of what is unknown nothing is reserved."""


Amounts = tuple[int, int, int]
"""Whole amounts of the ledger, in the order of ``UNITS``."""
_Sums = defaultdict[Owner, list[int]]


def _nothing() -> list[int]:
    return [0] * len(UNITS)


class PeriodTotals:
    """What each agent, and under ``None`` all together, spent and reserved in one period."""

    def __init__(self) -> None:
        self._spent: _Sums = defaultdict(_nothing)
        self._reserved: _Sums = defaultdict(_nothing)

    def spent(self, owner: Owner, unit: Unit) -> int:
        """In the ledger's whole amounts."""
        return self._spent[owner][UNITS.index(unit)]

    def reserved(self, owner: Owner, unit: Unit) -> int:
        """Likewise what is set aside."""
        return self._reserved[owner][UNITS.index(unit)]

    def reserve(self, agent: str, amounts: Amounts) -> None:
        """Set amounts aside."""
        _add(self._reserved, agent, amounts)

    def give_back(self, agent: str, amounts: Amounts) -> None:
        """Undo ``reserve``."""
        usd, calls, tokens = amounts
        _add(self._reserved, agent, (-usd, -calls, -tokens))

    def spend(self, agent: str, amounts: Amounts) -> None:
        """Count amounts as spent."""
        _add(self._spent, agent, amounts)


def _add(column: _Sums, agent: str, amounts: Amounts) -> None:
    """Written out: a call comes by here six times."""
    usd, calls, tokens = amounts
    for sums in (column[agent], column[None]):
        sums[0] += usd
        sums[1] += calls
        sums[2] += tokens


class BudgetLedger:
    """The totals of the life of the store, and those of each of the last days of UTC."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.life = PeriodTotals()
        self.unknown: Counter[Owner] = Counter()
        """Calls of which nobody knows what they cost."""
        self.day = -1
        """The day that was looked up last, in days since 1970."""
        self._days: dict[int, PeriodTotals] = {}
        self._open: dict[int, tuple[str, Amounts, int]] = {}
        self._next_id = 0
        self.today()

    def today(self) -> PeriodTotals:
        """The totals of the present day; ``day`` says which that is."""
        self.day = int(self._clock() // DAY_S)
        return self._on(self.day)

    def restore(self, spent: Mapping[str, Charge], on_day: Mapping[str, Charge], day: int) -> None:
        """Set what each agent spent before this process began: in all, and of that on one day."""
        self.life, self._days[day] = PeriodTotals(), PeriodTotals()
        for totals, charges in ((self.life, spent), (self._days[day], on_day)):
            for agent, charge in charges.items():
                totals.spend(agent, _amounts(charge, round_down))

    def reserve(self, agent: str, charge: Charge) -> Reservation:
        """Set a charge aside in both totals of the present."""
        amounts = _amounts(charge, round_up)
        self._next_id += 1
        self.life.reserve(agent, amounts)
        self.today().reserve(agent, amounts)
        self._open[self._next_id] = (agent, amounts, self.day)
        return Reservation(id=self._next_id, agent=agent, charge=charge)

    def settle(self, reservation: Reservation, actual: Charge | None) -> None:
        """Turn a reservation into what the call took; what nobody knows counts as what was reserved, and as unknown."""
        agent, reserved, day = self._close(reservation)
        if actual is None or actual.usd is None:
            for owner in (agent, None):
                self.unknown[owner] += 1
        amounts = reserved if actual is None else _amounts(actual, round_down, unknown=reserved)
        self.life.spend(agent, amounts)
        self._on(day).spend(agent, amounts)

    def cancel(self, reservation: Reservation) -> None:
        """Give a reservation back."""
        self._close(reservation)

    def _close(self, reservation: Reservation) -> tuple[str, Amounts, int]:
        agent, amounts, day = self._open.pop(reservation.id)
        self.life.give_back(agent, amounts)
        self._on(day).give_back(agent, amounts)
        return agent, amounts, day

    def _on(self, day: int) -> PeriodTotals:
        """The totals of a day; a day that is forgotten gets blank ones, which nobody asks for."""
        totals = self._days.get(day)
        if totals is None:
            totals = self._days[day] = PeriodTotals()
            while len(self._days) > _DAYS_KEPT:
                del self._days[next(iter(self._days))]
        return totals


def _amounts(charge: Charge, rounded: Callable[[Unit, float], int], *, unknown: Amounts = (0, 0, 0)) -> Amounts:
    """A charge in whole amounts, with those of ``unknown`` for what nobody knows."""
    usd, tokens = charge.usd, charge.tokens
    return (
        unknown[0] if usd is None else rounded("usd", usd),
        rounded("calls", charge.calls),
        unknown[2] if tokens is None else rounded("tokens", tokens),
    )


def round_up(unit: Unit, amount: float) -> int:
    """A whole amount of the ledger that is no less."""
    return math.ceil(amount * _scale(unit))


def round_down(unit: Unit, amount: float) -> int:
    """A whole amount of the ledger that is no more."""
    return math.floor(amount * _scale(unit))


def from_ledger(unit: Unit, amount: int) -> float:
    """An amount of the ledger in its own unit."""
    return amount / PICO if unit == "usd" else amount


def _scale(unit: Unit) -> int:
    return PICO if unit == "usd" else 1
