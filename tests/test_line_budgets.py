"""The line at a budget: it rests, says why, and goes on by itself; nothing is lost and nothing asked twice."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
from lines import config_for, results, seeds, take_in_seeds
from openai_server import OpenAIServer
from rich.console import Console
from star_outcomes import read_star_outcome as stars

from star_agents.config.models import Config
from star_agents.engine.batch import run_batch
from star_agents.engine.engine import Engine
from star_agents.engine.wiring import open_engine
from star_agents.events import BudgetCleared, BudgetReached, Event
from star_agents.observe.bus import Bus
from star_agents.storage.store import Store

NOON = 1_782_907_200.0
"""2026-07-01 12:00 UTC."""
DAY = 86_400.0
PRICE = ", input_cost_per_token: 0.001, output_cost_per_token: 0.001, max_tokens: 50"
"""A call is reserved at about 0.12 dollars and costs a tenth of that."""


class Clock:
    """Seconds since 1970, turned by hand."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> float:
        return self.at


def priced(url: str, budget: str, *, per_agent: str = "") -> Config:
    """Two candidates per seed and no referee: every call is a response that costs a few cents."""
    return config_for(url, per_agent=PRICE + per_agent, replaced=f"selection: random\nconcurrency: 4\n{budget}")


@asynccontextmanager
async def working(
    config: Config, folder: Path, *, is_batch: bool, clock: Clock, hear: Callable[[Event], None]
) -> AsyncIterator[Engine]:
    """A line over twelve seeds; each test works it."""
    bus = Bus()
    bus.subscribe(hear)
    async with (
        await Store.open(folder, now=clock) as store,
        open_engine(config, store, bus=bus, seeds_expected=12, ends_when_empty=is_batch, now=clock) as line,
    ):
        await take_in_seeds(line, seeds(12), "test")
        yield line


async def resting(line: Engine) -> str:
    """The reason, once the line rests."""
    with anyio.fail_after(60):
        while line.waiting_for is None:
            await anyio.lowlevel.checkpoint()
    return line.waiting_for.reason


async def all_done(line: Engine) -> None:
    with anyio.fail_after(60):
        while (await line.store.counts()).done < 12:
            await anyio.lowlevel.checkpoint()


async def test_at_a_daily_budget_a_batch_waits_for_the_next_day_and_no_day_costs_more(tmp_path: Path) -> None:
    clock, events, costs = Clock(), list[Event](), Counter[int]()

    def hear(event: Event) -> None:
        if isinstance(event, BudgetReached | BudgetCleared):
            events.append(event)
        if isinstance(event, BudgetReached):
            assert event.resets_at is not None
            clock.at = event.resets_at

    async with OpenAIServer() as server:
        config = priced(server.url, "budget_usd_per_day: 0.2")
        async with working(config, tmp_path, is_batch=True, clock=clock, hear=hear) as line:
            await line.work()
            assert (line.stopped_by, line.waiting_for) == ("", None)
            days = int((clock.at - NOON) // DAY) + 1
            for day in range(days + 1):
                began = NOON - DAY / 2 + day * DAY
                spent, later = await line.store.taken(began), await line.store.taken(began + DAY)
                costs[day] = round(
                    10**9 * (sum(one.usd for one in spent.values()) - sum(one.usd for one in later.values()))
                )
    assert len(results(tmp_path)) == 12
    assert len([cost for cost in costs.values() if cost]) > 1, "it took more than a day"
    assert max(costs.values()) <= 0.2 * 10**9
    assert [type(event) for event in events] == [BudgetReached, BudgetCleared] * (len(events) // 2)
    assert len(server.charged) == len({str(body) for body in server.charged}), "nothing was asked twice"


async def test_a_batch_says_what_it_waits_for(tmp_path: Path) -> None:
    clock = Clock()

    class Terminal(io.StringIO):
        def write(self, text: str) -> int:
            clock.at += DAY if "or wait until" in text else 0.0
            return super().write(text)

    terminal = Terminal()
    async with OpenAIServer() as server:
        config = priced(server.url, "budget_usd_per_day: 0.2")
        done = await run_batch(
            config, seeds(12), "test", tmp_path, retry_dropped=False, console=Console(file=terminal), now=clock
        )
    assert (done.stopped_by, done.summary["counts"]["done"]) == ("", 12)
    said = terminal.getvalue()
    assert "raise `budget_usd_per_day` in agents.yaml to go on, or wait until 2026-07-02 00:00 UTC" in said
    assert "`budget_usd_per_day` allows calls again: a new day has begun" in said
    cost = done.summary["cost"]
    assert cost["usd_per_sample"] == cost["known_usd"] / 12
    assert done.summary["pairs"]["keep/a"]["cost_usd"] > 0


async def test_a_batch_spends_a_budget_to_its_end_although_worst_cases_fill_it_at_once(tmp_path: Path) -> None:
    async with OpenAIServer() as server:
        config = priced(server.url, "budget_usd: 0.2")
        async with working(config, tmp_path, is_batch=True, clock=Clock(), hear=lambda event: None) as line:
            await line.work()
            (state,) = line.client.budgets.states()
    assert "raise `budget_usd` in agents.yaml" in line.stopped_by
    assert state.reached == line.stopped_by
    assert 0.08 < state.spent <= 0.2
    assert state.reserved == 0.0


async def test_a_daemon_rests_at_a_budget_and_goes_on_when_agents_yaml_raises_it(tmp_path: Path) -> None:
    events = list[Event]()
    async with OpenAIServer() as server:
        config = priced(server.url, "budget_usd: 0.2")
        async with (
            working(config, tmp_path, is_batch=False, clock=Clock(), hear=events.append) as line,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(line.work)
            reason = await resting(line)
            assert "raise `budget_usd` in agents.yaml to go on" in reason
            await line.reconfigure(priced(server.url, "budget_usd: 0.2\nrandom_seed: 1"))
            assert await resting(line) == reason, "an edit of something else lets it try, and no more"
            assert line.stopped_by == ""
            await line.reconfigure(priced(server.url, "budget_usd: 20"))
            await all_done(line)
            assert line.waiting_for is None
            line.close()
    told = [type(event) for event in events if isinstance(event, BudgetReached | BudgetCleared)]
    assert told == [BudgetReached, BudgetCleared]
    assert len(results(tmp_path)) == 12


async def test_a_line_that_rests_ends_at_once_when_it_is_told_to(tmp_path: Path) -> None:
    async with OpenAIServer() as server:
        config = priced(server.url, "budget_usd: 0")
        async with working(config, tmp_path, is_batch=False, clock=Clock(), hear=lambda event: None) as line:
            with anyio.fail_after(60):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(line.work)
                    await resting(line)
                    line.close()
            assert (await line.store.counts()).waiting == 12
    assert server.requests == []


async def test_an_agent_of_the_pool_whose_day_is_spent_is_one_candidate_less_and_told_once(tmp_path: Path) -> None:
    events = list[Event]()

    def hear(event: Event) -> None:
        if isinstance(event, BudgetReached):
            events.append(event)

    async with OpenAIServer() as server:
        config = priced(server.url, "candidates: 3")
        agents = {**config.agents, "b": config.agents["b"].model_copy(update={"budget_usd_per_day": 0.0})}
        config = config.model_copy(update={"agents": agents})
        async with working(config, tmp_path, is_batch=True, clock=Clock(), hear=hear) as line:
            await line.work()
            assert line.waiting_for is None
            states = {state.key: state.reached for state in line.client.budgets.states()}
    assert "agents.b.budget_usd_per_day" in states["agents.b.budget_usd_per_day"]
    assert len(events) == 1
    failures = {
        one.candidate.failure.kind if one.candidate.failure else ""
        for result in results(tmp_path)
        for one in stars(result.outcome).candidates
        if one.candidate.pair.response == "b"
    }
    assert failures == {"budget"}


async def test_a_restart_on_the_same_day_goes_on_with_what_the_day_has_left(tmp_path: Path) -> None:
    spent: list[float] = []
    async with OpenAIServer() as server:
        config = priced(server.url, "budget_usd_per_day: 0.2")
        for _ in range(2):
            async with working(config, tmp_path, is_batch=False, clock=Clock(), hear=lambda event: None) as line:
                spent.append(line.client.budgets.spent(today=True))
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(line.work)
                    await resting(line)
                    line.close()
                spent.append(line.client.budgets.spent(today=True))
    first, stopped, restarted, last = spent
    assert first == 0.0
    assert 0.08 < stopped <= last <= 0.2
    assert round(restarted, 9) == round(stopped, 9)
