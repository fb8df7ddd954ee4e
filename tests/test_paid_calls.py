"""The journal and the budget never forget a call that may have been paid, nor count one that certainly was not."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from lines import config_for, seeds
from openai_server import Answer, Cut, Fault, Move, OpenAIServer

from star_agents.agents.budgets import Charge
from star_agents.bench.paid_calls import PaidCalls
from star_agents.bench.pairs import PairBench
from star_agents.engine.wiring import open_engine
from star_agents.errors import AgentError, AgentUnavailable
from star_agents.observe.bus import Bus
from star_agents.records import Message, Reply
from star_agents.storage.rows import Taken
from star_agents.storage.store import STORE_FILE, Store

ASKED = [Message(role="user", content="Say something.")]
PER_AGENT = ", retries: 0, max_tokens: 100, input_cost_per_token: 0.001, output_cost_per_token: 0.001"


async def after_one_call(out: Path, *moves: Move, per_agent: str = PER_AGENT) -> tuple[AgentError | None, float, Taken]:
    """What a call raises, what its process counts as spent, and what the next one begins with."""
    said = iter(moves)
    async with OpenAIServer(lambda body: next(said)) as server:
        config = config_for(server.url, per_agent=per_agent)
        raised: AgentError | None = None
        async with (
            await Store.open(out) as store,
            open_engine(config, store, bus=Bus(), seeds_expected=1, ends_when_empty=True) as line,
        ):
            try:
                await PairBench(seeds(1)[0], line.stages["star"], line.rooms()).ask("a", ASKED, step="think")
            except AgentError as error:
                raised = error
            spent = line.client.budgets.spent("a")
    async with await Store.open(out) as store:
        return raised, spent, (await store.taken()).get("a", Taken(usd=0.0, calls=0, tokens=0))


@pytest.mark.parametrize("move", [Fault(status=500), Fault(status=503), Cut()], ids=["500", "503", "cut"])
async def test_a_failed_call_that_may_be_paid_stays_in_the_journal_and_in_the_budget_of_the_next_process(
    tmp_path: Path, move: Move
) -> None:
    raised, spent, taken = await after_one_call(tmp_path, move)
    assert isinstance(raised, AgentUnavailable)
    assert not raised.certainly_unpaid
    assert spent > 0.1, "its worst case: a hundred tokens of answer alone are 0.1 dollars"
    assert taken.usd == pytest.approx(spent)
    assert taken.calls == 1
    assert taken.tokens is not None
    assert taken.tokens > 100


@pytest.mark.parametrize("status", [400, 401, 404, 422])
async def test_a_call_that_was_refused_is_taken_back_and_costs_no_budget(tmp_path: Path, status: int) -> None:
    raised, spent, taken = await after_one_call(tmp_path, Fault(status=status))
    assert raised is not None
    assert raised.certainly_unpaid
    assert (spent, taken.usd, taken.calls, taken.tokens) == (0.0, 0.0, 0, 0)


async def test_a_try_that_may_be_paid_is_not_forgotten_for_a_later_one_that_is_not(tmp_path: Path) -> None:
    raised, spent, taken = await after_one_call(
        tmp_path, Fault(status=500), Fault(status=400), per_agent=PER_AGENT.replace("retries: 0", "retries: 1")
    )
    assert raised is not None
    assert not raised.certainly_unpaid
    assert spent > 0.1
    assert taken.usd == pytest.approx(spent)
    assert taken.calls == 1


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(status=429), Cut()], ids=["503", "429", "cut"])
async def test_whenever_a_request_arrives_the_intent_of_its_call_is_durable(tmp_path: Path, fault: Move) -> None:
    seen, moves = [], [fault, fault]

    def respond(body: object) -> Move:
        with closing(sqlite3.connect(f"file:{tmp_path / STORE_FILE}?mode=ro", uri=True)) as connection:
            seen.append(connection.execute("SELECT state, sends FROM calls").fetchall())
        return moves.pop() if moves else Answer(text="one")

    async with OpenAIServer(respond) as server:
        config = config_for(server.url, per_agent=PER_AGENT.replace("retries: 0", "retries: 2"))
        async with (
            await Store.open(tmp_path) as store,
            open_engine(config, store, bus=Bus(), seeds_expected=1, ends_when_empty=True) as line,
        ):
            await PairBench(seeds(1)[0], line.stages["star"], line.rooms()).ask("a", ASKED, step="think")
            counts = await store.counts()
    assert seen == [[("intent", 1)]] * 3
    assert (counts.calls_answered, counts.calls_pending) == (1, 0)


async def test_an_answer_that_came_is_recorded_and_one_that_was_left_out_taken_back_although_the_seed_is_cancelled(
    tmp_path: Path,
) -> None:
    reply = Reply(text="paid for", finish_reason="stop", agent="a", model="m", cost_usd=1.0)
    (seed,) = seeds(1)
    async with await Store.open(tmp_path) as store:
        await store.add_seeds([seed])
        calls = PaidCalls(seed.id, await store.add_revision("r", "{}"), store, Bus(), lambda: 0.0)
        intents = calls.intents("a", "think", ["ask"], {}, Charge(usd=2.0), 2)
        with anyio.CancelScope() as seed_scope:

            class Sending:
                async def send(self) -> list[Reply]:
                    seed_scope.cancel()
                    return [reply]

            @asynccontextmanager
            async def admit(count: int) -> AsyncIterator[Sending]:
                await anyio.lowlevel.checkpoint()
                yield Sending()

            await calls.replies(intents, admit, list)
        assert (await store.find_answers([one.key for one in intents])).keys() == {intents[0].key}
        taken = (await store.taken())["a"]
        assert (taken.usd, taken.calls) == (1.0, 1)


async def test_two_who_ask_the_same_at_once_pay_for_it_once(tmp_path: Path) -> None:
    async with OpenAIServer(lambda body: Answer(text="one")) as server:
        config = config_for(server.url, per_agent=PER_AGENT)
        async with (
            await Store.open(tmp_path) as store,
            open_engine(config, store, bus=Bus(), seeds_expected=1, ends_when_empty=True) as line,
            anyio.create_task_group() as tasks,
        ):
            bench = PairBench(seeds(1)[0], line.stages["star"], line.rooms())

            async def ask() -> None:
                await bench.ask("a", ASKED, step="think")

            for _ in range(8):
                tasks.start_soon(ask)
    assert len(server.charged) == 1
