"""Spans and metrics of OpenTelemetry: out of events, out of a real line, and as a real collector gets them."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web
from lines import config_for, run, seeds, take_in_seeds
from openai_server import Answer, Fault, OpenAIServer
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Histogram, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from storage_samples import make_dropped, make_outcome, make_seed
from test_architecture import imports_of, modules

from star_agents.engine.wiring import open_engine
from star_agents.events import CallAnswered, CallEnded, CallFailed, Event, OutcomeCommitted, SeedReturned
from star_agents.observe.bus import Bus
from star_agents.observe.telemetry import is_asked_for, open_telemetry
from star_agents.observe.telemetry_spans import MOST_OPEN, Telemetry
from star_agents.storage.store import Store

NOW_S = 1_800_000_000
SEED = make_seed(1)


class Kept:
    """Telemetry that keeps what it would send, on a clock turned by hand."""

    def __init__(self) -> None:
        self.now = float(NOW_S)
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        traces = TracerProvider(shutdown_on_exit=False)
        traces.add_span_processor(SimpleSpanProcessor(self._spans))
        metrics = MeterProvider([self._reader], shutdown_on_exit=False)
        self.telemetry = Telemetry(traces, metrics, now_ns=lambda: round(self.now * 1e9))

    def hear(self, event: Event, *, after: float = 0.0) -> None:
        self.now += after
        self.telemetry.hear(event)

    def spans(self) -> list[ReadableSpan]:
        """In the order in which they began, a root before its children."""
        done = self._spans.get_finished_spans()
        return sorted(done, key=lambda span: (span.start_time or 0, span.parent is not None))

    def points(self, name: str) -> list[Any]:
        """The data points of one metric."""
        data = self._reader.get_metrics_data()
        assert data is not None
        found = [
            metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
        ]
        assert len(found) == 1
        assert isinstance(found[0].data, Histogram)
        return list(found[0].data.data_points)


@pytest.fixture
def kept() -> Kept:
    return Kept()


def answered(step: str = "respond", *, seconds: float = 2.0, from_journal: bool = False, **fields: Any) -> CallAnswered:
    given: dict[str, Any] = {"agent": "gpt", "model": "openai/gpt-4o-mini", "cost_usd": 0.002, **fields}
    return CallAnswered(
        seed_id=SEED.id,
        step=step,
        seconds=seconds,
        prompt_tokens=100,
        completion_tokens=40,
        from_journal=from_journal,
        **given,
    )


def failed(agent: str = "qwen") -> CallFailed:
    return CallFailed(
        seed_id=SEED.id, step="respond", agent=agent, seconds=1.0, outcome="rate_limited", error="429 said: SECRET TEXT"
    )


def ended(agent: str, model: str) -> CallEnded:
    return CallEnded(
        agent=agent,
        model=model,
        seconds=1.0,
        outcome="rate_limited",
        retries=2,
        prompt_tokens=0,
        completion_tokens=0,
        cost_usd=None,
    )


def committed(seconds: float = 6.0, *, dropped: bool = False) -> OutcomeCommitted:
    outcome = make_dropped(SEED, "referee: SECRET TEXT") if dropped else make_outcome(SEED)
    return OutcomeCommitted(seq=5, outcome=outcome, probabilities={}, seconds=seconds)


def times(span: ReadableSpan) -> tuple[float, float]:
    """Begin and end in seconds after the test's beginning."""
    assert span.start_time is not None
    assert span.end_time is not None
    return span.start_time / 1e9 - NOW_S, span.end_time / 1e9 - NOW_S


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_seed_is_one_trace_with_its_calls_at_their_true_times(kept: Kept) -> None:
    kept.hear(answered(), after=3.0)
    kept.hear(ended("qwen", "ollama_chat/qwen2.5:14b"), after=1.0)
    kept.hear(failed())
    assert kept.spans() == []
    kept.hear(committed(), after=2.0)
    root, call, failure = kept.spans()
    assert [span.name for span in (root, call, failure)] == [
        "invoke_workflow star",
        "chat gpt-4o-mini",
        "chat qwen2.5:14b",
    ]
    assert [times(span) for span in (root, call, failure)] == [(0.0, 6.0), (1.0, 3.0), (3.0, 4.0)]
    assert root.parent is None
    assert all(span.parent is not None and span.parent == root.context for span in (call, failure))
    assert [span.kind for span in (root, call)] == [SpanKind.INTERNAL, SpanKind.CLIENT]
    assert [span.status.status_code for span in (root, call, failure)] == [
        StatusCode.UNSET,
        StatusCode.UNSET,
        StatusCode.ERROR,
    ]


def test_spans_speak_the_words_of_the_conventions(kept: Kept) -> None:
    kept.hear(answered())
    kept.hear(answered("embed", model="mistral/mistral-embed", cost_usd=None))
    kept.hear(committed())
    root, *calls = kept.spans()
    assert attributes(calls[0]) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.agent.name": "gpt",
        "gen_ai.conversation.id": SEED.id,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 40,
        "star_agents.step": "respond",
        "star_agents.cost_usd": 0.002,
    }
    assert calls[1].name == "embeddings mistral-embed"
    assert attributes(calls[1])["gen_ai.provider.name"] == "mistral_ai"
    assert "star_agents.cost_usd" not in attributes(calls[1])
    assert attributes(root) == {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": "star",
        "gen_ai.conversation.id": SEED.id,
        "star_agents.outcome.seq": 5,
        "star_agents.outcome.kind": "kept",
        "star_agents.candidates": 3,
        "star_agents.cost_usd": 0.75,
        "star_agents.pair": "keep/a",
    }
    said = {
        (event.name, (event.attributes or {})["gen_ai.evaluation.name"]): (event.attributes or {})[
            "gen_ai.evaluation.score.value"
        ]
        for event in root.events
    }
    assert said == {
        ("gen_ai.evaluation.result", "ifd_small"): 0.9,
        ("gen_ai.evaluation.result", "ifd_large"): 0.7,
        ("gen_ai.evaluation.result", "ifd_gap"): pytest.approx(0.2),
        ("gen_ai.evaluation.result", "response_tokens"): 12,
        ("gen_ai.evaluation.result", "pi_dual"): 0.5,
        ("gen_ai.evaluation.result", "referee"): 1.0,
        ("gen_ai.evaluation.result", "pi"): 0.5,
    }


@pytest.mark.parametrize(
    ("model", "provider", "name"),
    [
        ("hosted_vllm/mistralai/Mistral-7B", "hosted_vllm", "mistralai/Mistral-7B"),
        ("vertex_ai/gemini-2.5-pro", "gcp.vertex_ai", "gemini-2.5-pro"),
        ("gpt-4o", "_OTHER", "gpt-4o"),
    ],
)
def test_the_provider_is_what_stands_before_the_first_slash(kept: Kept, model: str, provider: str, name: str) -> None:
    kept.hear(answered(model=model))
    kept.hear(committed())
    said = attributes(kept.spans()[-1])
    assert (said["gen_ai.provider.name"], said["gen_ai.request.model"]) == (provider, name)


def test_no_text_leaves_and_what_a_provider_said_counts_as_one(kept: Kept) -> None:
    kept.hear(failed())
    kept.hear(committed(dropped=True))
    everything = "".join(span.to_json() for span in kept.spans())
    sample = SEED.sample
    assert sample.response is not None
    assert not any(text in everything for text in ("SECRET TEXT", sample.instruction, sample.response))
    root = kept.spans()[0]
    assert (root.status.status_code, attributes(root)["error.type"]) == (StatusCode.ERROR, "dropped")


def test_answers_of_the_journal_are_no_calls(kept: Kept) -> None:
    kept.hear(answered(from_journal=True))
    kept.hear(committed())
    assert [span.name for span in kept.spans()] == ["invoke_workflow star"]


def test_an_outage_ends_the_trace_of_a_seed_and_its_next_turn_has_its_own(kept: Kept) -> None:
    kept.hear(failed(), after=1.0)
    kept.hear(SeedReturned(seed_id=SEED.id, reason="SECRET TEXT"))
    kept.hear(answered(), after=10.0)
    kept.hear(committed(3.0))
    first, _, second, _ = kept.spans()
    assert attributes(first)["error.type"] == "unavailable"
    assert [times(first), times(second)] == [(0.0, 1.0), (8.0, 11.0)]
    assert first.context.trace_id != second.context.trace_id


def test_a_root_begins_no_later_than_the_calls_that_a_budget_held_up(kept: Kept) -> None:
    kept.hear(answered(), after=2.0)
    kept.hear(committed(0.5), after=8.0)
    assert times(kept.spans()[0]) == (0.0, 10.0)


def test_of_seeds_that_never_end_the_oldest_are_forgotten(kept: Kept) -> None:
    call, end = answered(), committed()
    for number in range(MOST_OPEN + 3):
        kept.hear(replace(call, seed_id=f"seed {number}"))
    for number in (2, 3):
        kept.hear(replace(end, outcome=replace(end.outcome, seed_id=f"seed {number}")))
    seeds = [attributes(span)["gen_ai.conversation.id"] for span in kept.spans()]
    assert sorted(seeds) == ["seed 2", "seed 3", "seed 3"]


def test_metrics_have_the_buckets_and_labels_of_the_conventions(kept: Kept) -> None:
    kept.hear(answered(seconds=2.0))
    kept.hear(ended("qwen", "ollama_chat/qwen2.5:14b"))
    kept.hear(failed())
    kept.hear(committed(6.0))
    good, bad = kept.points("gen_ai.client.operation.duration")
    assert good.explicit_bounds[:3] + good.explicit_bounds[-1:] == (0.01, 0.02, 0.04, 81.92)
    assert (good.sum, bad.sum) == (2.0, 1.0)
    assert dict(bad.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "ollama_chat",
        "gen_ai.request.model": "qwen2.5:14b",
        "error.type": "rate_limited",
    }
    tokens = {point.attributes["gen_ai.token.type"]: point for point in kept.points("gen_ai.client.token.usage")}
    assert {kind: point.sum for kind, point in tokens.items()} == {"input": 100, "output": 40}
    assert tokens["input"].explicit_bounds == tuple(4.0**power for power in range(14))
    (workflow,) = kept.points("gen_ai.workflow.duration")
    assert (workflow.sum, dict(workflow.attributes)) == (6.0, {"gen_ai.workflow.name": "star"})


async def test_a_real_line_gives_a_trace_per_seed(tmp_path: Path, kept: Kept) -> None:
    def reply(body: Mapping[str, Any]) -> Answer | Fault:
        return Fault(status=400, message="no") if body["model"] == "b" else Answer(text="It is two.")

    bus = Bus()
    bus.subscribe(kept.telemetry.hear)
    kept.now = time.time()
    async with (
        OpenAIServer(reply) as server,
        await Store.open(tmp_path) as store,
        open_engine(config_for(server.url), store, bus=bus, seeds_expected=4, ends_when_empty=True) as line,
    ):
        await take_in_seeds(line, seeds(4), "test")
        await line.work()
    spans = kept.spans()
    roots = {span.context.trace_id: span for span in spans if span.parent is None}
    assert len(roots) == 4
    calls = [span for span in spans if span.parent is not None]
    assert {span.name for span in calls} <= {"chat a", "chat b", "chat c"}
    assert all(span.context.trace_id in roots for span in calls)
    refused = [span for span in calls if span.name == "chat b"]
    assert refused
    assert {attributes(span)["error.type"] for span in refused} == {"refused"}
    assert sum(point.count for point in kept.points("gen_ai.client.operation.duration")) == len(calls)


# The way to a collector


@asynccontextmanager
async def collector() -> AsyncIterator[tuple[str, list[Any]]]:
    """Takes OTLP over HTTP; yields its URL and the requests that came, decoded."""
    taken: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        kind = ExportTraceServiceRequest if request.path == "/v1/traces" else ExportMetricsServiceRequest
        taken.append(kind.FromString(await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/{signal}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", taken
    finally:
        await runner.cleanup()


async def test_a_collector_gets_traces_and_metrics_under_the_name_of_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with collector() as (url, taken):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        bus = Bus()
        async with open_telemetry(bus, {"OTEL_EXPORTER_OTLP_ENDPOINT": url}):
            bus.publish(answered())
            bus.publish(committed())
    traces = [one for one in taken if isinstance(one, ExportTraceServiceRequest)]
    metrics = [one for one in taken if isinstance(one, ExportMetricsServiceRequest)]
    resource = traces[0].resource_spans[0]
    told = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert told["service.name"] == "star-agents"
    assert {span.name for scope in resource.scope_spans for span in scope.spans} == {
        "invoke_workflow star",
        "chat gpt-4o-mini",
    }
    names = {metric.name for scope in metrics[0].resource_metrics[0].scope_metrics for metric in scope.metrics}
    assert names == {"gen_ai.client.operation.duration", "gen_ai.client.token.usage", "gen_ai.workflow.duration"}


async def test_a_batch_sends_a_trace_per_seed_to_the_collector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with collector() as (url, taken), OpenAIServer(lambda body: Answer(text="It is two.")) as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{url}/v1/traces")
        await run(config_for(server.url), seeds(3), tmp_path)
    spans = [span for one in taken for whole in one.resource_spans for part in whole.scope_spans for span in part.spans]
    assert [span.name for span in spans if not span.parent_span_id] == ["invoke_workflow star"] * 3
    assert len({span.trace_id for span in spans}) == 3


async def test_a_collector_that_is_away_holds_the_end_up_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        bus = Bus()
        with anyio.fail_after(10):
            async with open_telemetry(bus, {"OTEL_EXPORTER_OTLP_ENDPOINT": url}, last_export_s=0.2):
                bus.publish(answered())
                bus.publish(committed())


@pytest.mark.parametrize(
    ("environ", "traces", "metrics"),
    [
        ({}, False, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, True, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}, True, False),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c"}, False, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_METRICS_EXPORTER": "none"}, True, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "True"}, False, False),
    ],
)
def test_the_environment_says_what_is_sent(environ: dict[str, str], traces: bool, metrics: bool) -> None:
    assert (is_asked_for("TRACES", environ), is_asked_for("METRICS", environ)) == (traces, metrics)


async def test_a_protocol_that_is_not_spoken_is_told_and_nothing_else_stops() -> None:
    heard: list[Event] = []
    bus = Bus()
    bus.subscribe(heard.append)
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    async with open_telemetry(bus, environ):
        pass
    assert [event.name for event in heard] == ["telemetry_failed"]
    assert "OTEL_EXPORTER_OTLP_PROTOCOL is grpc" in str(heard[0])


WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
import anyio
from star_agents.observe.bus import Bus
from star_agents.observe.telemetry import open_telemetry
async def main(environ):
    bus = Bus()
    bus.subscribe(lambda event: print(event.name, event.reason))
    async with open_telemetry(bus, environ):
        print("at work")
anyio.run(main, {})
anyio.run(main, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
"""


def test_without_the_package_one_line_says_so_and_only_where_it_was_asked_for() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "at work",
        "telemetry_failed No module named 'opentelemetry'; install it with: pip install 'star-agents[otel]', "
        "or unset OTEL_EXPORTER_OTLP_ENDPOINT",
        "at work",
    ]
    assert done.stderr == ""


def test_one_file_alone_knows_the_library() -> None:
    knowing = {
        name
        for name, path in modules().items()
        if any(one.partition(".")[0] == "opentelemetry" for one in imports_of(path))
    }
    assert knowing == {"observe.telemetry_spans"}
    imported = {one for path in modules().values() for one in imports_of(path)}
    assert "star_agents.observe.telemetry_spans" not in imported
