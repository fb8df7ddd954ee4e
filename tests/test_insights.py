"""Pace and agents as heard, the status that is joined of it, and what `status` makes of a store."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from anyio.to_thread import run_sync
from hypothesis import given, settings
from hypothesis import strategies as st
from lines import config_for, seeds, take_in_seeds
from openai_server import OpenAIServer
from star_outcomes import read_star_outcome as stars
from storage_commands import star
from storage_samples import commit, make_dropped, make_outcome, make_seed, tallies_of

from star_agents.config.reading import parse_config
from star_agents.engine.accounts import Accounts
from star_agents.engine.insights import CALLS_KEPT, NEVER_CALLED, WINDOW_S, Insights, Pace, Spending
from star_agents.engine.live_status import status_of
from star_agents.engine.status import describe, eta_s, projected_usd, seeds_to_come, settings_of
from star_agents.engine.wiring import open_engine
from star_agents.events import CallEnded, OutcomeCommitted, SeedsAdded
from star_agents.observe.bus import Bus
from star_agents.observe.status import Target, plain
from star_agents.records import PAIRS, Outcome
from star_agents.scheduling.policies import make_policy
from star_agents.storage.reader import StoreReader
from star_agents.storage.readers import Readers
from star_agents.storage.rows import Counts, Spend
from star_agents.storage.store import Store

T = TypeVar("T")


class Clock:
    """Seconds since 1970, turned by hand."""

    def __init__(self) -> None:
        self.at = 1_000_000.0

    def __call__(self) -> float:
        return self.at


def ended(agent: str = "a", **given: Any) -> CallEnded:
    plain = {"model": "m", "seconds": 1.0, "outcome": "ok", "retries": 0, "prompt_tokens": 1, "completion_tokens": 0}
    return CallEnded(agent=agent, **{**plain, "cost_usd": None, **given})


def committed(seq: int, seconds: float = 0.0, outcome: Outcome | None = None) -> OutcomeCommitted:
    outcome = outcome or make_dropped(make_seed(seq))
    return OutcomeCommitted(seq=seq, outcome=outcome, probabilities={}, seconds=seconds)


# Pace


@settings(max_examples=50, deadline=None)
@given(st.floats(0.5, 600.0), st.integers(20, 400))
def test_an_even_pace_is_told_as_it_is(per_minute: float, count: int) -> None:
    pace, every = Pace(), 60 / per_minute
    for number in range(1, count + 1):
        pace.add(number * every, began=(number - 1) * every)
    now = count * every
    assert pace.per_minute(now) == pytest.approx(per_minute, rel=max(0.25, every / 60))
    assert len(pace._buckets) <= WINDOW_S / 5 + 2, "bounded, however many end"


def test_idle_time_before_the_work_does_not_count_and_after_it_the_pace_falls_to_nothing() -> None:
    pace = Pace()
    pace.add(10.0, began=0.0)
    for number in range(60):
        pace.add(5000.0 + number, began=4999.0 + number)
    assert pace.per_minute(5059.0) == pytest.approx(60, rel=0.05)
    assert 0 < pace.per_minute(5059.0 + 120) < 21
    assert pace.per_minute(5059.0 + WINDOW_S + 10) == 0.0
    assert pace.total == 61


def test_insights_tell_the_pace_of_now_and_of_the_whole_life_of_the_process() -> None:
    clock = Clock()
    insights = Insights(41, now=clock)
    nothing = insights.snapshot()
    assert (nothing.seeds_per_minute, nothing.seeds_per_minute_overall, nothing.usd_per_hour) == (0.0, 0.0, 0.0)
    clock.at += 540
    for seq in range(42, 102):
        clock.at += 1
        insights.hear(committed(seq, seconds=1.0))
    told = insights.snapshot()
    assert (insights.latest_seq, told.latest_seq) == (101, 101)
    assert (told.started_at, told.now) == (1_000_000.0, 1_000_600.0)
    assert told.seeds_per_minute == pytest.approx(60, rel=0.05)
    assert told.seeds_per_minute_overall == pytest.approx(6)


def test_dollars_an_hour_are_those_of_the_last_minutes_and_unknown_where_nothing_is_known() -> None:
    spending = Spending()
    spending.add(1000.0, None, seconds=2.0)
    assert spending.per_hour(1000.0) is None
    for second in range(1001, 1061):
        spending.add(float(second), 0.01, seconds=1.0)
    assert spending.per_hour(1060.0) == pytest.approx(36, rel=0.05), "a cent a second"
    assert spending.per_hour(1060.0 + 120) == pytest.approx(12, rel=0.05)
    assert spending.per_hour(1060.0 + WINDOW_S + 10) == 0.0


# Agents


def test_the_newest_answers_of_an_agent_say_how_fast_it_is() -> None:
    insights = Insights(now=Clock())
    for _ in range(1000):
        insights.hear(ended(seconds=99.0, completion_tokens=1))
    for number in range(CALLS_KEPT):
        insights.hear(ended(seconds=number / 100, completion_tokens=100, retries=1))
    told = insights.snapshot().agents["a"]
    assert told.latency_s is not None
    assert (told.latency_s.p50, told.latency_s.p95) == pytest.approx((2.55, 4.85), abs=0.02)
    assert told.tokens_per_second == pytest.approx(100 / 2.555, rel=0.01)
    assert told.retries == CALLS_KEPT


def test_failures_are_told_by_kind_and_what_no_provider_failed_at_is_no_failure() -> None:
    insights = Insights(now=Clock())
    for outcome in ("rate_limited", "rate_limited", "unavailable", "refused", "budget", "cancelled"):
        insights.hear(ended("b", outcome=outcome, retries=2))
    assert plain(insights.snapshot().agents) == {
        "b": {
            "failed": 4,
            "errors": {"rate_limited": 2, "unavailable": 1, "refused": 1, "budget": 1, "cancelled": 1},
            "retries": 12,
            "latency_s": None,
            "tokens_per_second": None,
        }
    }
    assert plain(NEVER_CALLED) == {
        "failed": 0,
        "errors": {},
        "retries": 0,
        "latency_s": None,
        "tokens_per_second": None,
    }


# What it comes to


def counts(**given: Any) -> Counts:
    nothing = dict.fromkeys(Counts.__slots__, 0)
    return Counts(**{**nothing, "cost_usd": 0.0, **given})


@pytest.mark.parametrize(
    ("given", "projected"),
    [
        ({"waiting": 9, "cost_usd": 0.5}, None),
        ({"kept": 1, "base": 1, "dropped": 2, "waiting": 5, "working": 1, "cost_usd": 2.0}, 5.0),
        ({"kept": 4, "quarantined": 9, "cost_usd": 2.0}, 2.0),
        ({"kept": 4, "waiting": 4, "cost_usd": None, "calls_of_unknown_price": 9}, None),
        ({"kept": 4, "waiting": 4}, 0.0),
        ({"kept": 4, "waiting": 4, "cost_usd": 2.0, "calls_of_unknown_price": 1}, 4.0),
    ],
)
def test_what_it_will_have_cost_follows_from_the_seeds_that_are_done(
    given: dict[str, Any], projected: float | None
) -> None:
    assert projected_usd(counts(**given), seeds_to_come(counts(**given), None)) == projected


def test_with_a_target_no_more_seeds_are_expected_than_its_rows_need() -> None:
    there = counts(kept=40, dropped=10, waiting=900, working=5, cost_usd=5.0)

    def to_come(wanted: int, rows: int, spare: int = 0) -> int:
        return seeds_to_come(there, Target(shape="sft", wanted=wanted, rows=rows, spare=spare, sentence=""))

    assert to_come(60, 40) == 25  # 50 seeds gave 40 rows
    assert to_come(60, 25, spare=15) == 44
    assert to_come(10_000, 40) == 905
    assert to_come(40, 40) == to_come(10, 40) == 0
    assert to_come(60, 0) == 905
    assert projected_usd(there, to_come(60, 40)) == 7.5


def test_the_time_left_is_known_while_something_moves() -> None:
    assert eta_s(10, 5.0) == 120.0
    assert eta_s(8, 0.0) is None
    assert eta_s(0, 0.0) == 0.0


def test_an_agent_wins_with_every_pair_that_it_is_in_and_counts_once_where_it_is_both() -> None:
    drawn = {"keep/a": 4, "a/a": 2, "b/a": 2, "a/c": 2}
    tallies = tallies_of(drawn, won={"a/a": 1, "b/a": 1})
    told = describe(counts(), {"judge": Spend(1.0, 2, 0)}, [], [], {}, tallies).agents
    assert {name: (one.candidates, one.wins, one.win_rate) for name, one in told.items()} == {
        "a": (10, 2, 0.2),
        "b": (2, 1, 0.5),
        "c": (2, 0, 0.0),
        "judge": (0, 0, None),
    }


def test_the_config_in_force_is_told_by_its_names() -> None:
    config = parse_config(
        "agents: {a: {model: offline/tutor}, b: {model: offline/expert}}\nselection: gap\ncandidates: 2"
    )
    told = settings_of(config, 7)
    assert (told.revision, told.agents, told.base_pairs) == (7, ["a", "b"], ["keep/seed"])
    assert told.pairs == [pair.name for pair in config.pool]
    assert (told.candidates, told.selection) == (2, "gap")
    assert (told.small, told.large) == ("offline/small", "offline/large")
    judged = config.star.model_copy(update={"selection": "referee"})
    assert settings_of(config.model_copy(update={"star": judged}), 7).small is None


# A line at work

KEYS = {
    *("started_at", "now", "latest_seq", "revision", "waiting_for", "seeds", "calls", "cost", "budgets", "agents"),
    *(
        "pairs",
        "pair_costs",
        "win_rates",
        "best_pair",
        "best_agent",
        "gaps",
        "recipes",
        "pools",
        "turns",
        "referee",
        "exams",
        "scales",
        "failures",
        "refused",
        "held_because",
        "stranded",
        "parts",
        "batches",
        "target",
        "memory",
        "rate",
        "scorer",
        "store",
        "servers",
        "egress",
        "config",
    ),
}


async def test_the_status_of_a_line_is_what_its_store_says(tmp_path: Path) -> None:
    bus, batch = Bus(), seeds(12)
    async with (
        OpenAIServer() as server,
        await Store.open(tmp_path) as store,
        open_engine(config_for(server.url), store, bus=bus, seeds_expected=12, ends_when_empty=True) as line,
        Readers(tmp_path) as readers,
    ):
        accounts, insights = await Accounts.of(store), await Insights.of(readers)
        bus.subscribe(accounts.hear)
        bus.subscribe(insights.hear)
        empty = await status_of(line, accounts, insights, readers)
        await take_in_seeds(line, batch, "test")
        waiting = await status_of(line, accounts, insights, readers)
        await line.work()
        told = await status_of(line, accounts, insights, readers)
        stored = await store.counts()
        tallies = await readers.ask(lambda reader: reader.tallies())
    assert json.loads(json.dumps(told.to_dict())).keys() == empty.to_dict().keys() == KEYS
    assert (empty.latest_seq, waiting.seeds.waiting, told.latest_seq) == (0, 12, 12)
    assert empty.cost.projected_usd is empty.agents["a"].win_rate is empty.memory.hit_rate is None
    assert (waiting.rate.eta_s, told.rate.eta_s) == (None, 0.0)
    assert told.rate.seeds_per_minute > 0
    assert told.seeds.kept + told.seeds.base == stored.selected == 12
    assert sum(one.calls for one in told.agents.values()) == stored.calls_answered
    assert all(one.latency_s and one.latency_s.p50 <= one.latency_s.p95 for one in told.agents.values())
    assert sum(one.candidates for one in told.agents.values()) == sum(tallies.drawn.values()) == 24
    assert sum(one.wins for one in told.agents.values()) == stored.kept
    assert told.referee.verdicts == told.referee.both_orders > 0
    assert (told.memory.draws, told.memory.size) == (12, stored.kept)
    assert told.store.commits > 0
    assert told.config.pairs == ["keep/a", "keep/b", "keep/c"]


class Overtaken(Readers):
    """The store goes on right after it was read for the first time."""

    def __init__(self, folder: Path, then: Callable[[], Awaitable[None]]) -> None:
        super().__init__(folder)
        self._then: list[Callable[[], Awaitable[None]]] = [then]

    async def ask(self, question: Callable[[StoreReader], T]) -> T:
        answer = await super().ask(question)
        while self._then:
            await self._then.pop()()
        return answer


async def test_a_seed_that_ends_while_the_store_is_read_is_not_both_done_and_in_hand(tmp_path: Path) -> None:
    bus, batch = Bus(), seeds(3)
    async with (
        await Store.open(tmp_path) as store,
        open_engine(
            config_for("http://127.0.0.1:9/v1"), store, bus=bus, seeds_expected=3, ends_when_empty=True
        ) as line,
    ):
        accounts, insights = await Accounts.of(store), Insights()
        bus.subscribe(accounts.hear)
        bus.subscribe(insights.hear)
        await take_in_seeds(line, batch, "test")
        (in_hand,) = await store.lease(1)

        async def end() -> None:
            outcome = make_outcome(in_hand)
            seq, *_ = await store.commit_outcome(outcome, foresee=lambda _: {}, memory=None, revision=1)
            bus.publish(OutcomeCommitted(seq=seq, outcome=outcome, probabilities={}, seconds=1.0))

        async with Overtaken(tmp_path, end) as readers:
            told = await status_of(line, accounts, insights, readers)
    assert told.latest_seq == 1
    assert (told.seeds.kept, told.seeds.working, told.seeds.waiting) == (1, 0, 2)


async def test_a_daemon_of_another_version_is_told_as_one_and_json_shows_what_it_says() -> None:
    async def get_status(_: web.Request) -> web.Response:
        return web.json_response({"state": "ready", "seeds": {"waiting": 3}})

    app = web.Application()
    app.router.add_get("/v1/status", get_status)
    async with TestServer(app) as daemon:
        url = str(daemon.make_url("/"))
        told = await run_sync(star, "status", "--url", url)
        plainly = await run_sync(star, "status", "--url", url, "--json")
    assert (told.code, plainly.code) == (2, 0)
    assert "tells its status as another version does" in told.err
    assert "seeds.working" in told.err.replace("\n", "")
    assert json.loads(plainly.out) == {"state": "ready", "seeds": {"waiting": 3}}


async def test_status_on_the_command_line_shows_a_daemon_and_the_folder_it_leaves(tmp_path: Path) -> None:
    bus, config = Bus(), {"replaced": "concurrency: 1"}
    told: dict[str, Any] = {}

    async def get_status(_: web.Request) -> web.Response:
        return web.json_response({"version": "1", "pid": 1, "state": "ready", "config_problems": [], **told})

    app = web.Application()
    app.router.add_get("/v1/status", get_status)
    async with (
        OpenAIServer() as server,
        await Store.open(tmp_path) as store,
        open_engine(config_for(server.url, **config), store, bus=bus, seeds_expected=12, ends_when_empty=True) as line,
        Readers(tmp_path) as readers,
        TestServer(app) as daemon,
    ):
        accounts, insights = await Accounts.of(store), await Insights.of(readers)
        bus.subscribe(accounts.hear)
        bus.subscribe(insights.hear)
        await take_in_seeds(line, seeds(12), "test")
        await line.work()
        told |= (await status_of(line, accounts, insights, readers)).to_dict()
        live = await run_sync(star, "status", "--url", str(daemon.make_url("/")))
    left = await run_sync(star, "status", tmp_path)
    assert (live.code, left.code) == (0, 0)
    for shown in (live.out, left.out):
        assert "referee: of" in shown
        assert "both orders agree in" in shown
        assert "memory bank: " in shown
        assert " won ┃" in shown
    assert f"pace: {told['rate']['seeds_per_minute']:.1f} seeds a minute" in live.out
    assert "closed, limit" in live.out
    assert "pace:" not in left.out
    assert "at work" not in left.out


async def test_the_curve_of_a_line_is_bit_for_bit_what_a_replay_of_its_outcomes_gives(tmp_path: Path) -> None:
    async with OpenAIServer() as server:
        config = config_for(server.url)
        async with (
            await Store.open(tmp_path) as store,
            open_engine(config, store, bus=Bus(), seeds_expected=20, ends_when_empty=True) as line,
        ):
            await take_in_seeds(line, seeds(20), "test")
            await line.work()
            rows = await store.outcomes()
    policy = make_policy(config.evolution, [pair.name for pair in config.pool], seeds=20)
    expected = {0: policy.probabilities()}
    for row in rows:
        policy.observe(stars(row.outcome).rewards)
        expected[row.seq] = policy.probabilities()
    with StoreReader(tmp_path) as reader:
        points = reader.curve(PAIRS)
    assert {point.seq: point.probabilities for point in points} == expected
    assert expected[20] != expected[0]


async def test_insights_begin_where_a_store_stands(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store, Readers(tmp_path) as readers:
        await store.add_seeds([make_seed(1)])
        (seed,) = await store.lease(1)
        await commit(store, make_outcome(seed))
        insights = await Insights.of(readers)
        insights.hear(SeedsAdded(source="", new=1, duplicates=0))
    assert insights.snapshot().latest_seq == 1
