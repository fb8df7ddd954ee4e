"""Limits of an agent against a real server: what is sent, who is told, and how it ends where there is only 429."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any, Self

import anyio
import anyio.lowlevel
import pytest
from lines import config_for, results, run, seeds, take_in_seeds
from openai_server import Answer, Body, Fault, Move, OpenAIServer, brain
from rich.console import Console

from star_agents.agents.client import AgentClient
from star_agents.agents.rate_limit import Sent
from star_agents.agents.throttle import ThrottleChange
from star_agents.config.models import AgentConfig
from star_agents.engine.batch import run_batch
from star_agents.engine.progress import BatchProgress
from star_agents.engine.wiring import open_engine
from star_agents.errors import AgentRateLimited, AgentRefused
from star_agents.events import AgentThrottled, AgentUnthrottled, DeploymentChanged, Event
from star_agents.observe.bus import Bus
from star_agents.records import Message
from star_agents.storage.rows import Counts
from star_agents.storage.store import Store

HELLO = [Message(role="user", content="Hello there.")]
NOON = 1_782_907_200.0


class Clock:
    """Monotonic seconds, turned by hand."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class Asking:
    """A client whose calls wait at its own limits; a turn of the clock is felt at the next edit."""

    def __init__(self, server: OpenAIServer, **limits: Any) -> None:
        self.server = server
        self.clock = Clock()
        self.told: list[ThrottleChange] = []
        self.client = AgentClient(
            {"gpt": self.config(**limits)}, clock=self.clock, on_throttle=lambda _, change: self.told.append(change)
        )

    def config(self, **limits: Any) -> AgentConfig:
        return AgentConfig(model="openai/m", api_base=self.server.url, retries=0, **limits)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def edit(self, **limits: Any) -> None:
        await self.client.reconfigure({"gpt": self.config(**limits)})

    async def until_queued(self, count: int) -> None:
        with anyio.fail_after(60):
            while (state := self.client.states()["gpt"]).queued != count or state.in_flight:
                await anyio.lowlevel.checkpoint()


async def test_no_more_requests_leave_in_a_minute_than_allowed_and_those_that_wait_fail_nothing() -> None:
    async with (
        OpenAIServer() as server,
        Asking(server, requests_per_minute=3, give_up_after_s=5) as asking,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(8):
            tasks.start_soon(asking.client.ask, "gpt", HELLO)
        for sent in (3, 6):
            await asking.until_queued(8 - sent)
            assert len(server.requests) == sent
            asking.clock.at += 61
            await asking.edit(requests_per_minute=3)
    assert len(server.charged) == 8
    assert [(one.cause, one.began) for one in asking.told] == [("requests_per_minute", True)]


async def test_embeddings_count_as_requests_and_their_texts_as_tokens() -> None:
    async with (
        OpenAIServer() as server,
        Asking(server, requests_per_minute=2, tokens_per_minute=1000, max_tokens=50) as asking,
        anyio.create_task_group() as tasks,
    ):
        await asking.client.embed("gpt", ["one", "two"])
        await asking.client.embed("gpt", ["three"])
        tasks.start_soon(asking.client.ask, "gpt", HELLO)
        await asking.until_queued(1)
        assert len(server.requests) == 2
        await asking.edit(requests_per_minute=3, tokens_per_minute=1000, max_tokens=50)
        await asking.until_queued(0)
        with pytest.raises(AgentRefused, match="tokens_per_minute: 1000"):
            await asking.client.embed("gpt", ["word " * 1000])


async def test_a_try_after_a_failure_is_a_request_of_its_own() -> None:
    async with (
        OpenAIServer(lambda body: Fault(status=429, retry_after="0")) as server,
        Asking(server, requests_per_minute=4) as asking,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(asking.client.ask, "gpt", HELLO)
        await asking.until_queued(1)
        assert len(server.requests) == 4
        tasks.cancel_scope.cancel()


async def test_tokens_are_reserved_at_the_longest_reply_and_settled_with_what_was_counted() -> None:
    def moves(body: Body) -> Answer:
        return Answer(text="Hi.", prompt_tokens=10, completion_tokens=10)

    async with (
        OpenAIServer(moves) as server,
        Asking(server, tokens_per_minute=600, max_tokens=500) as asking,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(4):
            await asking.client.ask("gpt", HELLO)
        assert len(server.requests) == 4, "twenty tokens each, once that is known"
        server.handler = lambda body: Answer(text="Hi.", prompt_tokens=10, completion_tokens=490)
        await asking.client.ask("gpt", HELLO)
        tasks.start_soon(asking.client.ask, "gpt", HELLO)
        await asking.until_queued(1)
        assert [one.cause for one in asking.told] == ["tokens_per_minute"]
        await asking.edit(tokens_per_minute=6000, max_tokens=500)
    assert len(server.requests) == 6


async def test_another_endpoint_of_the_same_agent_begins_no_new_minute() -> None:
    async with (
        OpenAIServer() as one,
        OpenAIServer() as other,
        Asking(one, requests_per_minute=1) as asking,
        anyio.create_task_group() as tasks,
    ):
        await asking.client.ask("gpt", HELLO)
        asking.server = other
        await asking.edit(requests_per_minute=1)
        tasks.start_soon(asking.client.ask, "gpt", HELLO)
        await asking.until_queued(1)
        assert len(other.requests) == 0
        asking.clock.at += 61
        await asking.edit(requests_per_minute=1)
    assert len(other.charged) == 1


async def test_a_new_process_counts_what_the_one_before_sent_in_the_last_minute() -> None:
    async with (
        OpenAIServer() as server,
        Asking(server, requests_per_minute=2) as asking,
        anyio.create_task_group() as tasks,
    ):
        asking.client.restore_rates({"gpt": [Sent(ago_s=10, tokens=5), Sent(ago_s=20, tokens=5)]})
        tasks.start_soon(asking.client.ask, "gpt", HELLO)
        await asking.until_queued(1)
        assert server.requests == []
        asking.clock.at += 42
        await asking.edit(requests_per_minute=2)
    assert len(server.charged) == 1


async def test_the_journal_says_what_was_sent_before_a_restart(tmp_path: Path) -> None:
    now = Clock()
    now.at = NOON
    async with OpenAIServer() as server:
        config = config_for(
            server.url, agents=("a",), per_agent=", requests_per_minute: 100, max_tokens: 50", replaced="concurrency: 1"
        )
        await run_batch(config, seeds(2), "test", tmp_path, retry_dropped=False, console=None, now=now)
        sent = len(server.requests)
        limited = config_for(
            server.url,
            agents=("a",),
            per_agent=f", requests_per_minute: {sent}, max_tokens: 50",
            replaced="memory: off",
        )
        now.at += 30
        async with (
            await Store.open(tmp_path, now=now) as store,
            open_engine(limited, store, bus=Bus(), seeds_expected=2, ends_when_empty=True, now=now) as line,
            anyio.create_task_group() as tasks,
        ):
            recorded = await store.sent_since(NOON)
            assert Counter(agent for agent, _, _ in recorded) == {"a": sent}
            assert all(0 < tokens < 5000 for _, _, tokens in recorded)
            tasks.start_soon(line.client.ask, "a", HELLO)
            with anyio.fail_after(60):
                while not line.client.states()["a"].queued:
                    await anyio.lowlevel.checkpoint()
            assert len(server.requests) == sent
            tasks.cancel_scope.cancel()


# A provider that answers nothing but 429.


@pytest.mark.parametrize("retry_after", ["86400", "999999999999", "Fri, 31 Dec 2199 23:59:59 GMT", "0.2", None])
async def test_a_batch_whose_provider_only_says_429_ends_with_the_reason_and_goes_on_later(
    tmp_path: Path, retry_after: str | None
) -> None:
    events: list[Event] = []
    limited = Fault(status=429, message="slow down", retry_after=retry_after)
    async with OpenAIServer(lambda body: limited) as server:
        config = config_for(server.url, per_agent=", give_up_after_s: 1", replaced="concurrency: 6")
        with anyio.fail_after(60):
            result = await _run(config, 12, tmp_path, events)
        sent = len(server.requests)
        assert "429" in result
        assert "slow down" in result
        assert "Run the same command again" in result
        assert results(tmp_path) == [], "an outage drops no seed"
        server.handler = brain
        assert (await run(config, seeds(12), tmp_path)).stopped_by == ""
    assert len(results(tmp_path)) == 12
    assert {row.outcome.kind for row in results(tmp_path)} <= {"kept", "base"}
    told = Counter((one.agent, one.cause) for one in events if isinstance(one, AgentThrottled))
    assert set(told.values()) == {1}
    assert {cause for _, cause in told} == {"429"}
    paused = Counter(one.agent for one in events if isinstance(one, DeploymentChanged) and one.what == "paused")
    assert all(count == 1 for count in paused.values())
    assert sent < 400


async def _run(config: Any, count: int, out: Path, events: list[Event]) -> str:
    bus = Bus()
    bus.subscribe(events.append)
    async with (
        await Store.open(out) as store,
        open_engine(config, store, bus=bus, seeds_expected=count, ends_when_empty=True) as line,
    ):
        await take_in_seeds(line, seeds(count), "test")
        await line.work()
        return line.stopped_by


@pytest.mark.parametrize(("asked", "rests_s"), [("1200", 1200), ("7200", 3600), ("1e9", 3600)])
async def test_a_daemon_whose_provider_only_says_429_rests_for_as_long_as_it_was_asked_to_and_an_hour_at_most(
    tmp_path: Path, asked: str, rests_s: float
) -> None:
    async with OpenAIServer(lambda body: Fault(status=429, retry_after=asked)) as server:
        config = config_for(server.url, agents=("a",), per_agent=", give_up_after_s: 60", replaced="concurrency: 4")
        async with (
            await Store.open(tmp_path) as store,
            open_engine(config, store, bus=Bus(), seeds_expected=None, ends_when_empty=False, now=lambda: NOON) as line,
            anyio.create_task_group() as tasks,
        ):
            await take_in_seeds(line, seeds(8), "test")
            tasks.start_soon(line.work)
            with anyio.fail_after(60):
                while line.waiting_for is None:
                    await anyio.lowlevel.checkpoint()
            assert "429" in line.waiting_for.reason
            assert line.waiting_for.until == pytest.approx(NOON + rests_s, abs=30)
            assert line.client.states()["a"].throttled[0].cause == "429"
            tasks.cancel_scope.cancel()
    assert results(tmp_path) == []


@pytest.mark.parametrize("retry_after", ["86400", "600"])
async def test_pairs_of_an_agent_that_only_says_429_are_passed_over_and_the_others_go_on(
    tmp_path: Path, retry_after: str
) -> None:
    """Ten minutes are less than `give_up_after_s`, and more than a drawn pair waits for an agent that is down."""

    def moves(body: Body) -> Move:
        return Fault(status=429, retry_after=retry_after) if body["model"] == "b" else brain(body)

    async with OpenAIServer(moves) as server:
        config = config_for(server.url, replaced="{concurrency: 4, memory: false, evolution: {policy: uniform}}")
        result = await run(config, seeds(40), tmp_path)
    assert result.stopped_by == ""
    assert len(results(tmp_path)) == 40
    assert {row.outcome.kind for row in results(tmp_path)} <= {"kept", "base"}
    assert sum(request.body["model"] == "b" for request in server.requests) <= 16


async def test_one_prompt_that_is_always_answered_429_fails_alone(tmp_path: Path) -> None:
    def moves(body: Body) -> Move:
        return Fault(status=429, retry_after="0.1") if "What is 3 plus" in str(body["messages"]) else brain(body)

    async with OpenAIServer(moves) as server:
        config = config_for(server.url, per_agent=", give_up_after_s: 2", replaced="concurrency: 8")
        result = await run(config, seeds(80), tmp_path)
    assert result.stopped_by == ""
    assert len(results(tmp_path)) == 80


async def test_a_request_too_large_for_the_providers_minute_is_refused_and_not_tried_for_minutes() -> None:
    said = "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 40123."
    async with (
        OpenAIServer(lambda body: Fault(status=429, message=said, code="rate_limit_exceeded")) as server,
        Asking(server) as asking,
    ):
        with pytest.raises(AgentRefused, match="lower `max_tokens`"):
            await asking.client.ask("gpt", HELLO)
        assert len(server.requests) == 1


async def test_a_huge_retry_after_is_a_day_at_most() -> None:
    async with OpenAIServer(lambda body: Fault(status=429, retry_after="1e300")) as server, Asking(server) as asking:
        with pytest.raises(AgentRateLimited, match="asks to wait 86400 s, longer than `give_up_after_s`") as failure:
            await asking.client.ask("gpt", HELLO)
        assert failure.value.retry_after == 86_400


def test_the_progress_line_says_who_is_throttled_by_whom_and_since_when() -> None:
    console = Console(file=io.StringIO(), width=200)
    before = Counts(**dict.fromkeys(Counts.__slots__, 0))
    progress = BatchProgress(10, done=0, before=before, console=console, now=lambda: NOON)
    progress.hear(AgentThrottled(agent="gpt", cause="429", message="agent gpt is throttled by its provider (429)"))
    facts = progress._facts()
    assert "gpt throttled (429) since " in facts
    progress.hear(AgentUnthrottled(agent="gpt", cause="429", seconds=5.0, message="agent gpt is no longer throttled"))
    assert "throttled" not in progress._facts()
    written = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "agent gpt is throttled by its provider (429)" in written
    assert "no longer throttled" in written
