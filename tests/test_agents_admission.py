"""A call that was admitted holds budget and slot until it is sent or let go, and is settled once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from budget_limits import dollars
from openai_server import Answer, Fault, OpenAIServer

from star_agents.agents.budgets import Budgets
from star_agents.agents.client import AgentClient
from star_agents.config.models import AgentConfig
from star_agents.errors import AgentRateLimited, AgentRefused, AgentUnavailable, StoreError
from star_agents.events import CallEnded
from star_agents.records import Message

HELLO = [Message(role="user", content="Hello there.")]


@dataclass
class Desk:
    """A client of one agent, who hears of its calls."""

    client: AgentClient
    server: OpenAIServer
    budgets: Budgets
    reports: list[CallEnded]
    asleep: list[tuple[int, float]] = field(default_factory=list)

    @property
    def in_flight(self) -> int:
        return self.client.states()["gpt"].in_flight

    def is_free(self) -> bool:
        """Whether nothing is held for any call."""
        return (self.in_flight, self.budgets.reserved("gpt"), self.budgets.reserved("gpt", "calls")) == (0, 0.0, 0.0)


@asynccontextmanager
async def desk(*moves: Any, **settings: Any) -> AsyncIterator[Desk]:
    budgets, reports, left = Budgets(dollars(100.0)), list[CallEnded](), list(moves)
    async with OpenAIServer(lambda body: left.pop(0) if left else Answer(text="Good day.")) as server:
        settings = {"input_cost_per_token": 0.001, "output_cost_per_token": 0.001, "max_tokens": 100, **settings}
        agent = AgentConfig(model="openai/m", api_base=server.url, **settings)

        async def sleep(seconds: float) -> None:
            made.asleep.append((made.in_flight, seconds))
            await anyio.lowlevel.checkpoint()

        client = AgentClient({"gpt": agent}, budgets=budgets, on_call=reports.append, sleep=sleep, max_in_flight=2)
        made = Desk(client, server, budgets, reports)
        try:
            yield made
        finally:
            await client.aclose()


async def test_nothing_is_sent_before_the_one_who_was_admitted_sends_it() -> None:
    async with desk() as at, at.client.admit("gpt", HELLO) as call:
        assert (at.in_flight, at.server.requests, at.reports) == (1, [], [])
        assert at.budgets.reserved("gpt") > 0.1
        (reply,) = await call.send()
        assert reply.text == "Good day."
        assert at.in_flight == 0, "its slot is given back with the answer"
    assert at.is_free()
    assert [(one.outcome, one.cost_usd) for one in at.reports] == [("ok", reply.cost_usd)]
    assert at.budgets.spent("gpt") == pytest.approx(reply.cost_usd or 0.0)


async def test_a_call_that_is_let_go_costs_nothing_and_is_told_as_cancelled() -> None:
    async with desk() as at:
        async with at.client.admit("gpt", HELLO):
            pass
        assert at.is_free()
        assert (at.budgets.spent("gpt"), at.server.requests) == (0.0, [])
        assert [(one.outcome, one.cost_usd) for one in at.reports] == [("cancelled", 0.0)]


@pytest.mark.parametrize("error", [StoreError("the disk is full"), AgentRefused("the work ends")])
async def test_where_the_intent_cannot_be_recorded_nothing_is_sent_and_all_is_given_back(error: Exception) -> None:
    async with desk() as at:
        with pytest.raises(type(error)) as raised:
            async with at.client.admit("gpt", HELLO):
                raise error
        assert raised.value is error
        assert at.is_free()
        assert (at.budgets.spent("gpt"), at.server.requests) == (0.0, [])
        assert [(one.outcome, one.cost_usd) for one in at.reports] == [("refused", 0.0)]
        assert getattr(error, "certainly_unpaid", True)


async def test_a_call_cancelled_before_it_was_sent_gives_all_back() -> None:
    async with desk() as at:
        with anyio.CancelScope() as scope:
            async with at.client.admit("gpt", HELLO):
                scope.cancel()
                await anyio.lowlevel.checkpoint()
        assert at.is_free()
        assert (at.budgets.spent("gpt"), at.server.requests) == (0.0, [])
        assert [one.outcome for one in at.reports] == ["cancelled"]


async def test_a_call_cancelled_while_it_waits_for_room_among_all_gives_its_slot_back() -> None:
    async with desk(max_concurrency=8) as at:
        async with at.client.admit("gpt", HELLO), at.client.admit("gpt", HELLO):
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(at.client.ask, "gpt", HELLO)
                    while at.in_flight < 3:
                        await anyio.lowlevel.checkpoint()
                    scope.cancel()
            assert at.in_flight == 2
        assert at.is_free()
        assert at.server.requests == []
        assert (await at.client.ask("gpt", HELLO)).text == "Good day.", "the room of all is free again"


async def test_a_call_cancelled_while_it_waits_to_be_tried_again_counts_as_paid_if_the_try_may_be() -> None:
    async with desk(Fault(status=500)) as at:
        with anyio.CancelScope() as scope:

            class Cancel(list[tuple[int, float]]):
                def append(self, wait: tuple[int, float]) -> None:
                    super().append(wait)
                    scope.cancel()

            at.asleep = Cancel()
            async with at.client.admit("gpt", HELLO) as call:
                await call.send()
        assert scope.cancelled_caught
        assert at.is_free()
        assert at.budgets.spent("gpt") > 0.1
        assert [(one.outcome, one.cost_usd) for one in at.reports] == [("cancelled", None)]


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(status=429)], ids=["503", "429"])
async def test_each_try_queues_for_a_slot_of_its_own_and_holds_none_while_it_waits(fault: Fault) -> None:
    async with desk(fault, fault, max_concurrency=1) as at:
        async with at.client.admit("gpt", HELLO) as call:
            await call.send()
        assert [in_flight for in_flight, _ in at.asleep] == [0, 0]
        assert at.is_free()
        assert [(one.outcome, one.retries) for one in at.reports] == [("ok", 2)]
        assert len(at.server.requests) == 3


@pytest.mark.parametrize(
    ("fault", "kind", "unpaid"),
    [(Fault(status=503), AgentUnavailable, False), (Fault(status=429), AgentRateLimited, True)],
)
async def test_what_leaves_the_block_says_whether_the_call_may_have_been_billed(
    fault: Fault, kind: type[AgentUnavailable | AgentRateLimited], unpaid: bool
) -> None:
    async with desk(fault, fault, retries=0, give_up_after_s=0.1) as at:
        with pytest.raises(kind) as raised:
            async with at.client.admit("gpt", HELLO) as call:
                await call.send()
        assert raised.value.certainly_unpaid is unpaid
        assert (at.budgets.spent("gpt") == 0.0) is unpaid
        assert at.is_free()
        assert len(at.reports) == 1
