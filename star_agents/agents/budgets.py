"""Budgets that hold: an amount is reserved before a call is sent and settled after it (design §5).

A budget holds for the life of a store or for one day of UTC, for one agent or for all together. It is never passed as
long as no call costs more than was reserved for it; reservations are upper bounds (``AgentClient.worst_case_usd``).
Pure: no task, no I/O, and the clock is handed in.

A budget is *reached* once a call was refused that no settlement of other calls could have let through. That is a state:
it is told once when it begins and once when it ends.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from star_agents.agents.spending import DAY_S, PICO, Book, Owner, Reservation, Spending, round_down, round_up
from star_agents.errors import BudgetExhausted
from star_agents.events import BudgetCleared, BudgetReached

__all__ = ["BudgetState", "Budgets", "Reservation"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetState:
    """One budget of agents.yaml and where it stands, in US dollars."""

    key: str
    """Where agents.yaml sets it, such as ``agents.gpt.budget_usd_per_day``."""
    limit_usd: float
    spent_usd: float
    reserved_usd: float
    resets_at: float | None
    """Seconds since 1970 when a daily budget begins anew; ``None`` for one that holds for the life of the store."""
    reached: str
    """Why a call was refused, in one sentence; empty while the budget is not reached."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Budget:
    key: str
    owner: Owner
    per_day: bool
    usd: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Refusal:
    """The call that showed that a budget is reached."""

    usd: float | None
    day: int
    per_day: bool
    message: str


class Budgets:
    """What may be spent, is reserved and was spent. ``None`` as a limit means no limit.

    Args:
        total: US dollars for everybody in the life of the store.
        agents: The same for each agent.
        total_per_day: US dollars for everybody on one day of UTC.
        agents_per_day: The same for each agent.
        clock: Seconds since 1970.
        tell: Hears when a budget is reached, and when it allows calls again. It must not raise.
    """

    def __init__(
        self,
        total: float | None = None,
        agents: Mapping[str, float | None] | None = None,
        *,
        total_per_day: float | None = None,
        agents_per_day: Mapping[str, float | None] | None = None,
        clock: Callable[[], float] = time.time,
        tell: Callable[[BudgetReached | BudgetCleared], None] = lambda event: None,
    ) -> None:
        self._tell = tell
        self._spending = Spending(clock)
        self._budgets: dict[str, _Budget] = {}
        self._owned: defaultdict[Owner, list[_Budget]] = defaultdict(list)
        self._reached: dict[str, _Refusal] = {}
        self._watchers: list[Callable[[str | None], None]] = []
        self.set_limits(total, agents or {}, total_per_day=total_per_day, agents_per_day=agents_per_day)

    def set_limits(
        self,
        total: float | None,
        agents: Mapping[str, float | None],
        *,
        total_per_day: float | None = None,
        agents_per_day: Mapping[str, float | None] | None = None,
    ) -> None:
        """Replace every limit. What is spent and reserved stays; below that, nothing more is let through."""
        life = _set_budgets("budget_usd", total, agents, per_day=False)
        day = _set_budgets("budget_usd_per_day", total_per_day, agents_per_day or {}, per_day=True)
        self._budgets = {budget.key: budget for budget in (*life, *day)}
        self._owned = defaultdict(list)
        for budget in self._budgets.values():
            self._owned[budget.owner].append(budget)
        for key, refusal in list(self._reached.items()):
            changed = self._budgets.get(key)
            if changed is None or self._fits(changed, refusal.usd):
                self._clear(key, "it is no longer set" if changed is None else f"it is ${changed.usd:.6g} now")
        self._say_freed(None)

    def restore(
        self, spent: Mapping[str, float], today: Mapping[str, float] | None = None, *, day_began: float | None = None
    ) -> None:
        """Set what each agent spent before this process began, in US dollars.

        Args:
            spent: In the life of the store.
            today: Of that, since ``day_began``.
            day_began: What ``day_began()`` said when ``today`` was asked for; the present day when left out.
        """
        self._spending.restore(spent, today or {}, int((day_began or self.day_began()) // DAY_S))

    def day_began(self) -> float:
        """The last midnight of UTC, in seconds since 1970."""
        self.refresh()
        return float(self._spending.day * DAY_S)

    def refresh(self) -> None:
        """Look at the clock: daily budgets that were reached on another day are cleared."""
        self._spending.today()
        for key, refusal in list(self._reached.items()):
            if refusal.per_day and refusal.day != self._spending.day:
                self._clear(key, "a new day has begun")

    def watch(self, freed: Callable[[str | None], None]) -> None:
        """Be told after every change that may let a refused call through: of which agent, or ``None`` for any."""
        self._watchers.append(freed)

    def reserve(self, agent: str, usd: float | None) -> Reservation:
        """Set ``usd`` aside for one call, or raise ``BudgetExhausted`` with the key to raise.

        An unknown price (``None``) reserves nothing, but is refused once a limit is reached: it may be anything. A call
        that costs nothing is never refused.
        """
        if self._reached:
            self.refresh()
        if usd != 0:
            for budget in (*self._owned.get(None, ()), *self._owned.get(agent, ())):
                self._check(budget, agent, usd)
        return self._spending.reserve(agent, usd)

    def settle(self, reservation: Reservation, actual: float | None) -> None:
        """Turn a reservation into what the call cost.

        What nobody knows (``None``: no price, or a call that may have been billed without an answer) counts as what was
        reserved, and as unknown.
        """
        self._spending.settle(reservation, actual)
        self._say_freed(reservation.agent)

    def cancel(self, reservation: Reservation) -> None:
        """Give a reservation back: the call was certainly not billed."""
        self._spending.cancel(reservation)
        self._say_freed(reservation.agent)

    def spent_usd(self, agent: str | None = None, *, today: bool = False) -> float:
        """US dollars spent by one agent, or by all."""
        return self._book(today).spent[agent] / PICO

    def reserved_usd(self, agent: str | None = None, *, today: bool = False) -> float:
        """US dollars set aside for calls in flight: for those that were sent today, or for all."""
        return self._book(today).reserved[agent] / PICO

    def unknown_calls(self, agent: str | None = None) -> int:
        """Calls of which nobody knows what they cost."""
        return self._spending.unknown[agent]

    def spent_agents(self) -> frozenset[str]:
        """Agents whose own budget, of a day or for life, is reached."""
        if not self._reached:
            return frozenset()
        self.refresh()
        owners = (self._budgets[key].owner for key in self._reached)
        return frozenset(owner for owner in owners if owner is not None)

    def next_reset(self) -> float | None:
        """When the first of the budgets that are reached begins anew; ``None`` where none of them ever does."""
        days = (self._resets_at(self._budgets[key]) for key in self._reached)
        return min((at for at in days if at is not None), default=None)

    def states(self) -> list[BudgetState]:
        """Every budget of agents.yaml and where it stands: everybody's first, then by agent."""
        self.refresh()
        return [
            BudgetState(
                key=budget.key,
                limit_usd=budget.usd,
                spent_usd=self.spent_usd(budget.owner, today=budget.per_day),
                reserved_usd=self.reserved_usd(budget.owner, today=budget.per_day),
                resets_at=self._resets_at(budget),
                reached=self._reached[budget.key].message if budget.key in self._reached else "",
            )
            for budget in sorted(self._budgets.values(), key=lambda budget: (budget.owner or "", budget.per_day))
        ]

    def _book(self, per_day: bool) -> Book:
        return self._spending.today() if per_day else self._spending.life

    def _fits(self, budget: _Budget, usd: float | None, *, reserved: int = 0) -> bool:
        """Whether a call finds room beside what is spent and ``reserved``."""
        room = round_down(budget.usd) - self._book(budget.per_day).spent[budget.owner] - reserved
        return room > 0 if usd is None else room >= round_up(usd)

    def _check(self, budget: _Budget, agent: str, usd: float | None) -> None:
        """Refuse a call of ``agent`` that could pass a budget."""
        if self._fits(budget, usd, reserved=self._book(budget.per_day).reserved[budget.owner]):
            return
        resets_at, is_passing = self._resets_at(budget), self._fits(budget, usd)
        message = self._message(budget, agent, usd) if is_passing else self._reach(budget, agent, usd).message
        raise BudgetExhausted(message, agent=budget.owner, resets_at=resets_at, is_passing=is_passing)

    def _reach(self, budget: _Budget, agent: str, usd: float | None) -> _Refusal:
        """The first refusal since the budget is reached; it speaks for all that follow."""
        refusal = self._reached.get(budget.key)
        if refusal is None:
            message, day = self._message(budget, agent, usd), self._spending.day
            refusal = _Refusal(usd=usd, day=day, per_day=budget.per_day, message=message)
            self._reached[budget.key] = refusal
            self._tell(BudgetReached(message=message, resets_at=self._resets_at(budget)))
        return refusal

    def _message(self, budget: _Budget, agent: str, usd: float | None) -> str:
        book, resets_at = self._book(budget.per_day), self._resets_at(budget)
        call = "a call of unknown price" if usd is None else f"a call of up to ${usd:.6g}"
        limit = f"{'daily ' if budget.per_day else ''}budget of ${budget.usd:.6g}"
        spent = f"${book.spent[budget.owner] / PICO:.6g} spent{' today' if budget.per_day else ''}"
        reserved = f"${book.reserved[budget.owner] / PICO:.6g} reserved for calls in flight"
        wait = "" if resets_at is None else f", or wait until {_utc(resets_at)}"
        return (
            f"agent {agent}: {call} could pass the {limit} ({spent}, {reserved}); "
            f"raise `{budget.key}` in agents.yaml to go on{wait}"
        )

    def _resets_at(self, budget: _Budget) -> float | None:
        return float((self._spending.day + 1) * DAY_S) if budget.per_day else None

    def _clear(self, key: str, why: str) -> None:
        del self._reached[key]
        self._tell(BudgetCleared(message=f"`{key}` allows calls again: {why}"))

    def _say_freed(self, agent: str | None) -> None:
        for freed in self._watchers:
            freed(agent)


def _set_budgets(
    name: str, total: float | None, agents: Mapping[str, float | None], *, per_day: bool
) -> Iterator[_Budget]:
    """The limits of one kind that agents.yaml sets."""
    if total is not None:
        yield _Budget(key=name, owner=None, per_day=per_day, usd=total)
    for agent, limit in agents.items():
        if limit is not None:
            yield _Budget(key=f"agents.{agent}.{name}", owner=agent, per_day=per_day, usd=limit)


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
