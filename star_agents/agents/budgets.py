"""Budgets that hold: an amount is reserved before a call is sent and settled after it (design §5).

Pure bookkeeping, no clock and no I/O. Amounts are whole picodollars, so that sums are exact and ``spent + reserved``
can be compared with a limit without a tolerance. It never passes the limit as long as no call costs more than was
reserved for it; reservations are upper bounds (``AgentClient.worst_case_usd``).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from star_agents.errors import BudgetExhausted

_PICO = 10**12


@dataclass(frozen=True, kw_only=True, slots=True)
class Reservation:
    """What ``reserve`` hands out and ``settle`` or ``cancel`` takes back, once."""

    id: int
    agent: str
    usd: float | None
    """``None``: the price is unknown and nothing is reserved."""


class Budgets:
    """What may be spent, is reserved and was spent: per agent and in all. ``None`` as a limit means no limit."""

    def __init__(self, total: float | None = None, agents: Mapping[str, float | None] | None = None) -> None:
        self._spent: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()
        self._reserved: Counter[str] = Counter()
        self._open: dict[int, tuple[str, int]] = {}
        self._next_id = 0
        self.set_limits(total, agents or {})

    def set_limits(self, total: float | None, agents: Mapping[str, float | None]) -> None:
        """Replace every limit. What is spent and reserved stays; below that, nothing more is let through."""
        self._total = total
        self._limits = dict(agents)

    def restore(self, spent: Mapping[str, float]) -> None:
        """Set what each agent spent before this process began, in US dollars."""
        self._spent = Counter({agent: _down(usd) for agent, usd in spent.items()})

    def reserve(self, agent: str, usd: float | None) -> Reservation:
        """Set ``usd`` aside for one call, or raise ``BudgetExhausted`` with the key to raise.

        An unknown price (``None``) reserves nothing, but is refused once a limit is reached: it may be anything.
        """
        amount = 0 if usd is None else _up(usd)
        own = self._spent[agent], self._reserved[agent]
        self._check(agent, agent, self._limits.get(agent), own, amount, usd)
        everyone = self._spent.total(), self._reserved.total()
        self._check(agent, None, self._total, everyone, amount, usd)
        self._next_id += 1
        self._reserved[agent] += amount
        self._open[self._next_id] = (agent, amount)
        return Reservation(id=self._next_id, agent=agent, usd=usd)

    def settle(self, reservation: Reservation, actual: float | None) -> None:
        """Turn a reservation into what the call cost.

        What nobody knows (``None``: no price, or a call that may have been billed without an answer) counts as what was
        reserved, and as unknown.
        """
        agent, amount = self._close(reservation)
        if actual is None:
            self._unknown[agent] += 1
        self._spent[agent] += amount if actual is None else _down(actual)

    def cancel(self, reservation: Reservation) -> None:
        """Give a reservation back: the call was certainly not billed."""
        self._close(reservation)

    def spent_usd(self, agent: str | None = None) -> float:
        """US dollars spent by one agent, or by all."""
        return (self._spent.total() if agent is None else self._spent[agent]) / _PICO

    def reserved_usd(self, agent: str | None = None) -> float:
        """US dollars set aside for calls in flight."""
        return (self._reserved.total() if agent is None else self._reserved[agent]) / _PICO

    def unknown_calls(self, agent: str | None = None) -> int:
        """Calls of which nobody knows what they cost."""
        return self._unknown.total() if agent is None else self._unknown[agent]

    def _close(self, reservation: Reservation) -> tuple[str, int]:
        agent, amount = self._open.pop(reservation.id)
        self._reserved[agent] -= amount
        return agent, amount

    @staticmethod
    def _check(
        agent: str, owner: str | None, limit: float | None, taken: tuple[int, int], amount: int, usd: float | None
    ) -> None:
        """Refuse a call of ``agent`` that could pass the limit of ``owner`` (``None``: everybody's)."""
        if limit is None:
            return
        spent, reserved = taken
        room = _down(limit) - spent - reserved
        if amount <= room and (usd is not None or room > 0):
            return
        key = "budget_usd" if owner is None else f"agents.{owner}.budget_usd"
        call = "a call of unknown price" if usd is None else f"a call of up to ${usd:.6g}"
        raise BudgetExhausted(
            f"agent {agent}: {call} could pass the budget of ${limit:.6g} (${spent / _PICO:.6g} spent, "
            f"${reserved / _PICO:.6g} reserved for calls in flight); raise `{key}` in agents.yaml to go on",
            agent=owner,
        )


def _up(usd: float) -> int:
    return math.ceil(usd * _PICO)


def _down(usd: float) -> int:
    return math.floor(usd * _PICO)
