"""What `GET /metrics` says, read back by Prometheus' own parsers."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any, get_args

import anyio
import anyio.lowlevel
import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from statuses import AGENT, PLAIN, STATE, status_with
from storage_samples import make_dropped, make_outcome, make_seed

from star_agents.agents.reports import CallOutcome
from star_agents.errors import Problem
from star_agents.events import (
    CallAnswered,
    CallEnded,
    ConfigApplied,
    ConfigRejected,
    DeploymentChanged,
    OutcomeCommitted,
    PairsDrawn,
    SeedReturned,
    SeedsAdded,
    SeedsRejected,
)
from star_agents.observe.status import Status
from star_agents.process.event_loop_lag import watch_lag
from star_agents.web.metrics import Metrics

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
"""As Prometheus asks."""
CONVENTION = re.compile(r"star_agents_[a-z0-9_]+")

STATUS = status_with(
    servers=[
        {
            "agents": ["a"],
            "state": "ready",
            "address": "127.0.0.1:8001",
            "pid": 7,
            "ready_after_s": 1.5,
            "restarts": 2,
            "gpu_memory": 1024,
            "log": "servers/a.log",
            "trouble": "",
            "sentence": "server of a: ready",
        }
    ],
    budgets=[
        {
            "key": "budget_usd",
            "unit": "usd",
            "limit": 20.0,
            "spent": 1.25,
            "reserved": 0.5,
            "resets_at": None,
            "reached": "",
        },
        {
            "key": "agents.a.budget_calls",
            "unit": "calls",
            "limit": 100,
            "spent": 60,
            "reserved": 2,
            "resets_at": None,
            "reached": "",
        },
    ],
    agents={
        "a": {
            **AGENT,
            **STATE,
            "in_flight": 2,
            "queued": 3,
            "deployments": [
                {
                    "name": "a/0",
                    "breaker": "closed",
                    "limit": 4,
                    "in_flight": 2,
                    "opens_in_s": None,
                    "is_held": False,
                    "last_error": None,
                },
                {
                    "name": "a/1",
                    "breaker": "open",
                    "limit": 1,
                    "in_flight": 0,
                    "opens_in_s": 3.0,
                    "is_held": False,
                    "last_error": "500",
                },
            ],
        },
        "gone": AGENT,
    },
    pair_costs={
        name: {"candidates": n, "wins": wins, "usd": usd, "candidates_of_unknown_cost": 0, "usd_per_win": usd / wins}
        for name, n, wins, usd in (("keep/a", 9, 5, 0.5), ("keep/seed", 14, 3, 0.0), ("keep/gone", 2, 1, 0.25))
    },
    scorer={
        "workers": 1,
        "waiting": 3,
        "oldest_seconds": 0.25,
        "answered": 40,
        "tokens": 4000,
        "busy_seconds": 8.0,
        "pack_fill": 0.9,
        "moved": 4,
        "places": [],
        "memory": 1 << 30,
        "gpu_memory": 0,
        "deaths": 2,
        "troubles": ["cuda:1: out of memory"],
        "answered_per_second": 5.0,
        "tokens_per_second": 500.0,
    },
)


async def scrape(metrics: Metrics, status: Status = STATUS, accept: str = "") -> dict[str, Metric]:
    """Every metric by name; the parsers refuse what is no valid answer."""
    body, content_type = await metrics.render(status, accept)
    read = read_openmetrics if content_type.startswith("application/openmetrics-text") else read_text
    return {metric.name: metric for metric in read(body.decode())}


def values(metric: Metric) -> dict[tuple[str, ...], float]:
    """Label values to value, of the samples that carry the metric itself."""
    wanted = {metric.name, f"{metric.name}_total"}
    return {tuple(one.labels.values()): one.value for one in metric.samples if one.name in wanted}


def samples(told: dict[str, Metric]) -> dict[tuple[str, str], float]:
    """Our own samples, by name and labels."""
    every = (one for metric in told.values() for one in metric.samples if one.name.startswith("star_agents_"))
    return {(one.name, str(sorted(one.labels.items()))): one.value for one in every}


def only(metric: Metric) -> float:
    (value,) = values(metric).values()
    return value


def ended(agent: str = "a", outcome: str = "ok", seconds: float = 1.5, retries: int = 0) -> CallEnded:
    return CallEnded(
        agent=agent,
        model="openai/a",
        seconds=seconds,
        outcome=outcome,
        retries=retries,
        prompt_tokens=10,
        completion_tokens=20,
        cost_usd=0.001,
    )


def answered(agent: str, *, from_journal: bool) -> CallAnswered:
    return CallAnswered(
        seed_id="s",
        step="respond",
        agent=agent,
        model="openai/a",
        seconds=0.0,
        prompt_tokens=10,
        completion_tokens=20,
        cost_usd=0.001,
        from_journal=from_journal,
    )


def every_event() -> Iterator[Any]:
    yield SeedsAdded(source="s.jsonl", new=8, duplicates=2)
    yield SeedsRejected(source="bad.jsonl", problems=(Problem(where="1", field="x", message="is missing"),))
    yield PairsDrawn(seed_id="s", pairs=("keep/a", "keep/gone"), from_memory=1)
    yield ended()
    yield ended(outcome="rate_limited", retries=3)
    yield answered("a", from_journal=True)
    yield answered("a", from_journal=False)
    yield DeploymentChanged(agent="a", deployment="a/1", what="half-opened")
    yield SeedReturned(seed_id="s", reason="a is down")
    yield OutcomeCommitted(seq=1, outcome=make_outcome(make_seed(1)), probabilities={}, seconds=3.0)
    yield OutcomeCommitted(seq=2, outcome=make_dropped(make_seed(2)), probabilities={}, seconds=0.2)
    yield ConfigApplied(revision=7, changes=())
    yield ConfigRejected(problems=())


@pytest.fixture
def metrics() -> Metrics:
    metrics = Metrics("1.2.3", now=lambda: 2_000.0)
    for event in every_event():
        metrics.hear(event)
    metrics.hear_lag(0.03)
    return metrics


async def test_what_happened_is_counted(metrics: Metrics) -> None:
    told = await scrape(metrics)
    calls = values(told["star_agents_calls"])
    assert {labels: value for labels, value in calls.items() if value} == {("a", "ok"): 1, ("a", "rate_limited"): 1}
    assert values(told["star_agents_call_retries"]) == {("a",): 3}
    assert values(told["star_agents_calls_reused"]) == {("a",): 1}
    assert values(told["star_agents_prompt_tokens"]) == {("a",): 10}
    assert values(told["star_agents_completion_tokens"]) == {("a",): 20}
    assert values(told["star_agents_deployment_changes"]) == {("a", "half_opened"): 1}
    assert values(told["star_agents_pair_draws"]) == {("keep/a",): 1}
    for name, value in (("seeds_added", 8), ("seeds_known", 2), ("intakes_rejected", 1), ("seeds_returned", 1)):
        assert only(told[f"star_agents_{name}"]) == value
    assert only(told["star_agents_config_last_reload_success_timestamp_seconds"]) == 2_000.0


async def test_a_series_begins_at_nothing_so_that_the_first_failure_shows_as_a_rise(metrics: Metrics) -> None:
    calls = values((await scrape(metrics))["star_agents_calls"])
    assert calls.keys() == {("a", outcome) for outcome in get_args(CallOutcome)}


async def test_durations_fall_into_their_buckets_and_a_failed_call_has_none(metrics: Metrics) -> None:
    told = await scrape(metrics)

    def bucket(name: str, le: str, **labels: str) -> float:
        return next(
            one.value
            for one in told[name].samples
            if one.name == f"{name}_bucket" and one.labels == {**labels, "le": le}
        )

    assert bucket("star_agents_call_duration_seconds", "1.0", agent="a") == 0
    assert bucket("star_agents_call_duration_seconds", "2.5", agent="a") == 1
    assert bucket("star_agents_call_duration_seconds", "+Inf", agent="a") == 1
    assert bucket("star_agents_seed_duration_seconds", "2.5", outcome="kept") == 0
    assert bucket("star_agents_seed_duration_seconds", "5.0", outcome="kept") == 1
    assert bucket("star_agents_seed_duration_seconds", "0.5", outcome="dropped") == 1
    assert bucket("star_agents_event_loop_lag_seconds", "0.025") == 0
    assert bucket("star_agents_event_loop_lag_seconds", "0.05") == 1


async def test_a_snapshot_is_told_in_base_units_under_the_labels_of_agents_yaml(metrics: Metrics) -> None:
    told = {name.removeprefix("star_agents_"): metric for name, metric in (await scrape(metrics)).items()}
    assert values(told["seeds"]) == {("waiting",): 5, ("stranded",): 6, ("working",): 2, ("quarantined",): 4}
    assert values(told["outcomes"]) == {("kept",): 10, ("base",): 3, ("dropped",): 1}
    assert values(told["state"]) == {("starting",): 0, ("ready",): 1, ("paused",): 0, ("draining",): 0}
    assert values(told["agent_deployments"]) == {("a", "closed"): 1, ("a", "open"): 1, ("a", "half_open"): 0}
    of_a_server = [values(told[f"server_{name}"]) for name in ("up", "restarts", "gpu_memory_bytes")]
    assert of_a_server == [{("a",): 1}, {("a",): 2}, {("a",): 1024}]
    assert values(told["pair_probability"]) == {("keep/a",): 0.75, ("a/a",): 0.25}
    assert values(told["pair_wins"]) == {("keep/a",): 5, ("keep/seed",): 3}
    assert values(told["referee_verdicts"]) == {("win",): 5, ("tie",): 2, ("loss",): 2}
    assert values(told["budget_limit_usd"]) == {("budget_usd",): 20}
    assert values(told["budget_spent_calls"]) == {("agents.a.budget_calls",): 60}
    assert values(told["budget_reached"]) == {("budget_usd",): 0, ("agents.a.budget_calls",): 0}
    single = {
        "agent_up": 1,
        "agent_call_limit": 5,
        "agent_queued_calls": 3,
        "agent_wins": 6,
        "calls_maybe_paid_twice": 1,
        "config_last_reload_success": 1,
        "config_revision": 7,
        "line_resting": 0,
        "memory_forgotten": 5,
        "memory_hits": 4,
        "memory_left_out": 1,
        "memory_renewed": 2,
        "memory_recall": 0.98,
        "memory_waiting": 2,
        "scorer_busy_seconds": 8,
        "scorer_deaths": 2,
        "scorer_troubles": 1,
        "start_time_seconds": 1_000.5,
        "store_wal_bytes": 1024,
    }
    assert {name: only(told[name]) for name in single} == single
    commits = {one.name: one.value for one in told["store_commit_duration_seconds"].samples}
    assert commits == {
        "star_agents_store_commit_duration_seconds_count": 100,
        "star_agents_store_commit_duration_seconds_sum": 0.75,
    }


async def test_the_money_of_an_agent_that_is_gone_stays_in_the_sum_alone(metrics: Metrics) -> None:
    told = await scrape(metrics)
    assert only(told["star_agents_cost_usd"]) == 1.25
    assert values(told["star_agents_agent_cost_usd"]) == {("a",): 1.0}


async def test_gaps_are_a_cumulative_histogram_whose_ends_hold_everything_beyond_them(metrics: Metrics) -> None:
    gaps = (await scrape(metrics))["star_agents_ifd_gap"]
    chosen = [(one.labels["le"], one.value) for one in gaps.samples if one.labels["outcome"] == "chosen"]
    assert chosen == [("-0.5", 0), ("0.0", 1), ("0.5", 5), ("+Inf", 7)]


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
async def test_both_formats_are_valid_and_say_the_same(metrics: Metrics, accept: str) -> None:
    plain, asked = samples(await scrape(metrics)), samples(await scrape(metrics, accept=accept))
    assert len({name for name, _ in asked}) > 60
    assert asked == plain
    _, content_type = await metrics.render(STATUS, accept)
    assert content_type.partition(";")[0] == ("application/openmetrics-text" if accept else "text/plain")


async def test_names_and_labels_follow_the_conventions(metrics: Metrics) -> None:
    labels: dict[str, set[str]] = {}
    for name, metric in (await scrape(metrics)).items():
        if not name.startswith(("process_", "python_")):
            assert CONVENTION.fullmatch(name), name
            assert metric.documentation.endswith("."), name
            assert not name.endswith(("_ms", "_milliseconds", "_percent", "_mb", "_kb", "_count", "_sum"))
            for sample in metric.samples:
                labels.setdefault(name, set()).update(sample.labels)
    del labels["star_agents_build_info"]
    assert set().union(*labels.values()) <= {"agent", "pair", "state", "outcome", "budget", "le"}


async def test_a_daemon_without_a_scorer_tells_of_none_and_of_everything_else(metrics: Metrics) -> None:
    told = await scrape(metrics, status_with(scorer=None))
    assert values(told["star_agents_calls"])
    assert told["star_agents_scorer_workers"].samples == []
    assert "star_agents_scorer_troubles" not in told
    assert values(told["star_agents_seeds"])


async def test_an_agent_or_pair_that_agents_yaml_no_longer_has_drops_out_and_may_come_back(metrics: Metrics) -> None:
    metrics.hear(ended("b"))
    metrics.hear(DeploymentChanged(agent="b", deployment="b/0", what="opened"))
    without = await scrape(metrics)
    assert values(without["star_agents_pair_draws"]) == {("keep/a",): 1}
    assert not [one for metric in without.values() for one in metric.samples if one.labels.get("agent") == "b"]
    metrics.hear(ended("b"))
    with_b = status_with(config={**PLAIN["config"], "agents": ["a", "b"]})
    assert values((await scrape(metrics, with_b))["star_agents_calls"])["b", "ok"] == 1


async def test_edits_of_agents_leave_no_trace_behind(metrics: Metrics) -> None:
    before = (await metrics.render(STATUS))[0].count(b"\n")
    for number in range(200):
        metrics.hear(ended(f"agent{number}"))
        metrics.hear(PairsDrawn(seed_id="s", pairs=(f"keep/agent{number}",), from_memory=0))
    assert (await metrics.render(STATUS))[0].count(b"\n") == before


async def test_two_daemons_in_one_process_count_each_for_itself(metrics: Metrics) -> None:
    assert values((await scrape(Metrics("1")))["star_agents_calls"]) == {}
    assert values((await scrape(metrics))["star_agents_calls"])


async def test_the_worst_name_that_agents_yaml_allows_is_quoted(metrics: Metrics) -> None:
    pairs = {'ke"ep/a\\b': 1.0}
    status = status_with(pairs=pairs, config={**PLAIN["config"], "pairs": list(pairs)})
    assert values((await scrape(metrics, status))["star_agents_pair_probability"]) == {('ke"ep/a\\b',): 1.0}


# Lag


async def test_the_lag_is_what_a_sleep_oversleeps_and_never_below_nothing() -> None:
    now, heard = [0.0], list[float]()

    async def sleep(seconds: float) -> None:
        await anyio.lowlevel.checkpoint()
        now[0] += seconds + late.pop(0)
        if not late:
            scope.cancel()

    late = [0.0, 0.125, -0.0625, 2.0, 0.0]
    with anyio.CancelScope() as scope:
        await watch_lag(heard.append, every_s=0.25, clock=lambda: now[0], sleep=sleep)
    assert heard[:4] == [0.0, 0.125, 0.0, 2.0]


async def test_a_step_that_holds_the_loop_is_seen() -> None:
    heard = list[float]()
    seen = anyio.Event()

    def tell(seconds: float) -> None:
        heard.append(seconds)
        if seconds >= 0.05:
            seen.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: watch_lag(tell, every_s=0.01))
        with anyio.fail_after(60):
            while not seen.is_set():
                until = time.perf_counter() + 0.1
                while time.perf_counter() < until:
                    pass
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert max(heard) >= 0.05


# Recipes

BEGAN = {"probability_at_start": 0.125, "came_later": False, "mark": ""}
ARM = {"probability": 0.25, "draws": 4, "rewards": 2, "mean_reward": 0.5, **BEGAN}
MEASURE = {
    "name": "words",
    "low": -1.0,
    "high": 1.0,
    "better": "high",
    "what": "",
    "values": 4,
    "mean": 0.1,
    "sum": 0.4,
    "histogram": [1, 0, 2, 1],
}
RECIPE = {
    "takes": ["document"],
    "in_chain": True,
    "outcomes": {"kept": 3, "base": 0, "dropped": 1},
    "rows": {"sft": 7, "preference": 2},
    "children": 5,
    "trials": 4,
    "failed_trials": {},
    "measures": {"words": MEASURE},
}


def with_recipes(arms: dict[str, Any]) -> Status:
    gone = {**RECIPE, "in_chain": False}
    return status_with(recipes={"mine": RECIPE, "gone": gone}, pools={"mine.style": {"arms": arms}})


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
async def test_recipes_are_told_by_what_they_declare_and_those_that_are_gone_are_not(accept: str) -> None:
    told = await scrape(Metrics("1.2.3"), with_recipes({"plain": ARM, "gone": {**ARM, "probability": None}}), accept)
    told = {name.removeprefix("star_agents_"): metric for name, metric in told.items()}
    assert values(told["recipe_outcomes"]) == {("kept", "mine"): 3, ("base", "mine"): 0, ("dropped", "mine"): 1}
    assert values(told["recipe_rows"]) == {("mine", "sft"): 7, ("mine", "preference"): 2}
    assert values(told["recipe_children"]) == {("mine",): 5}
    buckets = {sample.labels["le"]: sample.value for sample in told["recipe_measure"].samples}
    assert buckets == {"-0.5": 1, "0.0": 1, "0.5": 3, "+Inf": 4}
    assert {sample.labels["measure"] for sample in told["recipe_measure"].samples} == {"words"}
    pools = {name: values(told[f"pool_{name}"]) for name in ("probability", "draws", "rewards", "mean_reward")}
    label = ("plain", "mine.style")
    assert pools == {
        "probability": {label: 0.25},
        "draws": {label: 4},
        "rewards": {label: 2},
        "mean_reward": {label: 0.5},
    }


async def test_a_pool_of_many_arms_has_series_for_some_and_says_how_many_have_none() -> None:
    arms = {f"arm {number} \ud800\n{'x' * 5000}": ARM for number in range(150)}
    told = await scrape(Metrics("1.2.3"), with_recipes(arms))
    names = [sample.labels["arm"] for sample in told["star_agents_pool_probability"].samples]
    assert len(names) == len(set(names)) == 100
    assert max(map(len, names)) <= 80
    assert values(told["star_agents_pool_arms_left_out"]) == {("mine.style",): 50}
