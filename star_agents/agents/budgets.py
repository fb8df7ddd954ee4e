"""Budgets that hold: an amount is reserved before a call is sent and settled after it (design §5).

A budget counts dollars, calls or tokens; it holds for the life of a store or for one day of UTC, for one agent or for
all together. It is never passed as long as no call takes more than was reserved for it; reservations are upper bounds
(``AgentClient.worst_case``). Pure: no task, no I/O, and the clock is handed in.

A budget is *reached* once a call was refused that no settlement of other calls could have let through. That is a state:
it is told once when it begins and once when it ends.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from star_agents.agents.budget_ledger import (
    DAY_S,
    BudgetLedger,
    Charge,
    Owner,
    PeriodTotals,
    Reservation,
    Unit,
    from_ledger,
    round_down,
    round_up,
)
from star_agents.errors import BudgetExhausted
from star_agents.events import BudgetCleared, BudgetReached
from star_agents.observe.status import BudgetState

__all__ = ["BudgetState", "Budgets", "Charge", "Limit", "Reservation"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """One budget as agents.yaml sets it."""

    key: str
    """Where it stands there, such as ``agents.gpt.budget_usd_per_day``."""
    owner: Owner
    unit: Unit
    per_day: bool
    amount: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Refusal:
    """The call that showed that a budget is reached."""

    amount: float | None
    day: int
    per_day: bool
    message: str


class Budgets:
    """What may be spent, is reserved and was spent.

    Args:
        limits: Every budget there is.
        clock: Seconds since 1970.
        tell: Hears when a budget is reached, and when it allows calls again. It must not raise.
    """

    def __init__(
        self,
        limits: Iterable[Limit] = (),
        *,
        clock: Callable[[], float] = time.time,
        tell: Callable[[BudgetReached | BudgetCleared], None] = lambda event: None,
    ) -> None:
        self._tell = tell
        self._ledger = BudgetLedger(clock)
        self._limits: dict[str, Limit] = {}
        self._owned: defaultdict[Owner, list[Limit]] = defaultdict(list)
        self._reached: dict[str, _Refusal] = {}
        self._watchers: list[Callable[[str | None], None]] = []
        self.set_limits(limits)

    def set_limits(self, limits: Iterable[Limit]) -> None:
        """Replace every limit. What is spent and reserved stays; below that, nothing more is let through."""
        self._limits = {limit.key: limit for limit in limits}
        self._owned = defaultdict(list)
        for limit in self._limits.values():
            self._owned[limit.owner].append(limit)
        for key, refusal in list(self._reached.items()):
            changed = self._limits.get(key)
            if changed is None or self._fits(changed, refusal.amount):
                now = "it is no longer set" if changed is None else f"it is {_said(changed.unit, changed.amount)} now"
                self._clear(key, now)
        self._say_freed(None)

    def restore(
        self, spent: Mapping[str, Charge], today: Mapping[str, Charge] | None = None, *, day_began: float | None = None
    ) -> None:
        """Set what each agent spent before this process began.

        Args:
            spent: In the life of the store.
            today: Of that, since ``day_began``.
            day_began: What ``day_began()`` said when ``today`` was asked for; the present day when left out.
        """
        self._ledger.restore(spent, today or {}, int((day_began or self.day_began()) // DAY_S))

    def day_began(self) -> float:
        """The last midnight of UTC, in seconds since 1970."""
        self.refresh()
        return float(self._ledger.day * DAY_S)

    def refresh(self) -> None:
        """Look at the clock: daily budgets that were reached on another day are cleared."""
        self._ledger.today()
        for key, refusal in list(self._reached.items()):
            if refusal.per_day and refusal.day != self._ledger.day:
                self._clear(key, "a new day has begun")

    def watch(self, freed: Callable[[str | None], None]) -> None:
        """Be told after every change that may let a refused call through: of which agent, or ``None`` for any."""
        self._watchers.append(freed)

    def reserve(self, agent: str, charge: Charge) -> Reservation:
        """Set a charge aside for one call, or raise ``BudgetExhausted`` with the key to raise.

        An unknown amount reserves nothing, but is refused once a limit is reached: it may be anything. A call that
        takes nothing of a budget is never refused for it.
        """
        if self._reached:
            self.refresh()
        for limit in (*self._owned.get(None, ()), *self._owned.get(agent, ())):
            if (amount := charge.of(limit.unit)) != 0:
                self._check(limit, agent, amount)
        return self._ledger.reserve(agent, charge)

    def resume(self, agent: str, charge: Charge) -> Reservation:
        """Set aside what a process before this one had reserved for a call that is at its provider still."""
        return self._ledger.reserve(agent, charge)

    def settle(self, reservation: Reservation, actual: Charge | None) -> None:
        """Turn a reservation into what the call took.

        What nobody knows (no price, or ``None``: a call that may have been billed without an answer) counts as what was
        reserved, and as unknown.
        """
        self._ledger.settle(reservation, actual)
        self._say_freed(reservation.agent)

    def cancel(self, reservation: Reservation) -> None:
        """Give a reservation back: the call was certainly not billed."""
        self._ledger.cancel(reservation)
        self._say_freed(reservation.agent)

    def spent(self, agent: str | None = None, unit: Unit = "usd", *, today: bool = False) -> float:
        """What one agent spent, or all did."""
        return from_ledger(unit, self._totals(today).spent(agent, unit))

    def reserved(self, agent: str | None = None, unit: Unit = "usd", *, today: bool = False) -> float:
        """What is set aside for calls in flight: for those that were sent today, or for all."""
        return from_ledger(unit, self._totals(today).reserved(agent, unit))

    def unknown_calls(self, agent: str | None = None) -> int:
        """Calls of which nobody knows what they cost."""
        return self._ledger.unknown[agent]

    def spent_agents(self) -> frozenset[str]:
        """Agents whose own budget, of a day or for life, is reached."""
        if not self._reached:
            return frozenset()
        self.refresh()
        owners = (self._limits[key].owner for key in self._reached)
        return frozenset(owner for owner in owners if owner is not None)

    def next_reset(self) -> float | None:
        """When the first of the budgets that are reached begins anew; ``None`` where none of them ever does."""
        days = (self._resets_at(self._limits[key]) for key in self._reached)
        return min((at for at in days if at is not None), default=None)

    def states(self) -> list[BudgetState]:
        """Every budget of agents.yaml and where it stands: everybody's first, then by agent."""
        self.refresh()
        return [
            BudgetState(
                key=limit.key,
                unit=limit.unit,
                limit=limit.amount,
                spent=self.spent(limit.owner, limit.unit, today=limit.per_day),
                reserved=self.reserved(limit.owner, limit.unit, today=limit.per_day),
                resets_at=self._resets_at(limit),
                reached=self._reached[limit.key].message if limit.key in self._reached else "",
            )
            for limit in sorted(self._limits.values(), key=lambda limit: limit.owner or "")
        ]

    def _totals(self, per_day: bool) -> PeriodTotals:
        return self._ledger.today() if per_day else self._ledger.life

    def _fits(self, limit: Limit, amount: float | None, *, reserved: int = 0) -> bool:
        """Whether a call finds room beside what is spent and ``reserved``."""
        spent = self._totals(limit.per_day).spent(limit.owner, limit.unit)
        room = round_down(limit.unit, limit.amount) - spent - reserved
        return room > 0 if amount is None else room >= round_up(limit.unit, amount)

    def _check(self, limit: Limit, agent: str, amount: float | None) -> None:
        """Refuse a call of ``agent`` that could pass a budget."""
        if self._fits(limit, amount, reserved=self._totals(limit.per_day).reserved(limit.owner, limit.unit)):
            return
        resets_at, is_passing = self._resets_at(limit), self._fits(limit, amount)
        message = self._message(limit, agent, amount) if is_passing else self._reach(limit, agent, amount).message
        raise BudgetExhausted(message, agent=limit.owner, resets_at=resets_at, is_passing=is_passing)

    def _reach(self, limit: Limit, agent: str, amount: float | None) -> _Refusal:
        """The first refusal since the budget is reached; it speaks for all that follow."""
        refusal = self._reached.get(limit.key)
        if refusal is None:
            message, day = self._message(limit, agent, amount), self._ledger.day
            refusal = _Refusal(amount=amount, day=day, per_day=limit.per_day, message=message)
            self._reached[limit.key] = refusal
            self._tell(BudgetReached(message=message, resets_at=self._resets_at(limit)))
        return refusal

    def _message(self, limit: Limit, agent: str, amount: float | None) -> str:
        unit, resets_at = limit.unit, self._resets_at(limit)
        budget = f"{'daily ' if limit.per_day else ''}budget of {_said(unit, limit.amount)}"
        spent = _said(unit, self.spent(limit.owner, unit, today=limit.per_day))
        reserved = _said(unit, self.reserved(limit.owner, unit, today=limit.per_day))
        today, wait = (
            " today" if limit.per_day else "",
            "" if resets_at is None else f", or wait until {_utc(resets_at)}",
        )
        return (
            f"agent {agent}: {_call(unit, amount)} could pass the {budget} ({spent} spent{today}, {reserved} reserved "
            f"for calls in flight); raise `{limit.key}` in agents.yaml to go on{wait}"
        )

    def _resets_at(self, limit: Limit) -> float | None:
        return float((self._ledger.day + 1) * DAY_S) if limit.per_day else None

    def _clear(self, key: str, why: str) -> None:
        del self._reached[key]
        self._tell(BudgetCleared(message=f"`{key}` allows calls again: {why}"))

    def _say_freed(self, agent: str | None) -> None:
        for freed in self._watchers:
            freed(agent)


def _call(unit: Unit, amount: float | None) -> str:
    """A call by what it would take of a budget."""
    if amount is None:
        return "a call of unknown price" if unit == "usd" else "a call of unknown length"
    if unit == "calls":
        return "one more call" if amount == 1 else f"{amount:,g} more calls"
    return f"a call of up to {_said(unit, amount)}"


def _said(unit: Unit, amount: float) -> str:
    if unit == "usd":
        return f"${amount:.6g}"
    return f"{amount:,.0f} {unit.removesuffix('s') if amount == 1 else unit}"


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
