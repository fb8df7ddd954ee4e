"""One call from its reservation to its settlement: budget, queue, tries, health, report.

Whatever is sent goes through here, so that no call can pass a budget, a limit or the only retry loop by.
"""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

import anyio
import anyio.lowlevel

from star_agents.agents.budget_queue import Purse
from star_agents.agents.budgets import Budgets, Charge, Reservation
from star_agents.agents.deployments import Line, Lines
from star_agents.agents.reports import CallOutcome, CallReport, outcome_of
from star_agents.agents.retry import Patience
from star_agents.agents.slot import Slot
from star_agents.agents.translate import translate
from star_agents.errors import AgentError, AgentRateLimited, AgentUnavailable


class Paid(Protocol):
    """What every answer says about itself."""

    @property
    def prompt_tokens(self) -> int:
        """As the provider counted them."""

    @property
    def completion_tokens(self) -> int:
        """As the provider counted them."""

    @property
    def count(self) -> int:
        """Answers that came back."""


PaidT = TypeVar("PaidT", bound=Paid)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered(Generic[PaidT]):
    """An answer, which of the agent's endpoints gave it, and what it cost."""

    answer: PaidT
    index: int
    cost_usd: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Order(Generic[PaidT]):
    """A call to make: how to send it once, what it may cost, and what it did cost."""

    line: Line
    bound: Charge
    send: Callable[[int], Awaitable[PaidT]]
    """Sends to the endpoint with this index."""
    cost: Callable[[int, PaidT], float | None]
    """US dollars of an answer of that endpoint."""
    wait_when_down_s: float = math.inf
    """Longest wait for an agent that is down, where that is less than what its patience has left."""
    tokens: int = 0
    """About how many it takes of the agent's tokens per minute."""
    about_to_send: Callable[[], Awaitable[None]] | None = None
    """Called once, when it is this call's turn and nothing was sent yet."""


class Sender:
    """Makes calls.

    Args:
        lines: Where each call queues.
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
        lines: Lines,
        budgets: Budgets,
        max_in_flight: int,
        rng: random.Random,
        on_call: Callable[[CallReport], None],
        sleep: Callable[[float], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self._lines = lines
        self._budgets = budgets
        self._purse = Purse(budgets)
        # Taken after the agent's own slot: an agent that queues must not hold what others could use.
        self._in_flight = anyio.Semaphore(max_in_flight, fast_acquire=True)
        self._rng = rng
        self._on_call = on_call
        self._sleep = sleep
        self._clock = clock

    async def make(self, order: Order[PaidT]) -> Answered[PaidT]:
        """Reserve, try until done, settle, report. Raises ``AgentError``, and what cancels it."""
        began, line = self._clock(), order.line
        config = line.config
        patience = Patience(retries=config.retries, give_up_after_s=config.give_up_after_s, rng=self._rng)
        reservation: Reservation | None = None
        try:
            reservation = await self._purse.reserve(line.name, order.bound)
            with self._lines.in_use(line):
                index, answer = await patience.keep_trying(self._sleep, partial(self._try, order, patience))
        except BaseException as error:
            if isinstance(error, AgentError):
                error.certainly_unpaid = not patience.maybe_paid
            if isinstance(error, AgentRateLimited):
                error.is_outage = line.gate.give_up() or error.is_outage
            self._give_back(reservation, patience)
            self._report(line, began, patience, outcome_of(error), None)
            raise
        answered = Answered(answer=answer, index=index, cost_usd=order.cost(index, answer))
        self._budgets.settle(reservation, _taken(answered, order.bound))
        self._report(line, began, patience, "ok", answered)
        return answered

    async def _try(self, order: Order[PaidT], patience: Patience) -> tuple[int, PaidT]:
        """Send once, holding one of the agent's slots for just as long."""
        line, failure = order.line, Exception()
        slot = await self._enter(order, patience)
        try:
            async with self._in_flight:
                if order.about_to_send is not None and not patience.tries:
                    await order.about_to_send()
                slot.sent()
                began = self._clock()
                paid_before, patience.maybe_paid = patience.maybe_paid, True
                patience.tries += 1
                try:
                    with anyio.fail_after(line.config.timeout_s):
                        answer = await order.send(slot.index)
                    # A server that counts nothing has it all counted as reserved.
                    slot.leave("ok", tokens=answer.prompt_tokens + answer.completion_tokens or None)
                    return slot.index, answer
                except Exception as error:
                    failure = error
                finally:
                    patience.seconds += self._clock() - began
            # A library that turned our cancellation into an error of its own does not get to have it retried.
            await anyio.lowlevel.checkpoint_if_cancelled()
            model = line.endpoints[slot.index].model
            ours = translate(failure, agent=line.name, model=model)
            self._tell(order.line, slot, ours, patience)
        finally:
            slot.leave("abandoned")
        patience.maybe_paid = paid_before or not ours.certainly_unpaid
        raise ours

    async def _enter(self, order: Order[PaidT], patience: Patience) -> Slot:
        try:
            slot = await order.line.gate.enter(
                patience.left_s, when_down_s=min(patience.left_s, order.wait_when_down_s), tokens=order.tokens
            )
        except (AgentUnavailable, AgentRateLimited):
            patience.end()
            raise
        patience.seconds += slot.waited_down_s
        patience.was_probe = slot.is_probe
        return slot

    def _tell(self, line: Line, slot: Slot, error: AgentError, patience: Patience) -> None:
        """What a failure says about the deployment; a request that it refused says that it is up, and cost nothing.

        Where everybody is answered 429, and somebody gave up on it already, so does this call.
        """
        match error:
            case AgentRateLimited():
                had_given_up = line.gate.rejection is not None
                slot.leave(
                    "rate_limited",
                    retry_after=error.retry_after,
                    error=error.said or str(error),
                    tokens=0,
                    is_stubborn=patience.is_stubborn,
                )
                if line.gate.rejects_everybody and (had_given_up or patience.cannot_wait(error.retry_after)):
                    patience.end()
            case AgentUnavailable():
                slot.leave("failed", error=str(error))
            case _:
                slot.leave("ok", tokens=0)

    def _give_back(self, reservation: Reservation | None, patience: Patience) -> None:
        if reservation is None:
            return
        if patience.maybe_paid:
            self._budgets.settle(reservation, None)
        else:
            self._budgets.cancel(reservation)

    def _report(
        self, line: Line, began: float, patience: Patience, outcome: CallOutcome, answered: Answered[PaidT] | None
    ) -> None:
        answer = answered.answer if answered else None
        self._on_call(
            CallReport(
                agent=line.name,
                model=line.endpoints[answered.index].model if answered else line.model,
                seconds=self._clock() - began,
                outcome=outcome,
                retries=max(0, patience.tries - 1),
                prompt_tokens=answer.prompt_tokens if answer else 0,
                completion_tokens=answer.completion_tokens if answer else 0,
                cost_usd=answered.cost_usd if answered else None if patience.maybe_paid else 0.0,
            )
        )


def _taken(answered: Answered[PaidT], bound: Charge) -> Charge:
    """What an answer took. A provider that counts no tokens leaves them unknown."""
    tokens = answered.answer.prompt_tokens + answered.answer.completion_tokens
    return Charge(usd=answered.cost_usd, tokens=tokens or None, calls=min(bound.calls, answered.answer.count))
