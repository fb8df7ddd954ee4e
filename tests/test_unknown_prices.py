"""Models whose price nobody knows: which budgets hold for them, and what is said before anything is spent.

Agents here have a public name and no price; a proxy stands where that name would lead, so nothing leaves the machine.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from lines import config_for, results, run, seeds
from openai_server import Body, Fault, Move, OpenAIServer, brain
from rich.console import Console
from star_outcomes import read_star_outcome as stars

from star_agents.agents.client import AgentClient
from star_agents.agents.price_check import price_notes, unbounded
from star_agents.config.models import Config
from star_agents.config.reading import parse_config
from star_agents.config.star import PairConfig
from star_agents.engine.accounts import limits_of
from star_agents.engine.batch import run_batch
from star_agents.engine.wiring import open_engine
from star_agents.errors import ConfigError
from star_agents.events import Event, PriceNoted
from star_agents.observe.bus import Bus
from star_agents.offline.agents import respond
from star_agents.storage.store import Store

REMOTE = "http://models.example/v1"
FIX = "give input_cost_per_token and output_cost_per_token, 0 where it is free; or set budget_calls or budget_tokens"


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as server:
        monkeypatch.setenv("HTTP_PROXY", server.root)
        yield server


def remote(replaced: str, *, per_agent: str = "") -> Config:
    return config_for(REMOTE, per_agent=per_agent, replaced=f"concurrency: 4\n{replaced}")


@pytest.mark.parametrize("key", ["budget_usd", "budget_usd_per_day"])
async def test_a_budget_in_dollars_is_refused_where_nobody_knows_a_price(
    tmp_path: Path, server: OpenAIServer, key: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        await run(remote(f"{key}: 5"), seeds(3), tmp_path)
    fields = [problem.field for problem in refused.value.problems]
    assert fields == ["agents.a", "agents.b", "agents.c"]
    assert f"nobody knows its price, so `{key}` cannot hold for it" in str(refused.value)
    assert FIX in str(refused.value)
    with pytest.raises(ConfigError, match=rf"`agents\.b\.{key}` cannot hold"):
        agent = f"agents: {{b: {{model: openai/b, api_base: '{REMOTE}', {key}: 5}}}}"
        await run(parse_config(f"{agent}\nselection: random"), seeds(3), tmp_path)
    assert server.requests == []
    assert list(tmp_path.iterdir()) == [], "before anything is made"


@pytest.mark.parametrize(
    "saved_by",
    ["unknown_prices: allow", "budget_calls: 100", "budget_tokens: 1000000", "budget_tokens_per_day: 1000000"],
)
async def test_it_is_not_refused_where_another_budget_holds_or_a_person_says_so(
    tmp_path: Path, server: OpenAIServer, saved_by: str
) -> None:
    done = await run(remote(f"budget_usd: 5\n{saved_by}"), seeds(2), tmp_path)
    assert (done.stopped_by, done.summary["counts"]["done"]) == ("", 2)


async def test_an_agent_that_no_seed_calls_needs_no_price(tmp_path: Path, server: OpenAIServer) -> None:
    pairs = "pairs: [{instruction: keep, response: b}]\nselection: random"
    config = remote(f"budget_usd: 5\n{pairs}")
    config = config.model_copy(
        update={"agents": {**config.agents, "b": config.agents["b"].model_copy(update={"output_cost_per_token": 1e-6})}}
    )
    assert (await run(config, seeds(2), tmp_path)).stopped_by == ""


async def test_replies_of_any_length_are_refused_under_budgets_that_they_would_pass() -> None:
    endless = remote("budget_tokens: 1000", per_agent=", max_tokens: null")
    client = AgentClient(endless.agents)
    (problem, *_) = unbounded(endless, client.endpoints)
    assert (problem.field, problem.fix) == ("agents.a.max_tokens", "give max_tokens")
    assert "so `budget_tokens` cannot hold" in problem.message
    priced = remote(
        "budget_usd: 5", per_agent=", max_tokens: null, input_cost_per_token: 0, output_cost_per_token: 0.001"
    )
    assert "so `budget_usd` cannot hold" in unbounded(priced, client.resolve(priced.agents))[0].message
    free = remote("budget_usd: 5", per_agent=", max_tokens: null, input_cost_per_token: 0, output_cost_per_token: 0")
    assert unbounded(free, client.resolve(free.agents)) == []
    await client.aclose()


async def test_a_budget_of_calls_is_spent_to_its_end_and_holds_over_restarts(
    tmp_path: Path, server: OpenAIServer
) -> None:
    config = remote("selection: random\nbudget_calls: 9")
    first = await run(config, seeds(12), tmp_path)
    assert "raise `budget_calls` in agents.yaml" in first.stopped_by
    assert (first.calls, len(server.charged)) == (9, 9)
    again = await run(config, seeds(12), tmp_path)
    assert (again.calls, len(server.charged)) == (0, 9)
    more = await run(remote("selection: random\nbudget_calls: 10"), seeds(12), tmp_path)
    assert (more.calls, len(server.charged)) == (1, 10)
    own = remote("selection: random")
    agents = {name: agent.model_copy(update={"budget_calls": 5}) for name, agent in own.agents.items()}
    last = await run(own.model_copy(update={"agents": agents}), seeds(12), tmp_path)
    assert "raise `agents." in last.stopped_by
    assert set(Counter(body["model"] for body in server.charged).values()) == {5}


async def test_a_budget_of_tokens_is_not_passed(tmp_path: Path, server: OpenAIServer) -> None:
    config = remote("selection: random\nbudget_tokens: 900", per_agent=", max_tokens: 50")
    first = await run(config, seeds(30), tmp_path)
    assert "raise `budget_tokens` in agents.yaml" in first.stopped_by
    counts = first.summary["counts"]
    assert 400 < counts["prompt_tokens"] + counts["completion_tokens"] <= 900
    assert counts["done"] < 30


async def test_an_edit_under_which_a_budget_cannot_hold_changes_nothing(tmp_path: Path, server: OpenAIServer) -> None:
    before = remote("selection: random")
    async with (
        await Store.open(tmp_path) as store,
        open_engine(before, store, bus=Bus(), seeds_expected=2, ends_when_empty=False) as line,
    ):
        with pytest.raises(ConfigError, match="nobody knows its price"):
            await line.reconfigure(remote("selection: random\nbudget_usd: 5"))
        assert (line.config, line.revision, line.client.budgets.states()) == (before, 1, [])
        await line.reconfigure(remote("selection: random\nbudget_calls: 5"))
        assert [state.limit for state in line.client.budgets.states()] == [5]


async def test_what_counts_as_free_and_what_nobody_knows_is_said_once_at_the_start(tmp_path: Path) -> None:
    told: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, PriceNoted):
            told.append(event.message)

    bus, terminal = Bus(), io.StringIO()
    bus.subscribe(hear)
    async with OpenAIServer() as server:
        config = config_for(server.url, agents=["a"], replaced="selection: random")
        far = config.agents["a"].model_copy(update={"api_base": REMOTE})
        pairs = (*(config.star.pairs or ()), PairConfig(instruction="keep", response="far"))
        star = config.star.model_copy(update={"pairs": pairs})
        both = config.model_copy(update={"agents": {**config.agents, "far": far}, "star": star})
        async with (
            await Store.open(tmp_path / "one") as store,
            open_engine(config, store, bus=bus, seeds_expected=2, ends_when_empty=False) as line,
        ):
            await line.reconfigure(both)
            await line.reconfigure(config)
        await run_batch(config, seeds(1), "test", tmp_path / "two", retry_dropped=False, console=Console(file=terminal))
        address = server.root.removeprefix("http://")
        assert told == [
            f"agent a: openai/a at {address} has no price and counts as free",
            "agent far: nobody knows the price of openai/a at models.example; its cost is told as unknown",
        ]
        assert told[0] in terminal.getvalue()


def test_the_sample_agents_need_no_words(tmp_path: Path) -> None:
    config = parse_config("agents: {a: {model: offline/tutor, budget_usd: 1}}\nselection: random\nbudget_usd: 0")
    client = AgentClient(config.agents, providers={"offline": respond})
    assert (price_notes(config, client.endpoints), unbounded(config, client.endpoints)) == ([], [])
    assert [limit.key for limit in limits_of(config)] == ["budget_usd", "agents.a.budget_usd"]


async def test_a_call_that_may_have_been_billed_without_an_answer_leaves_its_cost_unknown(tmp_path: Path) -> None:
    def fail_b(body: Body) -> Move:
        return Fault(status=500) if body["model"] == "b" else brain(body)

    async with OpenAIServer(fail_b) as server:
        config = config_for(
            server.url,
            per_agent=", input_cost_per_token: 0, output_cost_per_token: 0.001, retries: 0, max_tokens: 9",
            replaced="selection: random\npairs: [{instruction: keep, response: b}, {instruction: keep, response: c}]",
        )
        await run(config, seeds(2), tmp_path)
    for result in results(tmp_path):
        costs = {one.candidate.pair.name: one.candidate.cost_usd for one in stars(result.outcome).candidates}
        assert costs["keep/b"] is result.outcome.cost_usd is None
        assert costs["keep/c"]
