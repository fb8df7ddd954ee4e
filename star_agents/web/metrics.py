"""What the daemon does, for Prometheus: `GET /metrics`.

What happens is counted as it happens (calls, durations, lag); what is so at a moment is read from the status snapshot
at every scrape (``status_metrics``). Names follow prometheus.io/docs/practices/naming: one prefix, base units, the unit
and ``_total`` at the end. No label can grow without bound: never a seed, a text or a model, only what agents.yaml
names, and what it no longer names drops out at the next scrape. Each daemon has a registry of its own.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import anyio.to_thread
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, Metric, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from star_agents.events import (
    CallAnswered,
    CallEnded,
    ConfigApplied,
    DeploymentChanged,
    Event,
    OutcomeCommitted,
    PairsDrawn,
    SeedReturned,
    SeedsAdded,
    SeedsRejected,
)
from star_agents.observe.status import Status
from star_agents.web.recipe_metrics import recipe_families
from star_agents.web.status_metrics import PREFIX, configured_agents, configured_pairs, families

CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320)
SEED_SECONDS = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
CALL_OUTCOMES = ("ok", "rate_limited", "unavailable", "refused", "budget", "cancelled", "lost")
"""As `CallEnded` names them. A series that begins at 0 shows its first failure as a rise."""
LAG_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Metrics:
    """Counts what it hears; subscribe ``hear`` before the line takes its first seed.

    Args:
        version: Of star_agents.
        now: Seconds since 1970.
    """

    def __init__(self, version: str, *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Info(f"{PREFIX}build", "Version of star_agents and of Python.", registry=registry).info(
            {"version": version, "python": platform.python_version()}
        )
        self._reloaded = Gauge(
            f"{PREFIX}config_last_reload_success_timestamp_seconds",
            "When agents.yaml was last put in force, in seconds since 1970.",
            registry=registry,
        )
        self._reloaded.set(now())
        self._seeds = _Seeds(registry)
        self._calls = _Calls(registry)
        self._draws = _counter(registry, "pair_draws", "Seeds for which the pair was drawn.", "pair")
        self._drawn: set[str] = set()
        self._lag = Histogram(
            f"{PREFIX}event_loop_lag_seconds",
            "How late the event loop is, measured a few times a second.",
            buckets=LAG_SECONDS,
            registry=registry,
        )

    def hear(self, event: Event) -> None:
        """Count one event; subscribe this to the bus."""
        match event:
            case CallEnded() | CallAnswered() | DeploymentChanged():
                self._calls.hear(event)
            case OutcomeCommitted() | SeedsAdded() | SeedsRejected() | SeedReturned():
                self._seeds.hear(event)
            case PairsDrawn():
                self._drawn.update(event.pairs)
                for pair in event.pairs:
                    self._draws.labels(pair).inc()
            case ConfigApplied():
                self._reloaded.set(self._now())

    def hear_lag(self, seconds: float) -> None:
        """Note by how much the event loop was late; hand this to `watch_lag`."""
        self._lag.observe(seconds)

    async def render(self, status: Status, accept: str = "") -> tuple[bytes, str]:
        """Everything as text, and its content type. Writing it takes 50 ms for 1,000 pairs, so a thread does it.

        Args:
            status: What `GET /v1/status` answers at this moment.
            accept: The request's ``Accept`` header; OpenMetrics where it asks for that, else Prometheus' own text.
        """
        self._forget_the_gone(status)
        encode, content_type = choose_encoder(accept)
        return await anyio.to_thread.run_sync(encode, _Scrape(self._registry, status)), content_type

    def _forget_the_gone(self, status: Status) -> None:
        agents, pairs = configured_agents(status), configured_pairs(status)
        self._calls.forget_all_but(agents)
        for pair in self._drawn - pairs:
            self._draws.remove_by_labels({"pair": pair})
        self._drawn &= pairs


class _Seeds:
    """What becomes of seeds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            f"{PREFIX}seed_duration_seconds",
            "From taking a seed to its committed outcome.",
            ["outcome"],
            buckets=SEED_SECONDS,
            registry=registry,
        )
        for kind in ("kept", "base", "dropped"):
            self._seconds.labels(kind)
        self._added = _counter(registry, "seeds_added", "Seeds taken in.")
        self._known = _counter(registry, "seeds_known", "Seeds that came in again and were known already.")
        self._rejected = _counter(registry, "intakes_rejected", "Files and requests with a row that cannot be a seed.")
        self._returned = _counter(registry, "seeds_returned", "Seeds put back because agents that they need are down.")

    def hear(self, event: OutcomeCommitted | SeedsAdded | SeedsRejected | SeedReturned) -> None:
        match event:
            case OutcomeCommitted():
                self._seconds.labels(event.outcome.kind).observe(event.seconds)
            case SeedsAdded():
                self._added.inc(event.new)
                self._known.inc(event.duplicates)
            case SeedsRejected():
                self._rejected.inc()
            case SeedReturned():
                self._returned.inc()


class _Calls:
    """What agents are asked."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ended = _counter(registry, "calls", "Calls, all their tries together, by how they ended.", *_ENDED)
        self._retries = _counter(registry, "call_retries", "Tries after the first, those after a 429 included.", *_OF)
        self._seconds = Histogram(
            f"{PREFIX}call_duration_seconds",
            "From asking to the answer, queue, waits and tries included; answered calls alone.",
            _OF,
            buckets=CALL_SECONDS,
            registry=registry,
        )
        self._prompt = _counter(registry, "prompt_tokens", "Prompt tokens of answered calls.", *_OF)
        self._completion = _counter(registry, "completion_tokens", "Completion tokens of answered calls.", *_OF)
        self._reused = _counter(registry, "calls_reused", "Answers that the journal gave instead of a call.", *_OF)
        self._changes = _counter(
            registry, "deployment_changes", "Changes of the agent's deployments: opened, closed, paused ...", *_CHANGED
        )
        self._agents: dict[str, _Agent] = {}

    def hear(self, event: CallEnded | CallAnswered | DeploymentChanged) -> None:
        agent = self._agents.get(event.agent) or self._begin(event.agent)
        match event:
            case CallEnded():
                agent.count(event)
            case CallAnswered(from_journal=True):
                self._reused.labels(event.agent).inc()
            case DeploymentChanged():
                self._changes.labels(event.agent, event.what.replace("-", "_")).inc()

    def forget_all_but(self, agents: frozenset[str]) -> None:
        """Drop the series of agents that agents.yaml no longer has."""
        kept = (self._ended, self._retries, self._seconds, self._prompt, self._completion, self._reused, self._changes)
        for agent in self._agents.keys() - agents:
            del self._agents[agent]
            for metric in kept:
                metric.remove_by_labels({"agent": agent})

    def _begin(self, name: str) -> _Agent:
        agent = self._agents[name] = _Agent(
            ended={outcome: self._ended.labels(name, outcome) for outcome in CALL_OUTCOMES},
            retries=self._retries.labels(name),
            seconds=self._seconds.labels(name),
            prompt=self._prompt.labels(name),
            completion=self._completion.labels(name),
        )
        return agent


@dataclass(frozen=True, kw_only=True, slots=True)
class _Agent:
    """One agent's series: looking them up by their labels each time would cost more than counting."""

    ended: Mapping[str, Counter]
    retries: Counter
    seconds: Histogram
    prompt: Counter
    completion: Counter

    def count(self, event: CallEnded) -> None:
        self.ended[event.outcome].inc()
        if event.retries:
            self.retries.inc(event.retries)
        if event.outcome == "ok":
            self.seconds.observe(event.seconds)
            self.prompt.inc(event.prompt_tokens)
            self.completion.inc(event.completion_tokens)


_OF = ("agent",)
_ENDED = ("agent", "outcome")
_CHANGED = ("agent", "state")


def _counter(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Counter:
    return Counter(PREFIX + name, text, labels, registry=registry)


class _Scrape(Collector):
    """What was counted and what the snapshot says, as one answer."""

    def __init__(self, registry: CollectorRegistry, status: Status) -> None:
        self._registry = registry
        self._status = status

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            # When a series began is of no use to us, and Prometheus would keep it as a series of its own.
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric
        yield from families(self._status)
        yield from recipe_families(self._status)
