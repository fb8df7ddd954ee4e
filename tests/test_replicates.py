"""Several answers to one prompt: one request where the provider does that, each answer journaled by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lines import config_for, seeds
from openai_server import Answer, OpenAIServer
from storage_samples import seen

from star_agents.agents.answer import Answer as ProviderAnswer
from star_agents.agents.answer import Choice
from star_agents.agents.replicates import shares
from star_agents.bench.pairs import PairBench
from star_agents.engine.engine import Engine
from star_agents.engine.wiring import open_engine
from star_agents.observe.bus import Bus
from star_agents.records import Message
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import Store

ASKED = [Message(role="user", content="Say something.")]
PRICED = ", input_cost_per_token: 0.001, output_cost_per_token: 0.001"


@asynccontextmanager
async def line_on(url: str, out: Path) -> AsyncIterator[Engine]:
    config = config_for(url, per_agent=PRICED)
    async with (
        await Store.open(out) as store,
        open_engine(config, store, bus=Bus(), seeds_expected=1, ends_when_empty=True) as line,
    ):
        yield line


def bench_of(line: Engine) -> PairBench:
    return PairBench(seeds(1)[0], line.stages["star"], line.rooms())


def counting(*, gives_n: bool = True) -> Callable[[object], Answer]:
    said = iter(range(1000))

    def respond(body: object) -> Answer:
        first, *more = (f"answer {next(said)}" for _ in range(4))
        return Answer(text=first, others=tuple(more), prompt_tokens=10, completion_tokens=6, gives_n=gives_n)

    return respond


async def test_replicates_are_one_request_and_their_costs_add_up_to_it(tmp_path: Path) -> None:
    async with OpenAIServer(counting()) as server, line_on(server.url, tmp_path) as line:
        bench = bench_of(line)
        replies = await bench.ask_many("a", ASKED, 3, step="think")
        spend = seen(line.store, StoreReader.spend)["a"]
    assert len(replies) == 3
    (request,) = server.requests
    assert request.body["n"] == 3
    total = sum(reply.prompt_tokens + reply.completion_tokens for reply in replies)
    assert total == 10 + sum(reply.completion_tokens for reply in replies)
    assert bench.cost_usd == pytest.approx(0.001 * total) == pytest.approx(spend.usd)


async def test_the_journal_answers_replicates_that_were_answered_and_pays_for_the_others_alone(tmp_path: Path) -> None:
    async with OpenAIServer(counting()) as server:
        async with line_on(server.url, tmp_path) as line:
            first = await bench_of(line).ask_many("a", ASKED, 2, step="think")
        async with line_on(server.url, tmp_path) as line:
            again = await bench_of(line).ask_many("a", ASKED, 4, step="think")
            same = await bench_of(line).ask_many("a", ASKED, 4, step="think")
    assert [request.body.get("n") for request in server.requests] == [2, 2]
    assert again[:2] == first
    assert same == again


async def test_a_provider_that_ignores_n_still_gives_as_many_as_were_asked_for(tmp_path: Path) -> None:
    async with OpenAIServer(counting(gives_n=False)) as server, line_on(server.url, tmp_path) as line:
        replies = await bench_of(line).ask_many("a", ASKED, 4, step="think")
        counts = await line.store.counts()
    assert len({reply.text for reply in replies}) == 4
    assert [request.body.get("n") for request in server.requests] == [4, 3, 2, None]
    assert (counts.calls_answered, counts.calls_pending, counts.calls_maybe_paid) == (4, 0, 0)


texts = st.lists(st.text(max_size=20), min_size=1, max_size=6)


@given(texts=texts, prompt=st.integers(0, 500), completion=st.integers(0, 500), extra=st.integers(0, 3))
def test_shares_add_up_to_the_whole(texts: list[str], prompt: int, completion: int, extra: int) -> None:
    answer = ProviderAnswer(
        choices=tuple(Choice(text=text, finish_reason="stop") for text in [*texts, *["surplus"] * extra]),
        prompt_tokens=prompt,
        completion_tokens=completion,
    )
    parts = shares(answer, 0.25, len(texts))
    assert len(parts) == len(texts)
    assert sum(part.prompt_tokens for part in parts) == prompt == parts[0].prompt_tokens
    assert sum(part.completion_tokens for part in parts) == completion
    assert sum(part.cost_usd or 0.0 for part in parts) == pytest.approx(0.25)
