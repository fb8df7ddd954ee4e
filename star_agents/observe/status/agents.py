"""The agents and the budgets of a status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from star_agents.observe.status.model import view_model


@view_model
class DeploymentState:
    """One deployment of an agent, right now."""

    name: str
    breaker: Literal["closed", "open", "half_open"]
    """``closed`` while it takes calls, ``open`` while it is down, ``half_open`` while one call tries it."""
    limit: int
    """Calls that may be in flight."""
    in_flight: int
    """Calls."""
    opens_in_s: float | None
    """Seconds until it may be tried; null where it may be tried now, or its probe is out."""
    last_error: str | None
    """What it failed with, or what its server waits for; null once it has answered again."""
    is_held: bool
    """Its server is started beside the work, and cannot be asked now."""


@view_model
class ThrottleState:
    """One cause that slows an agent down right now."""

    cause: Literal["429", "requests_per_minute", "tokens_per_minute"]
    """``429``: its provider's. The others: the key of agents.yaml."""
    for_s: float
    """Seconds since it began."""


@view_model
class AgentState:
    """How an agent does right now, as the one who sends its calls knows it."""

    in_flight: int
    """Calls that it works on."""
    queued: int
    """Calls that wait for it."""
    is_down: bool
    """None of its deployments takes calls; those that are asked for wait."""
    deployments: Sequence[DeploymentState]
    throttled: Sequence[ThrottleState]
    """What slows it down: its provider's 429s, its own requests or tokens per minute."""


@view_model
class Latency:
    """Seconds from asking to the answer, of the newest answers."""

    p50: float
    """Half of them took no longer."""
    p95: float
    """Of twenty, nineteen took no longer."""


@view_model
class AgentAnswers:
    """How the calls to an agent ended since the process started."""

    failed: int
    """Calls that its providers failed, all their tries together."""
    errors: Mapping[str, int]
    """Calls without an answer by how they ended: ``rate_limited``, ``unavailable``, ``refused``, ``budget``,
    ``cancelled``."""
    retries: int
    """Tries after the first."""
    latency_s: Latency | None
    """Null before the first answer."""
    tokens_per_second: float | None
    """Completion tokens per second of the newest answers; null before the first."""


@view_model
class Agent:
    """What an agent was paid and what came of it, over the life of the store."""

    calls: int
    """Answered ones."""
    usd: float | None
    """US dollars: the sum of the known prices; null where nothing is known of it."""
    calls_of_unknown_price: int
    usd_per_call: float | None
    """US dollars per call of known price; null before the first."""
    candidates: int
    """Answers of pairs that it is part of, base pairs aside."""
    wins: int
    """Those of them that were chosen."""
    win_rate: float | None
    """Share of its candidates that were chosen, from 0 to 1; null before the first."""
    win_rate_low: float
    """Where the 95 % interval of that share begins (Wilson)."""
    win_rate_high: float
    """Where it ends."""


@view_model
class CalledAgent(AgentAnswers, Agent):
    """An agent while a daemon is at work; agents.yaml need not have it any more."""


@view_model
class AgentAtWork(AgentState, CalledAgent):
    """An agent of agents.yaml while a daemon is at work."""


@view_model
class BudgetState:
    """One budget of agents.yaml and where it stands; amounts are in its unit."""

    key: str
    """Where agents.yaml sets it, such as ``agents.gpt.budget_usd_per_day``."""
    unit: Literal["usd", "calls", "tokens"]
    limit: float
    """What may be spent."""
    spent: float
    """What is spent."""
    reserved: float
    """What calls in flight may still take."""
    resets_at: float | None
    """Seconds since 1970 when a daily budget begins anew; null for one that holds for the life of the store."""
    reached: str
    """Why a call was refused, in one sentence; empty while the budget is not reached."""
