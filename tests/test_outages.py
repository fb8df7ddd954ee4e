"""An outage fails no seed: calls wait for their agents, draws pass over those that are down, and all seeds end well."""

from __future__ import annotations

import asyncio
from pathlib import Path

import anyio
from lines import config_for, results, run, seeds, take_in_seeds
from openai_server import Answer, Body, Fault, Move, OpenAIServer, brain
from star_outcomes import read_star_outcome as stars

from star_agents.config.models import Config
from star_agents.engine.wiring import open_engine
from star_agents.events import DeploymentChanged, Event, SeedReturned
from star_agents.observe.bus import Bus
from star_agents.storage.store import Store

UNIFORM = "{concurrency: 4, memory: false, evolution: {policy: uniform}}"
DOWN = Fault(status=503, message="gone fishing")


def failing_until(healed: asyncio.Event) -> object:
    return lambda body: brain(body) if healed.is_set() else DOWN


async def work(config: Config, count: int, out: Path, hear: object) -> None:
    bus = Bus()
    bus.subscribe(hear)  # type: ignore[arg-type]  # a test's own function
    async with (
        await Store.open(out) as store,
        open_engine(config, store, bus=bus, seeds_expected=count, ends_when_empty=True) as line,
    ):
        await take_in_seeds(line, seeds(count), "test")
        await line.work()


async def test_a_total_outage_drops_nothing_and_fails_nobody(tmp_path: Path) -> None:
    healed = asyncio.Event()

    def hear(event: Event) -> None:
        if isinstance(event, DeploymentChanged) and event.what == "opened":
            opened.add(event.agent)
            if opened == {"a", "b", "c"}:
                healed.set()

    opened: set[str] = set()
    async with OpenAIServer(failing_until(healed)) as server:  # type: ignore[arg-type]  # typed as object above
        # `c` writes the base, so that it is asked for every seed; one retry is soon used up by a server that is down.
        config = config_for(
            server.url,
            per_agent=", retries: 1",
            replaced="{concurrency: 12, candidates: 2, base_pairs: [{instruction: keep, response: c}],"
            " pairs: [{instruction: keep, response: a}, {instruction: keep, response: b}],"
            " referee: {agents: [c], exam: 'off'}}",
        )
        await work(config, 24, tmp_path, hear)
    outcomes = [result.outcome for result in results(tmp_path)]
    assert len(outcomes) == 24
    assert {outcome.kind for outcome in outcomes} <= {"kept", "base"}
    assert opened == {"a", "b", "c"}


async def test_a_seed_that_gave_up_waiting_goes_back_to_the_queue_and_is_done_when_the_agent_is_up(
    tmp_path: Path,
) -> None:
    healed = asyncio.Event()
    returned: list[SeedReturned] = []

    def hear(event: Event) -> None:
        if isinstance(event, SeedReturned):
            returned.append(event)
            healed.set()

    async with OpenAIServer(failing_until(healed)) as server:  # type: ignore[arg-type]  # typed as object above
        config = config_for(
            server.url,
            agents=("a",),
            per_agent=", retries: 20, give_up_after_s: 4",
            replaced="{concurrency: 4, candidates: 1}",
        )
        await work(config, 6, tmp_path, hear)
    assert returned
    assert "gave up" in returned[0].reason
    assert {result.outcome.kind for result in results(tmp_path)} <= {"kept", "base"}
    assert len(results(tmp_path)) == 6


async def test_pairs_of_an_agent_that_is_down_are_passed_over(tmp_path: Path) -> None:
    def moves(body: Body) -> Move:
        return DOWN if body["model"] == "b" else brain(body)

    async with OpenAIServer(moves) as server:
        config = config_for(server.url, per_agent=", retries: 0, wait_when_down_s: 0.5", replaced=UNIFORM)
        result = await run(config, seeds(60), tmp_path)
    asked_b = sum(request.body["model"] == "b" for request in server.requests)
    assert result.stopped_by == ""
    assert len(results(tmp_path)) == 60
    assert 5 <= asked_b <= 20, "of about 40 draws; those in flight when it went down, and a probe now and then"
    late = [one for row in results(tmp_path)[-20:] for one in stars(row.outcome).candidates]
    assert not any(one.candidate.pair.response == "b" for one in late)


async def test_one_bad_text_does_not_count_as_an_outage(tmp_path: Path) -> None:
    def moves(body: Body) -> Move:
        return DOWN if "What is 3 plus" in str(body["messages"]) else brain(body)

    async with OpenAIServer(moves) as server:
        config = config_for(server.url, per_agent=", retries: 0", replaced="concurrency: 4")
        await run(config, seeds(20), tmp_path)
    kinds = {row.seed.sample.instruction: row.outcome.kind for row in results(tmp_path)}
    assert len(kinds) == 20
    assert kinds["What is 3 plus one?"] == "dropped"
    assert sum(kind == "dropped" for kind in kinds.values()) == 1


async def test_one_call_that_hangs_delays_nobody(tmp_path: Path) -> None:
    release = asyncio.Event()
    others_done = asyncio.Event()

    async def moves(body: Body) -> Move:
        if "What is 0 plus" in str(body["messages"]) and body["model"] == "b":
            await release.wait()
        return brain(body)

    def hear(event: Event) -> None:
        if event.name == "outcome_committed":
            finished.append(event)
            if len(finished) == 29:
                others_done.set()

    finished: list[Event] = []
    async with OpenAIServer(moves) as server, anyio.create_task_group() as tasks:
        config = config_for(server.url, replaced="{concurrency: 4, candidates: 3}")
        tasks.start_soon(work, config, 30, tmp_path, hear)
        with anyio.fail_after(60):
            await others_done.wait()
        await server.until(lambda it: it.in_flight == 1)
        release.set()
    assert len(results(tmp_path)) == 30


async def test_a_429_waits_and_no_seed_notices(tmp_path: Path) -> None:
    rejected: set[str] = set()

    def moves(body: Body) -> Move:
        text = f"{body['model']}{body['messages']}"
        if text not in rejected and len(rejected) < 30:
            rejected.add(text)
            return Fault(status=429, message="slow down", retry_after="0")
        return brain(body)

    async with OpenAIServer(moves) as server:
        config = config_for(server.url, per_agent=", retries: 0", replaced="concurrency: 8")
        await run(config, seeds(20), tmp_path)
    assert len(rejected) == 30
    assert {row.outcome.kind for row in results(tmp_path)} <= {"kept", "base"}
    assert all(not one.candidate.failure for row in results(tmp_path) for one in stars(row.outcome).candidates)


def test_answers_are_told_apart_from_faults() -> None:
    assert isinstance(brain({"messages": [{"role": "user", "content": "hi"}]}), Answer)
