"""What a status snapshot says, as metric families: read at every scrape, kept nowhere.

Sums that the store keeps (outcomes, money, wins) are read from the snapshot, so that they go on over a restart. A part
that the snapshot lacks, such as the scorer's where none is loaded, has no samples. Labels are the configured agents,
pairs and budgets: what agents.yaml no longer has drops out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from prometheus_client import Metric

PREFIX = "star_agents_"
STATES = ("starting", "ready", "paused", "draining")
_BREAKERS = ("closed", "open", "half_open")

Kind = Literal["counter", "gauge"]
Status = Mapping[str, Any]
Row = tuple[Mapping[str, str], float | None]
"""Labels and value; ``None``: not known, and so no sample."""


class Reading(NamedTuple):
    """A metric that is one number of the snapshot."""

    kind: Kind
    name: str
    text: str
    path: str
    """Keys, joined by dots."""


_NUMBERS = (
    Reading("gauge", "start_time_seconds", "When the daemon started, in seconds since 1970.", "started_at"),
    Reading("counter", "cost_usd", "US dollars that answered calls cost, where the price is known.", "cost.usd"),
    Reading("counter", "unpriced_calls", "Answered calls whose price nobody knows.", "cost.calls_of_unknown_price"),
    Reading("gauge", "calls_pending", "Calls sent whose answer is not recorded yet.", "calls.pending"),
    Reading(
        "gauge", "calls_maybe_paid_twice", "Calls sent again after a kill took the answer.", "calls.maybe_paid_twice"
    ),
    Reading("counter", "referee_both_orders", "Votes given in both orders.", "referee.both_orders"),
    Reading("counter", "referee_agreements", "Votes in which both orders said the same.", "referee.agree"),
    Reading("counter", "referee_unreadable", "Votes with a reply that held no verdict.", "referee.unreadable"),
    Reading("gauge", "memory_items", "Instructions in the memory bank.", "memory.size"),
    Reading("counter", "memory_draws", "Draws of pairs, one for each seed that is worked.", "memory.draws"),
    Reading("counter", "memory_hits", "Draws in which the memory bank proposed a pair.", "memory.hits"),
    Reading("gauge", "scorer_workers", "Scorer processes that run.", "scorer.workers"),
    Reading("gauge", "scorer_waiting_samples", "Samples that wait for the scorer.", "scorer.waiting"),
    Reading("gauge", "scorer_oldest_wait_seconds", "Age of the oldest that waits.", "scorer.oldest_seconds"),
    Reading("counter", "scorer_samples", "Samples scored and texts embedded.", "scorer.answered"),
    Reading("counter", "scorer_tokens", "Tokens that went through the scorer models.", "scorer.tokens"),
    Reading("counter", "scorer_deaths", "Scorer processes that died or hung and were replaced.", "scorer.deaths"),
    Reading("counter", "scorer_busy_seconds", "Time in requests, over all processes.", "scorer.busy_seconds"),
    Reading("gauge", "scorer_pack_fill_ratio", "Tokens per row of the packs.", "scorer.pack_fill"),
    Reading("gauge", "scorer_memory_peak_bytes", "Main memory of the processes at the most.", "scorer.memory"),
    Reading("gauge", "scorer_gpu_memory_peak_bytes", "GPU memory of the processes at the most.", "scorer.gpu_memory"),
    Reading("gauge", "store_wal_bytes", "Size of the store's write-ahead log.", "store.wal_bytes"),
    Reading("gauge", "store_file_bytes", "Size of the store's file.", "store.file_bytes"),
    Reading("gauge", "config_revision", "Revision of agents.yaml that is in force.", "revision"),
)
_OF_AN_AGENT = (
    Reading("counter", "agent_cost_usd", "US dollars that the agent's answered calls cost.", "usd"),
    Reading("gauge", "agent_in_flight_calls", "Calls that the agent works on.", "in_flight"),
    Reading("gauge", "agent_queued_calls", "Calls that wait for the agent.", "queued"),
    Reading(
        "counter", "agent_candidates", "Candidates of pairs that the agent is part of, base pairs aside.", "candidates"
    ),
    Reading("counter", "agent_wins", "Those of its candidates that were chosen.", "wins"),
)
_OF_A_PAIR = (
    Reading("counter", "pair_candidates", "Candidates that the pair wrote.", "candidates"),
    Reading("counter", "pair_wins", "Candidates of the pair that were chosen.", "wins"),
    Reading("counter", "pair_cost_usd", "US dollars that the pair's candidates cost, where known.", "usd"),
)
_UNITS = ("usd", "calls", "tokens")
_OF_A_BUDGET = {
    unit: (
        Reading("gauge", f"budget_limit_{unit}", "What may be spent.", "limit"),
        Reading("gauge", f"budget_spent_{unit}", "What is spent.", "spent"),
        Reading("gauge", f"budget_reserved_{unit}", "What calls in flight may still take.", "reserved"),
    )
    for unit in _UNITS
}


def families(status: Status) -> Iterator[Metric]:
    """Every metric of a snapshot (what `GET /v1/status` answers)."""
    for number in _NUMBERS:
        yield family(number.kind, number.name, number.text, [({}, _at(status, number.path))])
    yield from _line(status)
    yield from _agents(status)
    yield from _pairs(status)
    budgets = [({"budget": budget["key"]}, budget) for budget in status.get("budgets", ())]
    for unit, of_a_budget in _OF_A_BUDGET.items():
        yield from readings(of_a_budget, [(label, budget) for label, budget in budgets if budget["unit"] == unit])
    reached = [(label, float(bool(budget["reached"]))) for label, budget in budgets]
    yield family("gauge", "budget_reached", "1 where a call was refused for want of this budget.", reached)
    yield _verdicts(status)
    yield from _failures(status)
    yield _gaps(status)
    yield _commits(status)


def _line(status: Status) -> Iterator[Metric]:
    state, seeds = status.get("state"), status.get("seeds", {})
    yield family("gauge", "state", "1 for the state that the daemon is in.", _one_hot("state", STATES, state))
    open_ones = [({"state": name}, seeds.get(name)) for name in ("waiting", "stranded", "working", "quarantined")]
    yield family("gauge", "seeds", "Seeds that have no outcome yet.", open_ones)
    ends = [({"outcome": name}, seeds.get(name)) for name in ("kept", "base", "dropped")]
    yield family("counter", "outcomes", "Outcomes committed, by what became of the seed.", ends)
    if "waiting_for" in status:
        text = "1 while an outage, a budget or a pause keeps the line from taking seeds."
        yield family("gauge", "line_resting", text, [({}, float(status["waiting_for"] is not None))])
    if "config_problems" in status:
        text = "1 where agents.yaml as it stands is in force, 0 where its last edit cannot be used."
        yield family("gauge", "config_last_reload_success", text, [({}, float(not status["config_problems"]))])
    troubles = _at(status, "scorer.troubles")
    if troubles is not None:
        text = "Scorer processes that are missing."
        yield family("gauge", "scorer_troubles", text, [({}, float(len(troubles)))])


def _agents(status: Status) -> Iterator[Metric]:
    known = configured_agents(status)
    agents = [(name, told) for name, told in status.get("agents", {}).items() if known is None or name in known]
    yield from readings(_OF_AN_AGENT, [({"agent": name}, told) for name, told in agents])
    up, limits, deployments = [], [], []
    for name, told in agents:
        if "deployments" not in told:
            continue
        label = {"agent": name}
        breakers = [one["breaker"] for one in told["deployments"]]
        up.append((label, float(not told["is_down"])))
        limits.append((label, float(sum(one["limit"] for one in told["deployments"]))))
        deployments += [({**label, "state": state}, float(breakers.count(state))) for state in _BREAKERS]
    yield family("gauge", "agent_up", "1 where some deployment of the agent takes calls.", up)
    yield family("gauge", "agent_call_limit", "Calls that the agent may have in flight at the moment.", limits)
    yield family("gauge", "agent_deployments", "Deployments by the state of their breaker.", deployments)


def _pairs(status: Status) -> Iterator[Metric]:
    known = configured_pairs(status)
    costs = status.get("pair_costs", {}).items()
    told = [({"pair": name}, cost) for name, cost in costs if known is None or name in known]
    yield from readings(_OF_A_PAIR, told)
    rows = [({"pair": name}, value) for name, value in status.get("pairs", {}).items()]
    yield family("gauge", "pair_probability", "Probability with which the pair is drawn (Eq. 8).", rows)


def configured_agents(status: Status) -> frozenset[str] | None:
    """The agents of agents.yaml; ``None`` where the snapshot does not tell them."""
    agents = _at(status, "config.agents")
    return None if agents is None else frozenset(agents)


def configured_pairs(status: Status) -> frozenset[str] | None:
    """The pairs of agents.yaml, base pairs included; ``None`` where the snapshot does not tell them."""
    pairs = _at(status, "config.pairs")
    return None if pairs is None else frozenset((*pairs, *status["config"].get("base_pairs", ())))


def _verdicts(status: Status) -> Metric:
    referee = status.get("referee") or {}
    ends = {"win": "wins", "tie": "ties", "loss": "losses"}
    rows = [({"outcome": outcome}, referee.get(key)) for outcome, key in ends.items()]
    return family("counter", "referee_verdicts", "Verdicts on a candidate against the base.", rows)


def _failures(status: Status) -> Iterator[Metric]:
    """By part and agent; the reasons, which are texts, stand in the log and in the status."""
    known = configured_agents(status)
    tries: dict[tuple[str, str], int] = {}
    failures: dict[tuple[str, str], int] = {}
    for one in status.get("failures", ()):
        key = (one["part"], one["name"])
        if known is None or one["part"] in ("scorer", "embedder") or one["name"] in known:
            tries[key] = one["tries"]
            failures[key] = failures.get(key, 0) + one["failures"]
    text = "Calls, votes, samples and vectors that failed and were done without."
    rows = [({"part": part, "agent": name}, float(n)) for (part, name), n in failures.items()]
    yield family("counter", "tolerated_failures", text, rows)
    text = "What was asked of the same parts, whatever came of it; told once something failed."
    rows = [({"part": part, "agent": name}, float(n)) for (part, name), n in tries.items()]
    yield family("counter", "tolerated_failure_tries", text, rows)
    if "held_because" in status:
        text = "1 while failures beyond failure_limits keep the line from taking seeds."
        yield family("gauge", "failure_hold", text, [({}, float(bool(status["held_because"])))])


def _gaps(status: Status) -> Metric:
    """A histogram without a sum: gaps may be negative, and then a sum is no counter (OpenMetrics 1.0, Histogram)."""
    metric = Metric(f"{PREFIX}ifd_gap", "IFD_small - IFD_large of candidates (numerator of Eq. 5).", "histogram")
    gaps: Status = status.get("gaps") or {}
    for outcome, key in (("chosen", "chosen"), ("other", "others")):
        below, bins = 0, gaps.get(key, ())
        for number, count in enumerate(bins, 1):
            below += count
            # The last bin holds everything above it too.
            edge = "+Inf" if number == len(bins) else str(round(gaps["low"] + number * gaps["width"], 9))
            metric.add_sample(f"{PREFIX}ifd_gap_bucket", {"outcome": outcome, "le": edge}, float(below))
    return metric


def _commits(status: Status) -> Metric:
    name, store = f"{PREFIX}store_commit_duration_seconds", status.get("store")
    metric = Metric(name, "Transactions of the store and the time that they took.", "summary")
    if store:
        metric.add_sample(f"{name}_count", {}, float(store["commits"]))
        metric.add_sample(f"{name}_sum", {}, float(store["commit_seconds"]))
    return metric


def readings(wanted: Sequence[Reading], told: Sequence[tuple[Mapping[str, str], Status]]) -> Iterator[Metric]:
    """A metric for each reading, with a sample for each thing that is told of."""
    for one in wanted:
        rows = [(labels, _at(values, one.path)) for labels, values in told]
        yield family(one.kind, one.name, one.text, rows)


def family(kind: Kind, name: str, text: str, rows: Iterable[Row]) -> Metric:
    """One metric; ``name`` without its prefix."""
    metric = Metric(PREFIX + name, text, kind)
    sample = metric.name + ("_total" if kind == "counter" else "")
    for labels, value in rows:
        if value is not None:
            metric.add_sample(sample, dict(labels), float(value))
    return metric


def _one_hot(label: str, values: Iterable[str], value: object) -> list[Row]:
    return [({label: one}, float(one == value)) for one in values] if value is not None else []


def _at(data: Any, path: str) -> Any:
    """What stands at a dotted path; ``None`` where the path breaks off."""
    for key in path.split("."):
        if not isinstance(data, Mapping):
            return None
        data = data.get(key)
    return data
