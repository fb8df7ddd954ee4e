"""The calls that one seed pays for, through the journal: none is paid again once its answer is durable.

Order of every call: it is admitted (budget and queue let it through), its intent is durable, it is sent, it is settled,
its answer is durable, it is used. Only a call in flight at a kill may be sent again, of this process or of one that
sends for it (``CallLost``); the journal says so before that happens, and it counts as maybe paid twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from typing import Any, Protocol, TypeVar

import anyio

from star_agents.agents.budgets import Charge
from star_agents.agents.client import AgentClient
from star_agents.agents.replies.finish_reasons import most_tokens
from star_agents.agents.replies.reading import read_again
from star_agents.agents.replies.structured_output import ReplyForm
from star_agents.agents.reports import outcome_of
from star_agents.agents.sampling import longest_reply
from star_agents.bench.batched_calls import BatchedCalls, BatchedRequest
from star_agents.errors import AgentError, AgentRefused, AgentUnavailable, BudgetExhausted, CallLost
from star_agents.events import CallAnswered, CallFailed, PromptChanged
from star_agents.limits.numbers import MOST_TOKENS
from star_agents.observe.bus import Bus
from star_agents.process.crash_points import crash_point
from star_agents.records import Message, Reply, Tool
from star_agents.records.replies import total_usd
from star_agents.storage.rows import Intent
from star_agents.storage.store import Store
from star_agents.text.content_hash import digest

ResultT = TypeVar("ResultT")
Result_co = TypeVar("Result_co", covariant=True)


class Admitted(Protocol[Result_co]):
    """A call that may be sent now."""

    async def send(self) -> Result_co:
        """Send it, once."""


Gather = Callable[[Sequence[Intent]], Awaitable[None]]
"""Lets calls go by batch; returns where they are to be sent alone. Raises AwaitsBatch, or the error they came to."""
Admit = Callable[[int], AbstractAsyncContextManager[Admitted[ResultT]]]
"""Admits a request for so many replies."""

MOST_LOSSES = 3
"""Times that a call is lost with the process that sends it before it is given up."""


class PaidCalls:
    """The journaled calls of one seed.

    Args:
        seed_id: Who they are for.
        revision: Of the config that it is worked under.
        store: Holds the journal.
        bus: Hears of answers and failures.
        clock: Monotonic seconds.
        is_over: Whether nothing further may be sent, since the work ends; what is in flight goes on.
        while_sending: Entered while a request waits to be sent, or is in flight.
        batched: Takes calls to agents that go by batch; without it they are sent alone.
    """

    def __init__(
        self,
        seed_id: str,
        revision: int,
        store: Store,
        bus: Bus,
        clock: Callable[[], float],
        *,
        is_over: Callable[[], bool] = lambda: False,
        while_sending: Callable[[], AbstractContextManager[None]] = nullcontext,
        batched: BatchedCalls | None = None,
    ) -> None:
        self._is_over = is_over
        self._while_sending = while_sending
        self._batched = batched
        self._seed_id = seed_id
        self._revision = revision
        self._store = store
        self._bus = bus
        self._clock = clock
        self._asking: dict[str, anyio.Event | None] = {}
        """By key, what is being asked for, and its end where somebody else waits to ask for the same."""
        self._costs: dict[str, float | None] = {}
        self._is_new = store.is_new(seed_id)

    @property
    def cost_usd(self) -> float | None:
        """What the calls cost so far, those answered from the journal included; ``None`` if any is unknown."""
        return total_usd(self._costs.values())

    def expect_nothing_recorded(self) -> None:
        """Spare the look-ups: the journal holds nothing of this seed but what was asked for here."""
        self._is_new = not self._costs

    async def ask_many(
        self,
        client: AgentClient,
        agent: str,
        messages: Sequence[Message],
        step: str,
        overrides: Mapping[str, Any],
        count: int,
        *,
        form: ReplyForm | None = None,
        tools: Sequence[Tool] = (),
        is_dispensable: bool = False,
        is_only_call_of_step: bool = False,
    ) -> list[Reply]:
        """``count`` replies to one prompt, from the journal or sent; raises what ``AgentClient.ask`` raises.

        Where it ``is_only_call_of_step``, another answer under that step is of a recipe or prompt that has changed
        since: it is told, and never taken for this one's. ``form`` is no part of the call's key: it says the same as
        the prompt, and servers differ in taking it. Tools are a part of it: the prompt does not name them.
        """
        parameters = client.parameters(agent, **overrides)
        told = [message.to_dict() for message in messages]
        if tools:
            told.append({"tools": [tool.to_dict() for tool in tools]})
        bound = client.worst_case(agent, messages, longest_reply(parameters), form, tools)

        def admit(missing: int) -> AbstractAsyncContextManager[Admitted[list[Reply]]]:
            return client.admit(
                agent,
                messages,
                missing,
                form=form,
                tools=tools,
                is_dispensable=is_dispensable,
                bound=bound if missing == 1 else None,
                **overrides,
            )

        intents = self.intents(agent, step, told, parameters, bound, count)
        if is_only_call_of_step and await self._store.answered_otherwise(intents[0]):
            self._bus.publish(PromptChanged(seed_id=self._seed_id, step=step, agent=agent))
        gather: Gather | None = None
        if (batched := self._batched) is not None and client.goes_by_batch(agent):
            request = BatchedRequest(
                agent, tuple(messages), client.shape(agent, **overrides), form, tuple(tools), bound
            )

            async def gather(missing: Sequence[Intent]) -> None:
                await batched.ask(request, missing)

        return await self.replies(intents, admit, list, gather)

    def intents(
        self,
        agent: str,
        step: str,
        told: Sequence[Any],
        parameters: Mapping[str, Any],
        bound: Charge,
        count: int,
    ) -> list[Intent]:
        """What makes each call the same call when it is made again."""
        name = [self._seed_id, step, agent, told, parameters]
        return [
            Intent(
                key=digest([*name, number] if number else name),
                seed_id=self._seed_id,
                step=step,
                agent=agent,
                revision=self._revision,
                parameters=parameters,
                reserved_usd=bound.usd,
                reserved_tokens=None if bound.tokens is None else min(bound.tokens, MOST_TOKENS),
            )
            for number in range(count)
        ]

    async def replies(
        self,
        intents: Sequence[Intent],
        admit: Admit[ResultT],
        read: Callable[[ResultT], list[Reply]],
        gather: Gather | None = None,
    ) -> list[Reply]:
        """Replies from the journal as far as it has them, the rest in one request; what that left out, once more.

        ``read`` makes replies of what the request brought. Where the calls go by batch, ``gather`` comes before it.
        """
        key = intents[0].key
        while key in self._asking:  # Somebody asks for the same at this moment; then it is in the journal.
            await self._end_of(key)
        self._asking[key] = None
        try:
            replies = await self._found_or_sent(intents, admit, read, gather)
        finally:
            if (end := self._asking.pop(key, None)) is not None:
                end.set()
        self._costs |= {key: reply.cost_usd for key, reply in replies.items()}
        return [replies[intent.key] for intent in intents]

    async def _end_of(self, key: str) -> None:
        end = self._asking[key] or anyio.Event()
        self._asking[key] = end
        await end.wait()

    async def _found_or_sent(
        self,
        intents: Sequence[Intent],
        admit: Admit[ResultT],
        read: Callable[[ResultT], list[Reply]],
        gather: Gather | None,
    ) -> dict[str, Reply]:
        replies, losses = await self._find(intents), 0
        while missing := [intent for intent in intents if intent.key not in replies]:
            with self._while_sending():
                if gather is not None:
                    await gather(missing)
                try:
                    replies |= await self._send(missing, admit, read)
                except CallLost as lost:
                    losses += 1
                    if losses == MOST_LOSSES:
                        raise self._lost_too_often(lost, missing[0]) from None
        return replies

    async def _find(self, intents: Sequence[Intent]) -> dict[str, Reply]:
        keys = [intent.key for intent in intents]
        if self._is_new and self._costs.keys().isdisjoint(keys):
            return {}
        answers = await self._store.find_answers(keys)
        limit = most_tokens(intents[0].parameters)
        found = {key: read_again(reply, max_tokens=limit) for key, reply in answers.items()}
        for reply in found.values():
            self._publish_answer(reply, intents[0].step, 0.0, from_journal=True)
        return found

    async def _send(
        self, intents: Sequence[Intent], admit: Admit[ResultT], read: Callable[[ResultT], list[Reply]]
    ) -> dict[str, Reply]:
        """Send one request for all of these; the intents that it brought no reply for are taken back."""
        step, intended = intents[0].step, False
        keys = [intent.key for intent in intents]
        started = self._clock()
        try:
            async with admit(len(keys)) as call:
                await self._intend(intents)
                intended = True
                crash_point("intent_recorded")
                result = await call.send()
        except AgentError as error:
            if intended and error.certainly_unpaid:
                await self._store.withdraw(keys)
            elif intended:
                self._costs |= dict.fromkeys(keys)  # It may have been billed: nobody knows.
            if not isinstance(error, BudgetExhausted | CallLost):
                self._publish_failure(error, intents[0], self._clock() - started)
            raise
        replies = read(result)
        crash_point("answer_received")
        answered = dict(zip(keys, replies, strict=False))
        # The answers are paid for: they are recorded even if this seed is being cancelled.
        with anyio.CancelScope(shield=True):
            await self._store.record_answers(list(answered.items()))
            crash_point("answer_recorded")
            if len(answered) < len(keys):
                await self._store.withdraw(keys[len(answered) :])
        for reply in replies:
            self._publish_answer(reply, step, self._clock() - started, from_journal=False)
        return answered

    async def _intend(self, intents: Sequence[Intent]) -> None:
        """Record what is about to be sent; AgentRefused where nothing may be sent any more."""
        if self._is_over():
            raise AgentRefused("nothing further is sent: the work ends")
        await self._store.intend(intents)

    def _lost_too_often(self, lost: CallLost, intent: Intent) -> AgentUnavailable:
        """Perhaps the call itself is what ends those who send it."""
        error = AgentUnavailable(f"agent {intent.agent}: {lost}; so it went {MOST_LOSSES} times, and it is given up")
        error.what, error.may_lie_in_the_text = lost.what, True
        self._publish_failure(error, intent, 0.0)
        return error

    def _publish_failure(self, error: AgentError, intent: Intent, seconds: float) -> None:
        self._bus.publish(
            CallFailed(
                seed_id=self._seed_id,
                step=intent.step,
                agent=intent.agent,
                seconds=seconds,
                outcome=outcome_of(error),
                error=str(error),
            )
        )

    def _publish_answer(self, reply: Reply, step: str, seconds: float, *, from_journal: bool) -> None:
        self._bus.publish(
            CallAnswered(
                seed_id=self._seed_id,
                step=step,
                agent=reply.agent,
                model=reply.model,
                seconds=seconds,
                prompt_tokens=reply.prompt_tokens,
                completion_tokens=reply.completion_tokens,
                cost_usd=reply.cost_usd,
                from_journal=from_journal,
            )
        )
