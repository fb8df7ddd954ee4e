"""What a status snapshot says, as metric families: read at every scrape, kept nowhere.

Sums that the store keeps (outcomes, money, wins) are read from the snapshot, so that they go on over a restart. A part
that the snapshot lacks, such as the scorer's where none is loaded, has no samples. Labels are the configured agents,
pairs and budgets: what agents.yaml no longer has drops out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, Literal, NamedTuple, TypeVar

from prometheus_client import Metric

from star_agents.observe.status import Agent, AgentAtWork, BudgetState, PairCost, ScorerState, ServerState, Status

PREFIX = "star_agents_"
STATES = ("starting", "ready", "paused", "draining")
_BREAKERS = ("closed", "open", "half_open")

Kind = Literal["counter", "gauge"]
T = TypeVar("T")
Row = tuple[Mapping[str, str], float | None]
"""Labels and value; ``None``: not known, and so no sample."""


class Reading(NamedTuple, Generic[T]):
    """A metric that is one number of a part of the snapshot."""

    kind: Kind
    name: str
    text: str
    read: Callable[[T], float | None]


_NUMBERS: tuple[Reading[Status], ...] = (
    Reading("gauge", "start_time_seconds", "When the daemon started, in seconds since 1970.", lambda it: it.started_at),
    Reading(
        "counter", "cost_usd", "US dollars that answered calls cost, where the price is known.", lambda it: it.cost.usd
    ),
    Reading(
        "counter",
        "unpriced_calls",
        "Answered calls whose price nobody knows.",
        lambda it: it.cost.calls_of_unknown_price,
    ),
    Reading("gauge", "calls_pending", "Calls sent whose answer is not recorded yet.", lambda it: it.calls.pending),
    Reading(
        "gauge",
        "calls_maybe_paid_twice",
        "Calls sent again after a kill took the answer.",
        lambda it: it.calls.maybe_paid_twice,
    ),
    Reading("counter", "referee_both_orders", "Votes given in both orders.", lambda it: it.referee.both_orders),
    Reading("counter", "referee_agreements", "Votes in which both orders said the same.", lambda it: it.referee.agree),
    Reading(
        "counter", "referee_unreadable", "Votes with a reply that held no verdict.", lambda it: it.referee.unreadable
    ),
    Reading("gauge", "memory_items", "Instructions in the memory bank.", lambda it: it.memory.size),
    Reading("gauge", "memory_waiting", "Instructions not in its index yet.", lambda it: it.memory.waiting),
    Reading("counter", "memory_forgotten", "Instructions that it no longer holds.", lambda it: it.memory.forgotten),
    Reading("counter", "memory_left_out", "Instructions it cannot compare.", lambda it: it.memory.left_out),
    Reading("counter", "memory_renewed", "Graphs made anew that found too little.", lambda it: it.memory.renewed),
    Reading("gauge", "memory_recall", "Share of the nearest that it finds.", lambda it: it.memory.recall),
    Reading("counter", "memory_draws", "Draws of pairs, one for each seed that is worked.", lambda it: it.memory.draws),
    Reading("counter", "memory_hits", "Draws in which the memory bank proposed a pair.", lambda it: it.memory.hits),
    Reading("gauge", "store_wal_bytes", "Size of the store's write-ahead log.", lambda it: it.store.wal_bytes),
    Reading("gauge", "store_file_bytes", "Size of the store's file.", lambda it: it.store.file_bytes),
    Reading("gauge", "config_revision", "Revision of agents.yaml that is in force.", lambda it: it.revision),
)
_OF_THE_SCORER: tuple[Reading[ScorerState], ...] = (
    Reading("gauge", "scorer_workers", "Scorer processes that run.", lambda it: it.workers),
    Reading("gauge", "scorer_waiting_samples", "Samples that wait for the scorer.", lambda it: it.waiting),
    Reading("gauge", "scorer_oldest_wait_seconds", "Age of the oldest that waits.", lambda it: it.oldest_seconds),
    Reading("counter", "scorer_samples", "Samples scored and texts embedded.", lambda it: it.answered),
    Reading("counter", "scorer_tokens", "Tokens that went through the scorer models.", lambda it: it.tokens),
    Reading("counter", "scorer_deaths", "Scorer processes that died or hung and were replaced.", lambda it: it.deaths),
    Reading(
        "counter", "scorer_moved", "Items asked again elsewhere, since their machine was lost.", lambda it: it.moved
    ),
    Reading("counter", "scorer_busy_seconds", "Time in requests, over all processes.", lambda it: it.busy_seconds),
    Reading("gauge", "scorer_pack_fill_ratio", "Tokens per row of the packs.", lambda it: it.pack_fill),
    Reading("gauge", "scorer_memory_peak_bytes", "Main memory of the processes at the most.", lambda it: it.memory),
    Reading(
        "gauge", "scorer_gpu_memory_peak_bytes", "GPU memory of the processes at the most.", lambda it: it.gpu_memory
    ),
)
_OF_AN_AGENT: tuple[Reading[Agent], ...] = (
    Reading("counter", "agent_cost_usd", "US dollars that the agent's answered calls cost.", lambda it: it.usd),
    Reading(
        "counter",
        "agent_candidates",
        "Candidates of pairs that the agent is part of, base pairs aside.",
        lambda it: it.candidates,
    ),
    Reading("counter", "agent_wins", "Those of its candidates that were chosen.", lambda it: it.wins),
)
_OF_AN_AGENT_AT_WORK: tuple[Reading[AgentAtWork], ...] = (
    Reading("gauge", "agent_in_flight_calls", "Calls that the agent works on.", lambda it: it.in_flight),
    Reading("gauge", "agent_queued_calls", "Calls that wait for the agent.", lambda it: it.queued),
)
_OF_A_PAIR: tuple[Reading[PairCost], ...] = (
    Reading("counter", "pair_candidates", "Candidates that the pair wrote.", lambda it: it.candidates),
    Reading("counter", "pair_wins", "Candidates of the pair that were chosen.", lambda it: it.wins),
    Reading("counter", "pair_cost_usd", "US dollars that the pair's candidates cost, where known.", lambda it: it.usd),
)
_OF_A_SERVER: tuple[Reading[ServerState], ...] = (
    Reading(
        "gauge",
        "server_up",
        "1 where the agent's server can be asked.",
        lambda it: float(it.state in ("ready", "attached")),
    ),
    Reading("counter", "server_restarts", "How often the agent's server was started again.", lambda it: it.restarts),
    Reading(
        "gauge", "server_gpu_memory_bytes", "GPU memory of the agent's server, if known.", lambda it: it.gpu_memory
    ),
)
_UNITS = ("usd", "calls", "tokens")
_OF_A_BUDGET: Mapping[str, tuple[Reading[BudgetState], ...]] = {
    unit: (
        Reading("gauge", f"budget_limit_{unit}", "What may be spent.", lambda it: it.limit),
        Reading("gauge", f"budget_spent_{unit}", "What is spent.", lambda it: it.spent),
        Reading("gauge", f"budget_reserved_{unit}", "What calls in flight may still take.", lambda it: it.reserved),
    )
    for unit in _UNITS
}


def families(status: Status) -> Iterator[Metric]:
    """Every metric of a snapshot (what `GET /v1/status` answers)."""
    yield from readings(_NUMBERS, [({}, status)])
    yield from readings(_OF_THE_SCORER, [] if status.scorer is None else [({}, status.scorer)])
    yield from _line(status)
    yield from _agents(status)
    yield from _servers(status)
    yield from _pairs(status)
    budgets = [({"budget": budget.key}, budget) for budget in status.budgets]
    for unit, of_a_budget in _OF_A_BUDGET.items():
        yield from readings(of_a_budget, [(label, budget) for label, budget in budgets if budget.unit == unit])
    reached = [(label, float(bool(budget.reached))) for label, budget in budgets]
    yield family("gauge", "budget_reached", "1 where a call was refused for want of this budget.", reached)
    yield _verdicts(status)
    yield from _failures(status)
    yield _gaps(status)
    yield _commits(status)


def _line(status: Status) -> Iterator[Metric]:
    seeds = status.seeds
    yield family("gauge", "state", "1 for the state that the daemon is in.", _one_hot("state", STATES, status.state))
    open_ones = {name: getattr(seeds, name) for name in ("waiting", "stranded", "working", "quarantined")}
    yield family("gauge", "seeds", "Seeds that have no outcome yet.", _labelled("state", open_ones))
    ends = {"kept": seeds.kept, "base": seeds.base, "dropped": seeds.dropped}
    yield family("counter", "outcomes", "Outcomes committed, by what became of the seed.", _labelled("outcome", ends))
    text = "1 while an outage, a budget, a pause or a reached target_rows keeps the line from taking seeds."
    yield family("gauge", "line_resting", text, [({}, float(status.waiting_for is not None))])
    text = "1 where agents.yaml as it stands is in force, 0 where its last edit cannot be used."
    yield family("gauge", "config_last_reload_success", text, [({}, float(not status.config_problems))])
    if status.scorer is not None:
        text = "Scorer processes that are missing."
        yield family("gauge", "scorer_troubles", text, [({}, float(len(status.scorer.troubles)))])


def _servers(status: Status) -> Iterator[Metric]:
    """Of `serve` in agents.yaml; each is named by the first agent that it serves."""
    servers = [({"agent": one.agents[0]}, one) for one in status.servers]
    yield from readings(_OF_A_SERVER, servers)


def _agents(status: Status) -> Iterator[Metric]:
    known = configured_agents(status)
    agents: list[tuple[Mapping[str, str], Agent]] = [
        ({"agent": name}, one) for name, one in status.agents.items() if name in known
    ]
    at_work = [(label, one) for label, one in agents if isinstance(one, AgentAtWork)]
    yield from readings(_OF_AN_AGENT, agents)
    yield from readings(_OF_AN_AGENT_AT_WORK, at_work)
    up = [(label, float(not one.is_down)) for label, one in at_work]
    limits = [(label, float(sum(each.limit for each in one.deployments))) for label, one in at_work]
    deployments = [
        ({**label, "state": state}, float(sum(each.breaker == state for each in one.deployments)))
        for label, one in at_work
        for state in _BREAKERS
    ]
    yield family("gauge", "agent_up", "1 where some deployment of the agent takes calls.", up)
    yield family("gauge", "agent_call_limit", "Calls that the agent may have in flight at the moment.", limits)
    yield family("gauge", "agent_deployments", "Deployments by the state of their breaker.", deployments)


def _pairs(status: Status) -> Iterator[Metric]:
    known = configured_pairs(status)
    yield from readings(_OF_A_PAIR, [({"pair": name}, one) for name, one in status.pair_costs.items() if name in known])
    text = "Probability with which the pair is drawn (Eq. 8)."
    yield family("gauge", "pair_probability", text, _labelled("pair", status.pairs))


def configured_agents(status: Status) -> frozenset[str]:
    """The agents of agents.yaml."""
    return frozenset(status.config.agents)


def configured_pairs(status: Status) -> frozenset[str]:
    """The pairs of agents.yaml, base pairs included."""
    return frozenset((*status.config.pairs, *status.config.base_pairs))


def _verdicts(status: Status) -> Metric:
    ends = {"win": status.referee.wins, "tie": status.referee.ties, "loss": status.referee.losses}
    text = "Verdicts on a candidate against the base."
    return family("counter", "referee_verdicts", text, _labelled("outcome", ends))


def _failures(status: Status) -> Iterator[Metric]:
    """By part and agent; the reasons, which are texts, stand in the log and in the status."""
    known = configured_agents(status)
    tries: dict[tuple[str, str], int] = {}
    failures: dict[tuple[str, str], int] = {}
    for one in status.failures:
        key = (one.part, one.name)
        if one.part in ("scorer", "embedder", "recipe") or one.name in known:
            tries[key] = one.tries
            failures[key] = failures.get(key, 0) + one.failures
    text = "Calls, votes, samples and vectors that failed and were done without."
    rows = [({"part": part, "agent": name}, float(n)) for (part, name), n in failures.items()]
    yield family("counter", "tolerated_failures", text, rows)
    text = "What was asked of the same parts, whatever came of it; told once something failed."
    rows = [({"part": part, "agent": name}, float(n)) for (part, name), n in tries.items()]
    yield family("counter", "tolerated_failure_tries", text, rows)
    text = "1 while failures beyond failure_limits keep the line from taking seeds."
    yield family("gauge", "failure_hold", text, [({}, float(bool(status.held_because)))])


def _gaps(status: Status) -> Metric:
    """A histogram without a sum: gaps may be negative, and then a sum is no counter (OpenMetrics 1.0, Histogram)."""
    metric = Metric(f"{PREFIX}ifd_gap", "IFD_small - IFD_large of candidates (numerator of Eq. 5).", "histogram")
    gaps = status.gaps
    for outcome, bins in (("chosen", gaps.chosen), ("other", gaps.others)):
        below = 0
        for number, count in enumerate(bins, 1):
            below += count
            # The last bin holds everything above it too.
            edge = "+Inf" if number == len(bins) else str(round(gaps.low + number * gaps.width, 9))
            metric.add_sample(f"{PREFIX}ifd_gap_bucket", {"outcome": outcome, "le": edge}, float(below))
    return metric


def _commits(status: Status) -> Metric:
    name = f"{PREFIX}store_commit_duration_seconds"
    metric = Metric(name, "Transactions of the store and the time that they took.", "summary")
    metric.add_sample(f"{name}_count", {}, float(status.store.commits))
    metric.add_sample(f"{name}_sum", {}, float(status.store.commit_seconds))
    return metric


def readings(wanted: Sequence[Reading[T]], told: Sequence[tuple[Mapping[str, str], T]]) -> Iterator[Metric]:
    """A metric for each reading, with a sample for each thing that is told of."""
    for one in wanted:
        yield family(one.kind, one.name, one.text, [(labels, one.read(values)) for labels, values in told])


def family(kind: Kind, name: str, text: str, rows: Iterable[Row]) -> Metric:
    """One metric; ``name`` without its prefix."""
    metric = Metric(PREFIX + name, text, kind)
    sample = metric.name + ("_total" if kind == "counter" else "")
    for labels, value in rows:
        if value is not None:
            metric.add_sample(sample, dict(labels), float(value))
    return metric


def _labelled(label: str, values: Mapping[str, float]) -> list[Row]:
    return [({label: name}, float(value)) for name, value in values.items()]


def _one_hot(label: str, values: Iterable[str], value: str) -> list[Row]:
    return [({label: one}, float(one == value)) for one in values]
