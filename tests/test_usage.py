"""What a provider claims that a reply took is believed only as far as it can be so, and no answer is lost for it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from both_ways import WAYS, BothWays, opened
from chaos_usage import claim
from lines import config_for, seeds
from openai_server import Answer as Says
from openai_server import OpenAIServer, Raw
from recorded_replies import chat, choice, ollama
from storage_commands import star
from storage_samples import commit, intent, make_outcome, make_seed

from star_agents.agents.budgets import Budgets, Limit
from star_agents.agents.client import AgentClient
from star_agents.config.models import AgentConfig
from star_agents.engine.batch import run_batch
from star_agents.errors import BudgetExhausted
from star_agents.events import Event, FailureFirstSeen
from star_agents.limits.numbers import MOST_TOKENS
from star_agents.records import Message, Reply
from star_agents.records.failures import USAGE_DOUBTED
from star_agents.storage.store import STORE_FILE, Store

in_one_loop = pytest.mark.asyncio(loop_scope="module")
HUGE = "9" * 5_000

IMPOSSIBLE: dict[str, Any] = {
    "negative": {"prompt_tokens": -340_000, "completion_tokens": 4},
    "negative answer": {"prompt_tokens": 4, "completion_tokens": -1},
    "2^63": {"prompt_tokens": 2**63, "completion_tokens": 1},
    "2^62 twice": {"prompt_tokens": 2**62, "completion_tokens": 2**62},
    "1e30": {"prompt_tokens": 1e30, "completion_tokens": 1},
    "infinity": {"prompt_tokens": float("inf"), "completion_tokens": 1},
    "not a number": {"prompt_tokens": float("nan"), "completion_tokens": 1},
    "400 digits": {"prompt_tokens": int("9" * 400), "completion_tokens": 1},
    "half a token": {"prompt_tokens": 12.5, "completion_tokens": 1},
    "a word": {"prompt_tokens": "many", "completion_tokens": 1},
    "yes": {"prompt_tokens": True, "completion_tokens": 1},
    "lists": {"prompt_tokens": [1], "completion_tokens": {}},
    "more than max_tokens": {"prompt_tokens": 4, "completion_tokens": 5_000},
    "more than the prompt": {"prompt_tokens": 40_000, "completion_tokens": 4},
    "more cached than read": {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "prompt_tokens_details": {"cached_tokens": 10},
    },
    "cached below zero": {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": -10}},
    "no object": "many",
    "a list": [{"prompt_tokens": 4}],
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def ways() -> AsyncIterator[BothWays]:
    async with opened() as both:
        yield both


def said(usage: Any) -> Raw:
    return chat(choice(content="4"), usage=usage)


@in_one_loop
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", IMPOSSIBLE)
async def test_a_count_that_cannot_be_so_is_unknown_and_its_answer_is_kept(ways: BothWays, way: str, name: str) -> None:
    answer = await ways.answer(way, said(IMPOSSIBLE[name]), shape={"max_tokens": 20})
    assert [(one.text, one.finish_reason) for one in answer.choices] == [("4", "stop")]
    assert (answer.prompt_tokens, answer.completion_tokens, answer.cached_tokens) == (0, 0, 0)
    assert answer.usage_doubt
    assert len(answer.usage_doubt) < 200


@in_one_loop
@pytest.mark.parametrize("way", WAYS)
async def test_a_number_of_5000_digits_loses_no_answer_either(ways: BothWays, way: str) -> None:
    body = b'{"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": %s}}'
    answer = await ways.answer(way, Raw(body=body % HUGE.encode()))
    assert (answer.choices[0].text, answer.prompt_tokens) == ("4", 0)
    assert answer.usage_doubt


@in_one_loop
async def test_ollamas_counts_are_read_in_the_same_place(ways: BothWays) -> None:
    move = ollama(content="4", eval_count=-3, prompt_eval_count=2**63)
    answer = await ways.answer("direct", move, model="ollama_chat/m")
    assert (answer.choices[0].text, answer.prompt_tokens, answer.completion_tokens) == ("4", 0, 0)
    assert answer.usage_doubt.count("can be 0 to") == 2


@in_one_loop
@pytest.mark.parametrize("way", WAYS)
async def test_counts_that_can_be_so_are_believed(ways: BothWays, way: str) -> None:
    usual = {"prompt_tokens": 12.0, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 8}}
    answer = await ways.answer(way, said(usual), shape={"max_tokens": 20})
    assert (answer.prompt_tokens, answer.completion_tokens, answer.cached_tokens) == (12, 4, 8)
    assert not answer.usage_doubt


@in_one_loop
async def test_a_server_that_ignores_max_tokens_is_believed_as_far_as_its_text_goes(ways: BothWays) -> None:
    text = "so " * 500
    long = chat(choice(content=text, finish_reason="stop"), usage={"prompt_tokens": 9, "completion_tokens": 500})
    answer = await ways.answer("direct", long, shape={"max_tokens": 20})
    assert (answer.completion_tokens, answer.usage_doubt) == (500, "")


@pytest.mark.parametrize("name", IMPOSSIBLE)
async def test_no_claim_earns_a_budget_back(name: str) -> None:
    """An attack got $0.02 through a budget of $0.01, with -$0.34 on the books. The most that was reserved counts."""
    budgets = Budgets([Limit(key="budget_usd", owner=None, unit="usd", per_day=False, amount=0.05)])
    async with OpenAIServer(lambda body: said(IMPOSSIBLE[name])) as server:
        agent = AgentConfig(
            model="hosted_vllm/m",
            api_base=server.url,
            input_cost_per_token=0.0001,
            output_cost_per_token=0.0001,
            max_tokens=20,
        )
        client = AgentClient({"gpt": agent}, budgets=budgets)
        hello = [Message(role="user", content="What is two and two?")]
        most, before = client.worst_case("gpt", hello, 20), 0.0
        assert most.usd is not None
        try:
            for calls in range(1, 8):
                reply = await client.ask("gpt", hello)
                assert (reply.text, reply.cost_usd, reply.prompt_tokens) == ("4", None, 0)
                assert budgets.spent() == pytest.approx(calls * most.usd)
                assert budgets.spent("gpt", "tokens") == calls * (most.tokens or 0)
                assert budgets.spent() > before
                before = budgets.spent()
        except BudgetExhausted:
            pass
        finally:
            await client.aclose()
    assert len(server.requests) == int(0.05 / most.usd), "so many worst cases fit, and no call more"


async def test_half_a_count_is_no_price() -> None:
    async with OpenAIServer(lambda body: said({"prompt_tokens": 5, "completion_tokens": None})) as server:
        agent = AgentConfig(model="hosted_vllm/m", api_base=server.url, input_cost_per_token=1, output_cost_per_token=1)
        client = AgentClient({"gpt": agent})
        try:
            reply = await client.ask("gpt", [Message(role="user", content="Hello")])
        finally:
            await client.aclose()
    assert (reply.text, reply.cost_usd, reply.usage_doubt) == ("4", None, "")


async def test_a_run_tells_once_for_each_agent_whose_counts_cannot_be_so(tmp_path: Path) -> None:
    async with OpenAIServer(lambda body: said({"prompt_tokens": -7, "completion_tokens": 2**63})) as server:
        config = config_for(server.url, replaced="selection: random")
        heard: list[Event] = []
        result = await run_batch(
            config, seeds(8), "test", tmp_path, retry_dropped=False, console=None, hear=heard.append
        )
    told = [one.agent for one in heard if isinstance(one, FailureFirstSeen)]
    assert sorted(told) == sorted(set(told)) != []
    assert result.summary["counts"]["dropped"] == 0, "no answer is lost for it"
    assert result.failed_because == "", "and no limit counts it"
    failures = [one for one in result.summary["failures"] if one["part"] == "usage"]
    assert {one["reason"] for one in failures} == {USAGE_DOUBTED}
    assert all("replies wrongly" in one["sentence"] and "-7" in one["sentence"] for one in failures)


# Stores that a release of before has poisoned.


async def poisoned(folder: Path) -> None:
    """As an older release left them: 2^62 tokens twice, and tokens and dollars below zero."""
    async with await Store.open(folder) as store:
        await store.add_seeds([make_seed(number) for number in range(4)])
        (seed,) = await store.lease(1)
        keys = [f"k{number}" for number in range(4)]
        await store.intend([intent(key, reserved_usd=0.5, reserved_tokens=100) for key in keys])
        reply = Reply(text="4", finish_reason="stop", agent="a", model="m", prompt_tokens=3, completion_tokens=1)
        await store.record_answers([(key, reply) for key in keys])
        await commit(store, make_outcome(seed))
    with closing(sqlite3.connect(folder / STORE_FILE)) as file, file:
        for key, tokens, usd in (("k0", 2**62, 1e14), ("k1", 2**62, 1e14), ("k2", -5_000, -0.5)):
            file.execute(
                "UPDATE calls SET prompt_tokens = ?, completion_tokens = ?, cost_usd = ?, "
                "reply = json_set(reply, '$.prompt_tokens', ?, '$.cost_usd', ?) WHERE key = ?",
                (tokens, tokens, usd, tokens, usd, key),
            )
        file.execute("UPDATE trials SET cost_usd = -0.5 WHERE ord = 0")
        file.execute("UPDATE outcomes SET cost_usd = -0.5, payload = json_set(payload, '$.cost_usd', -0.5)")


async def test_a_poisoned_store_opens_and_what_cannot_be_so_counts_as_reserved(tmp_path: Path) -> None:
    await poisoned(tmp_path)
    async with await Store.open(tmp_path) as store:
        (usage,) = await store.agent_usage()
        assert (usage.answered, usage.prompt_tokens, usage.completion_tokens, usage.unknown_price) == (4, 3, 1, 3)
        for taken in (await store.taken(), await store.taken(since=0.0)):
            assert (taken["a"].tokens, taken["a"].usd) == (3 * 100 + 4, 3 * 0.5)
        assert all(0 <= tokens <= 2 * MOST_TOKENS for _, _, tokens in await store.sent_since(0.0))


def test_doctor_finds_a_poisoned_store_and_repairs_it(tmp_path: Path) -> None:
    asyncio.run(poisoned(tmp_path))
    found = {one["part"]: one for one in star("doctor", tmp_path, "--json").data}
    assert found["counts"]["state"] == "warn"
    assert found["counts"]["detail"].startswith("3 calls hold")
    repaired = star("doctor", tmp_path, "--repair", "--json")
    assert "the counts of 3 calls are unknown now" in repaired.err
    assert {one["part"]: one["state"] for one in repaired.data}["counts"] == "ok"
    asyncio.run(repaired_well(tmp_path))


async def repaired_well(folder: Path) -> None:
    async with await Store.open(folder) as store:
        answers = await store.find_answers(["k0", "k2", "k3"])
        assert [(one.prompt_tokens, one.cost_usd) for one in answers.values()] == [(0, None), (0, None), (3, 0.0)]
        assert all(one.text == "4" for one in answers.values())
        assert [one.outcome.cost_usd for one in await store.outcomes()] == [None]
        assert await store.repair_counts() == 0, "nothing is left to repair"


def test_nothing_is_made_where_there_is_no_store_to_repair(tmp_path: Path) -> None:
    shown = star("doctor", tmp_path / "none", "--repair")
    assert shown.code == 3
    assert not (tmp_path / "none").exists()


async def test_hundreds_of_replies_with_every_kind_of_count_cost_no_answer_and_earn_nothing_back(
    tmp_path: Path,
) -> None:
    report = await claim(tmp_path, rounds=320, seed=12)
    assert report.violations == []
    assert report.doubted == 280, "seven of eight cannot be so"
    assert len(report.kinds) == 9


async def test_the_servers_own_usual_counts_are_untouched() -> None:
    async with OpenAIServer(lambda body: Says(text="one two three")) as server:
        client = AgentClient({"gpt": AgentConfig(model="hosted_vllm/m", api_base=server.url)})
        try:
            reply = await client.ask("gpt", [Message(role="user", content="Count")])
        finally:
            await client.aclose()
    assert (reply.completion_tokens, reply.usage_doubt) == (3, "")
