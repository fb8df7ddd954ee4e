"""One call from its reservation to its settlement: budget, queue, then whoever sends it, health, report.

Whatever is sent goes through here, so that no call can pass a budget, a limit or the only retry loop by.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Generic

import anyio

from star_agents.agents.admitted_call import AdmittedCall, Receipt, Request, ResultT
from star_agents.agents.budget_queue import BudgetQueue
from star_agents.agents.budgets import Budgets, Charge, Reservation
from star_agents.agents.deployment_groups import DeploymentGroups
from star_agents.agents.reports import CallOutcome, outcome_of
from star_agents.errors import AgentError, AgentRateLimited, BudgetExhausted
from star_agents.events import CallEnded


class Sender:
    """Admits calls, and settles them.

    Args:
        groups: Where each call queues.
        budgets: Bookkeeper of what may be spent.
        max_in_flight: Calls in flight at once, over all agents: protects file descriptors and memory.
        rng: Jitter of the waits.
        on_call: Hears how each call went. It must not raise.
        sleep: Waits between tries.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        *,
        groups: DeploymentGroups,
        budgets: Budgets,
        max_in_flight: int,
        rng: random.Random,
        on_call: Callable[[CallEnded], None],
        sleep: Callable[[float], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self._groups = groups
        self._budgets = budgets
        self._budget_queue = BudgetQueue(budgets)
        self._in_flight = anyio.Semaphore(max_in_flight, fast_acquire=True)
        self._rng = rng
        self._on_call = on_call
        self._sleep = sleep
        self._clock = clock

    def admit(self, request: Request[ResultT]) -> AbstractAsyncContextManager[AdmittedCall[ResultT]]:
        """A call that may be sent now: its budget is reserved, and it holds a slot of a deployment.

        However the block ends, slot and room are given back, and the call is settled and reported once.

        Raises:
            AgentError: It may not be sent. ``certainly_unpaid`` of any that leaves the block says whether this call
                may have been billed.
        """
        call = AdmittedCall(request, in_flight=self._in_flight, rng=self._rng, sleep=self._sleep, clock=self._clock)
        return _Admission(self, request, call, self._clock())

    async def enter(self, one: _Admission[ResultT]) -> None:
        """Reserve the budget of a call, and queue for a slot."""
        group = one.request.group
        try:
            one.reservation = await self._budget_queue.reserve(group.name, one.request.bound)
            self._groups.began(group)
            one.is_in_use = True
            await one.call.enter()
        except BaseException as error:
            self.leave(one, error)
            raise

    def leave(self, one: _Admission[ResultT], error: BaseException | None) -> None:
        """Give back what a call held, and settle it, however it went."""
        request, call = one.request, one.call
        group = request.group
        call.give_back()
        if one.is_in_use:
            self._groups.ended(group)
        if error is None:
            self._settle(request, call, one.reservation, one.began, "ok" if call.receipt else "cancelled")
            return
        if isinstance(error, AgentError):
            error.certainly_unpaid = not call.attempts.maybe_paid
        if isinstance(error, AgentRateLimited):
            # Those that wait longer than this one have not given up for its sake.
            rests = group.gate.is_at_rest(request.wait_when_down_s, group.config.give_up_after_s)
            error.is_outage = rests or group.gate.give_up() or error.is_outage
        self._settle(request, call, one.reservation, one.began, outcome_of(error))

    async def reserve(self, agent: str, charge: Charge, on_wait: Callable[[], None]) -> Reservation:
        """As ``AgentClient.reserve``."""
        try:
            return self._budgets.reserve(agent, charge)
        except BudgetExhausted as error:
            if not error.is_passing:
                raise
        on_wait()
        return await self._budget_queue.reserve(agent, charge)

    def _settle(
        self,
        request: Request[ResultT],
        call: AdmittedCall[ResultT],
        reservation: Reservation | None,
        began: float,
        outcome: CallOutcome,
    ) -> None:
        """Turn the reservation into what the call took, and report how it went."""
        receipt, attempts, group = call.receipt, call.attempts, request.group
        if reservation is None:
            pass
        elif receipt is not None:
            self._budgets.settle(reservation, _taken(receipt, request.bound))
        elif attempts.maybe_paid:
            self._budgets.settle(reservation, None)
        else:
            self._budgets.cancel(reservation)
        self._on_call(
            CallEnded(
                agent=group.name,
                model=receipt.model if receipt else group.model,
                seconds=self._clock() - began,
                outcome=outcome,
                retries=max(0, attempts.sent - 1),
                prompt_tokens=receipt.prompt_tokens if receipt else 0,
                completion_tokens=receipt.completion_tokens if receipt else 0,
                cost_usd=receipt.cost_usd if receipt else None if attempts.maybe_paid else 0.0,
            )
        )


class _Admission(Generic[ResultT]):
    """A call for as long as it is admitted. A class: a generator for each call costs twice as much."""

    __slots__ = ("_sender", "began", "call", "is_in_use", "request", "reservation")

    def __init__(self, sender: Sender, request: Request[ResultT], call: AdmittedCall[ResultT], began: float) -> None:
        self._sender, self.request, self.call, self.began = sender, request, call, began
        self.reservation: Reservation | None = None
        self.is_in_use = False

    async def __aenter__(self) -> AdmittedCall[ResultT]:
        await self._sender.enter(self)
        return self.call

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sender.leave(self, error)


def _taken(receipt: Receipt[ResultT], bound: Charge) -> Charge:
    """What an answer took. A provider that counts no tokens leaves them unknown."""
    tokens = receipt.prompt_tokens + receipt.completion_tokens
    return Charge(usd=receipt.cost_usd, tokens=tokens or None, calls=min(bound.calls, receipt.count))
