"""One call from the moment that it may be sent: its first try, and those after it.

The first try is sent on the slot that the call was admitted with. Each later one queues for a slot of its own.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio
import anyio.lowlevel

from star_agents.agents.budgets import Charge
from star_agents.agents.deployment_groups import DeploymentGroup
from star_agents.agents.retry import LEAST_JITTER, RETRIED, Attempts, RetryPolicy
from star_agents.agents.slot import Slot
from star_agents.agents.throttle import longest_rest_s
from star_agents.agents.translate import translate
from star_agents.errors import AgentError, AgentRateLimited, AgentUnavailable, CallLost

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt(Generic[ResultT]):
    """What came back of a call, from whom, and what it took."""

    result: ResultT
    model: str
    prompt_tokens: int
    """As the provider counted them; 0 where it did not. So for those of the answer."""
    completion_tokens: int
    count: int = 1
    """Answers that came back."""
    cost_usd: float | None
    """``None``: nobody knows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request(Generic[ResultT]):
    """A call to make: how to send it once, and what it may take."""

    group: DeploymentGroup
    bound: Charge
    send: Callable[[int], Awaitable[Receipt[ResultT]]]
    """Sends to the endpoint with this index."""
    wait_when_down_s: float = math.inf
    """Longest wait for an agent that is down, where that is less than what is left until the call is given up."""
    tokens: int = 0
    """About how many it takes of the agent's tokens per minute."""


class AdmittedCall(Generic[ResultT]):
    """A call whose budget is reserved, and which holds a slot of a deployment. Nothing of it was sent yet.

    Args:
        request: What to send.
        in_flight: Room for calls in flight, over all agents.
        rng: Jitter of the waits.
        sleep: Waits between tries.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        request: Request[ResultT],
        *,
        in_flight: anyio.Semaphore,
        rng: random.Random,
        sleep: Callable[[float], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        config = request.group.config
        self._policy = RetryPolicy(
            retries=config.retries,
            give_up_after_s=config.give_up_after_s,
            longest_rest_s=longest_rest_s(request.wait_when_down_s),
        )
        self._request = request
        self._in_flight = in_flight
        self._rng = rng
        self._sleep = sleep
        self._clock = clock
        self._slot: Slot | None = None
        self.attempts = Attempts()
        self.receipt: Receipt[ResultT] | None = None
        """What came back; ``None`` until it did."""

    async def enter(self) -> None:
        """Queue for the slot of the first try. Whatever happens then, ``give_back``.

        Raises:
            AgentUnavailable, AgentRateLimited: The agent was down, or rejecting, for too long.
            AgentRefused: The call is larger than a minute of the agent's.
        """
        try:
            await self._take_slot()
        except RETRIED:
            failure = self._policy.gave_up(self.attempts)
        else:
            return
        raise failure

    def give_back(self) -> None:
        """Give back the slot and the room among the calls of all, where the call holds them."""
        slot, self._slot = self._slot, None
        if slot is not None:
            slot.leave("abandoned")  # where nobody has said how it went
            self._in_flight.release()

    async def send(self) -> ResultT:
        """Send, and where that fails in passing, wait, queue and send again. Once.

        Raises:
            AgentRefused: The request is at fault.
            AgentRateLimited: Still 429 after ``give_up_after_s``.
            AgentUnavailable: Still failing after ``retries`` or ``give_up_after_s``, or down for as long.
            CallLost: The process that sent it is gone. Whoever keeps the journal has to know before it is sent again.
        """
        with suppress(*RETRIED):  # What is tried again is tried outside: its errors have nothing to do with this one.
            self.receipt = await self._try()
        if self.receipt is None:
            self.receipt = await self._policy.retry(self.attempts, self._try_again, self._sleep)
        return self.receipt.result

    async def _take_slot(self) -> None:
        """Queue for a slot of the agent, and then for room among the calls of all."""
        request, attempts = self._request, self.attempts
        left_s = self._policy.left_s(attempts)
        try:
            slot = await request.group.gate.enter(
                left_s, when_down_s=min(left_s, request.wait_when_down_s), tokens=request.tokens
            )
        except RETRIED as error:
            attempts.failed(error, jitter=self._jitter())
            self._policy.end(attempts)
            raise
        attempts.seconds += slot.waited_down_s
        attempts.is_probe = slot.is_probe
        try:
            # Taken after the agent's own slot: an agent that queues must not hold what others could use.
            await self._in_flight.acquire()
        except BaseException:
            slot.leave("abandoned")
            raise
        self._slot = slot

    async def _try_again(self) -> Receipt[ResultT]:
        await self._take_slot()
        return await self._try()

    async def _try(self) -> Receipt[ResultT]:
        """Send once, and give the slot back."""
        slot, attempts, group, failure = self._slot, self.attempts, self._request.group, Exception()
        assert slot is not None, "a call is sent once, by whom it was admitted for"
        try:
            slot.sent()
            began = self._clock()
            paid_before, attempts.maybe_paid = attempts.maybe_paid, True
            attempts.sent += 1
            try:
                # As ``anyio.fail_after`` does it, without what that makes and looks up for each call.
                deadline = asyncio.get_running_loop().time() + group.config.timeout_s
                with anyio.CancelScope(deadline=deadline) as scope:
                    receipt = await self._request.send(slot.index)
                if scope.cancelled_caught:
                    raise TimeoutError
                # A server that counts nothing has it all counted as reserved.
                slot.leave("ok", tokens=receipt.prompt_tokens + receipt.completion_tokens or None)
                return receipt
            except Exception as error:
                failure = error
            finally:
                attempts.seconds += self._clock() - began
            # A library that turned our cancellation into an error of its own does not get to have it retried.
            await anyio.lowlevel.checkpoint_if_cancelled()
            ours = translate(failure, agent=group.name, model=group.endpoints[slot.index].model)
            self._tell(slot, ours)
        finally:
            self.give_back()
        attempts.maybe_paid = paid_before or not ours.certainly_unpaid
        raise ours

    def _tell(self, slot: Slot, error: AgentError) -> None:
        """What a failure says about the deployment; a request that it refused says that it is up, and cost nothing.

        Where everybody is answered 429, and somebody gave up on it already, so does this call.
        """
        gate, policy, attempts = self._request.group.gate, self._policy, self.attempts
        if isinstance(error, RETRIED):
            attempts.failed(error, jitter=self._jitter())
        match error:
            case AgentRateLimited():
                had_given_up = gate.rejection is not None
                slot.leave(
                    "rate_limited",
                    retry_after=error.retry_after,
                    error=error.said or str(error),
                    tokens=0,
                    is_stubborn=policy.is_stubborn(attempts),
                )
                if gate.rejects_everybody and (had_given_up or policy.cannot_wait(error.retry_after)):
                    policy.end(attempts)
            case AgentUnavailable():
                slot.leave("failed", error=str(error))
            case CallLost():
                slot.leave("abandoned" if error.certainly_unpaid else "lost")
            case _:
                slot.leave("ok", tokens=0)

    def _jitter(self) -> float:
        return self._rng.uniform(LEAST_JITTER, 1.0)
