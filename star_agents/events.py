"""What happened, as frozen values. Whoever wants to know hears them from the bus; nobody here knows who listens.

``name`` is the stable event name in logs. Texts of prompts and replies never stand in an event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from star_agents.errors import Problem
from star_agents.records import Outcome
from star_agents.records.batch_events import BatchEnded as BatchEnded
from star_agents.records.batch_events import BatchSubmitted as BatchSubmitted
from star_agents.records.batch_events import BatchTroubled as BatchTroubled
from star_agents.records.connection_events import ConnectionNoted as ConnectionNoted
from star_agents.records.connection_events import EgressLost as EgressLost
from star_agents.records.event import Event as Event
from star_agents.records.index_events import IndexNotWritten as IndexNotWritten
from star_agents.records.index_events import IndexRenewed as IndexRenewed
from star_agents.records.server_events import ServerChanged as ServerChanged
from star_agents.records.target_events import TargetReached as TargetReached


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedsAdded(Event):
    """Seeds were taken in, durably."""

    name: ClassVar[str] = "seeds_added"
    source: str
    new: int
    duplicates: int
    repeated: int = 0
    """Rows that only repeat an earlier one of the same file or request."""
    not_read: tuple[str, ...] = ()
    """What of the rows no agent will see, a sentence each."""

    @property
    def words(self) -> str:
        """What became of the rows, for people."""
        told = f"{self.new:,} new {'seed' if self.new == 1 else 'seeds'}, {self.duplicates:,} known already"
        return told + (f", {self.repeated:,} repeated within it" if self.repeated else "")


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedsReopened(Event):
    """Finished seeds are worked once more, to add what agents.yaml now asks for; or no longer wait for that."""

    name: ClassVar[str] = "seeds_reopened"
    message: str
    seeds: int
    """That were reopened."""
    calls: int
    """That they lack, about."""
    kinds: Mapping[str, int]
    """By kind of outcome, how many more of those that have one wait now; below 0: fewer."""
    left_out: Mapping[str, int]
    """Seeds that cannot add to what they have, by reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedsRejected(Event):
    """A file or request held rows that cannot be seeds; nothing of it was taken in."""

    name: ClassVar[str] = "seeds_rejected"
    source: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class IntakeWaits(Event):
    """A file of the inbox is not read yet, or will be read again: somebody may still be writing it."""

    name: ClassVar[str] = "intake_waits"
    source: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PairsDrawn(Event):
    """It is recorded which pairs will write for a seed."""

    name: ClassVar[str] = "pairs_drawn"
    seed_id: str
    pairs: tuple[str, ...]
    """Those of the pool, in order of drawing; base pairs are always called and not drawn."""
    from_memory: int
    """How many of them won on similar instructions before; 0: the memory bank knew none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CallAnswered(Event):
    """An agent answered, or the journal did so for it."""

    name: ClassVar[str] = "call_answered"
    seed_id: str
    step: str
    agent: str
    model: str
    seconds: float
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    from_journal: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CallFailed(Event):
    """A call to an agent failed after all its tries."""

    name: ClassVar[str] = "call_failed"
    seed_id: str
    step: str
    agent: str
    seconds: float
    outcome: str
    """What kind of failure: ``rate_limited``, ``unavailable`` or ``refused``."""
    error: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CallEnded(Event):
    """A call to an agent is over, all its tries together; told beside `CallAnswered` or `CallFailed`, and also where
    a budget refused it or nobody waits for it any more. The journal's answers make no such event."""

    name: ClassVar[str] = "call_ended"
    agent: str
    model: str
    seconds: float
    """From asking to the end, queue and waits included."""
    outcome: str
    """``ok``, ``rate_limited``, ``unavailable``, ``refused``, ``budget``, ``cancelled``, or ``lost`` with the process
    that sent it, after which it is sent again."""
    retries: int
    """Tries after the first, those after a 429 included."""
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class OutcomeCommitted(Event):
    """A seed's outcome is durable, and the probabilities that follow from it are in force."""

    name: ClassVar[str] = "outcome_committed"
    seq: int
    outcome: Outcome
    probabilities: Mapping[str, float]
    seconds: float
    """From taking the seed to this commit."""
    new_children: int = 0
    """Seeds that were queued with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigApplied(Event):
    """An edit of agents.yaml is in force."""

    name: ClassVar[str] = "config_applied"
    revision: int
    changes: tuple[str, ...]
    """What changed, for people: ``+ agent mistral``, ``- pair keep/phi``."""
    needs_restart: tuple[str, ...] = ()
    """Changed sections that only a restart puts in force."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigRejected(Event):
    """An edit of agents.yaml cannot be used; the one before stays in force."""

    name: ClassVar[str] = "config_rejected"
    problems: tuple[Problem, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigMended(Event):
    """agents.yaml is good again after an edit that could not be used; what it changes, if anything, stands in
    `config_applied`."""

    name: ClassVar[str] = "config_mended"
    revision: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigNoted(Event):
    """A key of agents.yaml stands at an old place of it, which the next release no longer takes: line, old and new
    name, and the command that prints the file rewritten."""

    name: ClassVar[str] = "config_noted"
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceNoted(Event):
    """An agent counts as free because its server is near, or nobody knows its price; told once, before it is called."""

    name: ClassVar[str] = "price_noted"
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetReached(Event):
    """A call could have passed a budget and was not sent; told once, whoever else is refused after it."""

    name: ClassVar[str] = "budget_reached"
    message: str
    """Which budget, what is spent, the limit, the key to raise, and when it begins anew."""
    resets_at: float | None = None
    """Seconds since 1970; ``None`` for a budget that holds for the life of a store."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetCleared(Event):
    """A budget that was reached allows calls again: it was raised, or its day is over."""

    name: ClassVar[str] = "budget_cleared"
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgingNoted(Event):
    """What a person should know of how candidates are judged, because `referee.orders` is `one`; told once."""

    name: ClassVar[str] = "judging_noted"
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeExamined(Event):
    """A judge's exam is known: it sat it, or the store has its result."""

    name: ClassVar[str] = "judge_examined"
    judge: str
    """Name of the agent, as in agents.yaml."""
    model: str
    planted: int
    """Planted pairs, each shown in both orders."""
    right: int
    """Pairs in which both orders named the better answer."""
    unreadable: int
    """Orders, two for each pair, in which no reply could be read."""
    position_bias: float | None
    """Share of the pairs in which both orders named the same place; ``None``: answers have no place, as a reward model
    measures them."""
    passed: bool
    """Whether enough pairs are right: 17 of 24."""
    judges: bool
    """Whether it is in the jury."""
    from_store: bool
    """Whether it was sat before, and is not paid again."""
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeNotExamined(Event):
    """A judge could not sit its exam, so that it does not judge for now."""

    name: ClassVar[str] = "judge_not_examined"
    judge: str
    """Name of the agent, as in agents.yaml."""
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeScaled(Event):
    """Rewards of a judge that is a reward model stand for points from here on: the map is made, and stays."""

    name: ClassVar[str] = "judge_scaled"
    judge: str
    """``reward:MODEL``."""
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedReturned(Event):
    """A seed is back in the queue: agents that it needs are down, and that is no fault of its own."""

    name: ClassVar[str] = "seed_returned"
    seed_id: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptChanged(Event):
    """A seed that is worked again asks under a step what it did not ask there before: its recipe, prompt or parameters
    have changed. What was answered then is kept, and not used."""

    name: ClassVar[str] = "prompt_changed"
    seed_id: str
    step: str
    agent: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentChanged(Event):
    """A deployment of an agent failed too often (``opened``), is tried again (``half-opened``), is up again
    (``closed``), or its provider asked for a rest (``paused``)."""

    name: ClassVar[str] = "deployment_changed"
    agent: str
    deployment: str
    what: str
    error: str = ""
    """What it failed with last, without secrets; empty where it has answered since."""

    @property
    def message(self) -> str:
        """For people who wait for it."""
        if self.what == "closed":
            return f"agent {self.agent}: {self.deployment} is up again"
        return (
            f"agent {self.agent}: {self.deployment} is down ({self.error}); calls wait for it, at most for its "
            "`give_up_after_s`, and it is tried again meanwhile"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ScorerTrouble(Event):
    """A scorer process died, hung, or was stopped by somebody; another one takes its place and its work."""

    name: ClassVar[str] = "scorer_trouble"
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FailureFirstSeen(Event):
    """A part failed for a reason for which it had not failed before in this store; the work goes on without it."""

    name: ClassVar[str] = "failure_first_seen"
    part: str
    """``agent``, ``referee``, ``scorer``, ``recipe``, ``tool``, ...; ``usage``: what its provider says replies took."""
    agent: str
    """Its name; empty for the scorer."""
    reason: str
    """In words that are the same each time; what was said stands in the status."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FailureLimitPassed(Event):
    """More failed than `failure_limits` allows: a batch stops, a daemon takes no seed."""

    name: ClassVar[str] = "failure_limit_passed"
    message: str
    """What failed, how often, and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FailureHoldLifted(Event):
    """Seeds are taken again after `failure_limit_passed`; failures are counted anew."""

    name: ClassVar[str] = "failure_hold_lifted"
    why: str
    """``agents.yaml was edited`` or ``resumed``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentThrottled(Event):
    """An agent begins to be slowed down: its provider answers 429, or its own requests or tokens per minute are used
    up; told once, whatever else is rejected until it is over."""

    name: ClassVar[str] = "agent_throttled"
    agent: str
    cause: str
    """``429``, ``requests_per_minute`` or ``tokens_per_minute``."""
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentUnthrottled(Event):
    """An agent is no longer slowed down: there was no sign of it for two minutes."""

    name: ClassVar[str] = "agent_unthrottled"
    agent: str
    cause: str
    """``429``, ``requests_per_minute`` or ``tokens_per_minute``."""
    seconds: float
    """How long it lasted."""
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TelemetryFailed(Event):
    """The environment asks for OpenTelemetry, and it cannot work; everything else goes on."""

    name: ClassVar[str] = "telemetry_failed"
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StateChanged(Event):
    """The daemon starts, is ready, is paused, drains or stops."""

    name: ClassVar[str] = "state_changed"
    state: str
    detail: str = ""
