"""Spans and metrics of OpenTelemetry, made of events, by its conventions for generative AI.

Each seed is a workflow: one trace, whose root is the seed and whose children are the calls that were sent for it. A
trace is put together when its seed is done, so that every span has its true times and the root knows how it ended.
Names are those of open-telemetry/semantic-conventions-genai as of 2026-11 (status: development); ours begin with
``star_agents``. Texts of prompts and answers are never sent.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from star_agents import __version__
from star_agents.events import CallAnswered, CallEnded, CallFailed, Event, JudgeExamined, OutcomeCommitted, SeedReturned
from star_agents.records import Outcome, Trial

DURATION_BUCKETS = tuple(0.01 * 2**power for power in range(14))
TOKEN_BUCKETS = tuple(float(4**power) for power in range(14))
WORKFLOW_BUCKETS = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0)
WORKFLOW = "star"
EXAM = "exam"
"""What stands for a seed in the events of a judge's exam."""
MOST_OPEN = 10_000
"""Seeds whose calls are held for their outcome; the oldest lose theirs first."""
_NS = 1_000_000_000
_IN_A_NAME = ("gen_ai.operation.name", "gen_ai.request.model")
_PROVIDERS = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "cohere_chat": "cohere",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""The conventions' word where it is not the one that agents.yaml uses."""

_EVALUATIONS = {"gap": "ifd_gap", "pi_llm": "referee"}

Attributes = dict[str, str | int | float]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Call:
    """One call that is over: what its span will say."""

    shape: Attributes
    """What it shares with its metrics: operation, provider, model, and the error where it failed."""
    more: Attributes
    begin_ns: int
    end_ns: int


class Telemetry:
    """Makes spans and metrics of what it hears; subscribe ``hear`` to the bus.

    Args:
        traces: Where spans go; ``None``: nowhere.
        metrics: Where metrics go; ``None``: nowhere.
        now_ns: Nanoseconds since 1970.
    """

    def __init__(
        self,
        traces: TracerProvider | None,
        metrics: MeterProvider | None,
        *,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._traces, self._metrics = traces, metrics
        self._tracer = traces.get_tracer("star_agents", __version__) if traces else None
        self._instruments = _Instruments(metrics) if metrics else None
        self._now_ns = now_ns
        self._models: dict[str, str] = {}
        """The model that an agent was last asked for: a failed call does not tell it."""
        self._open: OrderedDict[str, list[_Call]] = OrderedDict()

    @classmethod
    def to_collector(cls, *, traces: bool, metrics: bool) -> Self:
        """Send by OTLP over HTTP where OpenTelemetry's own environment variables say.

        Raises:
            ValueError: one of them cannot be used.
        """
        resource = Resource.create({SERVICE_VERSION: __version__})
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: "star-agents"}))
        tracer_provider, meter_provider = None, None
        # Not closed by the interpreter's end: that would wait for a collector that is away, long after the drain.
        if traces:
            tracer_provider = TracerProvider(resource=resource, shutdown_on_exit=False)
            tracer_provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        if metrics:
            reader = PeriodicExportingMetricReader(OTLPMetricExporter())
            meter_provider = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        return cls(tracer_provider, meter_provider)

    def hear(self, event: Event) -> None:
        """Note one event; subscribe this to the bus."""
        match event:
            case CallEnded():
                self._models[event.agent] = event.model
            case JudgeExamined():
                self._open.pop(EXAM, None)  # Its calls are counted, and belong to no seed's trace.
            case CallAnswered(from_journal=False) | CallFailed():
                self._note(event)
            case OutcomeCommitted():
                self._finish(event.outcome.seed_id, event)
            case SeedReturned():
                self._finish(event.seed_id, event)

    def close(self, within_s: float) -> None:
        """Send what is left, and stop. It waits for a collector, about ``within_s`` seconds for a silent one."""
        if self._traces is not None:
            self._traces.shutdown()
        if self._metrics is not None:
            self._metrics.shutdown(timeout_millis=within_s * 1000)

    def _note(self, event: CallAnswered | CallFailed) -> None:
        model = event.model if isinstance(event, CallAnswered) else self._models.get(event.agent, "")
        shape, more = _shape(event.step, model), _more(event)
        if isinstance(event, CallFailed):
            shape["error.type"] = event.outcome
        if self._instruments is not None:
            self._instruments.record_call(event, shape)
        if self._tracer is not None:
            now = self._now_ns()
            call = _Call(shape=shape, more=more, begin_ns=now - round(event.seconds * _NS), end_ns=now)
            self._open.setdefault(event.seed_id, []).append(call)
            if len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)

    def _finish(self, seed_id: str, event: OutcomeCommitted | SeedReturned) -> None:
        calls, end = self._open.pop(seed_id, []), self._now_ns()
        begin = end - round(event.seconds * _NS) if isinstance(event, OutcomeCommitted) else end
        # A seed that a budget held up was asked about before this turn of it began.
        begin = min([begin, *(call.begin_ns for call in calls)])
        if self._instruments is not None:
            self._instruments.record_workflow((end - begin) / _NS, _workflow_error(event))
        if self._tracer is None:
            return
        root = self._tracer.start_span(
            f"invoke_workflow {WORKFLOW}", attributes=_root_attributes(seed_id), start_time=begin
        )
        _describe(root, event, end)
        for call in calls:
            self._send_call(self._tracer, call, seed_id, set_span_in_context(root))
        root.end(end)

    def _send_call(self, tracer: Tracer, call: _Call, seed_id: str, parent: Context) -> None:
        span = tracer.start_span(
            " ".join(str(call.shape[key]) for key in _IN_A_NAME if key in call.shape),
            parent,
            kind=SpanKind.CLIENT,
            attributes={**call.shape, **call.more, "gen_ai.conversation.id": seed_id},
            start_time=call.begin_ns,
        )
        if "error.type" in call.shape:
            span.set_status(Status(StatusCode.ERROR))
        span.end(call.end_ns)


class _Instruments:
    """The metrics of the conventions, with the buckets that these advise."""

    def __init__(self, provider: MeterProvider) -> None:
        meter = provider.get_meter("star_agents", __version__)
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS,
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=TOKEN_BUCKETS,
        )
        self._workflow = meter.create_histogram(
            "gen_ai.workflow.duration",
            unit="s",
            description="GenAI workflow duration.",
            explicit_bucket_boundaries_advisory=WORKFLOW_BUCKETS,
        )

    def record_call(self, event: CallAnswered | CallFailed, shape: Attributes) -> None:
        self._duration.record(event.seconds, shape)
        if isinstance(event, CallAnswered):
            self._tokens.record(event.prompt_tokens, {**shape, "gen_ai.token.type": "input"})
            self._tokens.record(event.completion_tokens, {**shape, "gen_ai.token.type": "output"})

    def record_workflow(self, seconds: float, error: str) -> None:
        attributes = {"gen_ai.workflow.name": WORKFLOW}
        self._workflow.record(seconds, {**attributes, "error.type": error} if error else attributes)


def _shape(step: str, model: str) -> Attributes:
    """What is asked of whom; agents.yaml writes a model as ``provider/model``."""
    provider, slash, name = model.partition("/")
    if not slash:
        provider, name = "", model
    shape: Attributes = {
        "gen_ai.operation.name": "embeddings" if step == "embed" else "chat",
        "gen_ai.provider.name": _PROVIDERS.get(provider, provider) or "_OTHER",
    }
    return {**shape, "gen_ai.request.model": name} if name else shape


def _more(event: CallAnswered | CallFailed) -> Attributes:
    more: Attributes = {"gen_ai.agent.name": event.agent, "star_agents.step": event.step}
    if isinstance(event, CallAnswered):
        more |= {
            "gen_ai.usage.input_tokens": event.prompt_tokens,
            "gen_ai.usage.output_tokens": event.completion_tokens,
        }
        if event.cost_usd is not None:
            more["star_agents.cost_usd"] = event.cost_usd
    return more


def _root_attributes(seed_id: str) -> Attributes:
    return {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": WORKFLOW,
        "gen_ai.conversation.id": seed_id,
    }


def _workflow_error(event: OutcomeCommitted | SeedReturned) -> str:
    """The kind alone: a reason in full may quote what a provider said."""
    if isinstance(event, SeedReturned):
        return "unavailable"
    return "dropped" if event.outcome.kind == "dropped" else ""


def _describe(root: Span, event: OutcomeCommitted | SeedReturned, at_ns: int) -> None:
    """How a seed ended, and what was found out about the chosen sample."""
    if error := _workflow_error(event):
        root.set_attribute("error.type", error)
        root.set_status(Status(StatusCode.ERROR))
    if isinstance(event, SeedReturned):
        return
    root.set_attributes(_outcome_attributes(event.seq, event.outcome))
    if event.outcome.winner is not None:
        for name, value in _evaluations(event.outcome.winner).items():
            evaluation: Attributes = {"gen_ai.evaluation.name": name, "gen_ai.evaluation.score.value": value}
            root.add_event("gen_ai.evaluation.result", evaluation, at_ns)


def _outcome_attributes(seq: int, outcome: Outcome) -> Attributes:
    attributes: Attributes = {
        "star_agents.outcome.seq": seq,
        "star_agents.outcome.kind": outcome.kind,
        "star_agents.candidates": len(outcome.trials),
    }
    if outcome.cost_usd is not None:
        attributes["star_agents.cost_usd"] = outcome.cost_usd
    if outcome.winner is not None:
        attributes["star_agents.pair"] = outcome.winner.arm
    return attributes


def _evaluations(winner: Trial) -> dict[str, float]:
    """What was measured of it; some measures have names of their own here, under which people know them."""
    return {_EVALUATIONS.get(name, name): value for name, value in winner.measures.items() if value is not None}
