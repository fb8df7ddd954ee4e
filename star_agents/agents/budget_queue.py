"""The queue in front of the budgets: a call that only calls in flight keep out waits for them instead of failing.

A reservation is a worst case, often many times what the call will cost. With a small budget and many calls at once it
is the reservations that fill it, so a refusal means "not now" for as long as one of them is open. Only when the money
itself is spent is the budget reached.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass

from star_agents.agents.budgets import Budgets, Charge, Reservation
from star_agents.errors import BudgetExhausted


@dataclass(frozen=True, slots=True)
class _Waiter:
    agent: str
    charge: Charge
    future: asyncio.Future[Reservation]


class BudgetQueue:
    """Reserves from ``budgets``, in order of asking among the calls that wait for the same budget.

    Settle and cancel with the budgets themselves; that is what moves the queue.
    """

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets
        self._queues: defaultdict[str | None, deque[_Waiter]] = defaultdict(deque)
        budgets.watch(self._freed)

    @property
    def queued(self) -> int:
        """Calls that wait for room."""
        return sum(len(queue) for queue in self._queues.values())

    async def reserve(self, agent: str, charge: Charge) -> Reservation:
        """As ``Budgets.reserve``, but wait while calls in flight may still free what is missing.

        Raises:
            BudgetExhausted: No call in flight can free enough.
        """
        try:
            return self._budgets.reserve(agent, charge)
        except BudgetExhausted as error:
            if not error.is_passing:
                raise
            waiter = _Waiter(agent, charge, asyncio.get_running_loop().create_future())
            self._queues[error.agent].append(waiter)
        try:
            return await waiter.future
        except asyncio.CancelledError:
            self._abandon(waiter)
            raise

    def _abandon(self, waiter: _Waiter) -> None:
        """A cancelled call gives back what was handed to it at that very moment."""
        future = waiter.future
        if future.done() and not future.cancelled() and future.exception() is None:
            self._budgets.cancel(future.result())

    def _freed(self, agent: str | None) -> None:
        owners = list(self._queues) if agent is None else [agent, None]
        for owner in owners:
            self._serve(owner)

    def _serve(self, owner: str | None) -> None:
        """Answer the calls that wait for one budget, from the first on, until one has to wait on."""
        queue = self._queues.get(owner)
        while queue:
            waiter = queue[0]
            if not waiter.future.done():
                try:
                    waiter.future.set_result(self._budgets.reserve(waiter.agent, waiter.charge))
                except BudgetExhausted as error:
                    if error.is_passing and error.agent == owner:
                        break
                    if error.is_passing:
                        self._queues[error.agent].append(waiter)
                    else:
                        waiter.future.set_exception(error)
            queue.popleft()
        if not queue:
            self._queues.pop(owner, None)
