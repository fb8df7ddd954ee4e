"""What a folder or a daemon has done so far, and how it does: one model for whoever tells it or is told.

The engine builds it. The command line, the Python API, the metrics and the page's API read it, and from it OpenAPI and
the page's types are made. Open to every room. Costs are US dollars and sums of what is known; how much is not known
stands beside each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from star_agents.observe.status.agents import (
    Agent,
    AgentAnswers,
    AgentAtWork,
    AgentState,
    BudgetState,
    CalledAgent,
    DeploymentState,
    Latency,
    ThrottleState,
)
from star_agents.observe.status.batches import AgentBatches, BatchAtWork, Batches
from star_agents.observe.status.egress import EgressProcess, EgressState
from star_agents.observe.status.model import plain, view_model
from star_agents.observe.status.recipes import Arm, Grown, JudgeScale, Measured, Pool, RecipeState, RefusedArm
from star_agents.observe.status.servers import ServerState
from star_agents.observe.status.star import Exams, Gaps, JudgeExam, Memory, PairCost, Referee, WinRate
from star_agents.observe.status.target import Target
from star_agents.observe.status.turns import ByLabel, Turn, Turns, Values
from star_agents.records.failures import Part

__all__ = [
    "Agent",
    "AgentAnswers",
    "AgentAtWork",
    "AgentBatches",
    "AgentState",
    "Arm",
    "BatchAtWork",
    "Batches",
    "BudgetState",
    "ByLabel",
    "CalledAgent",
    "Calls",
    "Cost",
    "DeploymentState",
    "EgressProcess",
    "EgressState",
    "Exams",
    "FailureTold",
    "FolderStatus",
    "Gaps",
    "Grown",
    "JudgeExam",
    "JudgeScale",
    "Latency",
    "LineStatus",
    "Measured",
    "Memory",
    "PairCost",
    "Pool",
    "Rate",
    "RecipeState",
    "Referee",
    "RefusedArm",
    "ScorerState",
    "SeedPart",
    "Seeds",
    "ServerState",
    "Settings",
    "State",
    "Status",
    "StoreState",
    "Stranded",
    "Target",
    "ThrottleState",
    "Turn",
    "Turns",
    "Values",
    "Waiting",
    "WinRate",
    "plain",
    "told",
]


State = Literal["starting", "ready", "paused", "draining", "stopped"]
"""Of a daemon."""


@view_model
class Seeds:
    """Seeds by state; every seed counts once."""

    waiting: int
    working: int
    kept: int
    """Became rows; of Star, those that it improved."""
    base: int
    """Kept as their base."""
    dropped: int
    quarantined: int
    """Their work killed the process; a person may release them."""
    stranded: int
    """They wait for a recipe which is not in the chain, or for the turn of their part."""
    catching_up: int
    """Of those that wait or are worked: they add to what they have what agents.yaml asks for now."""

    @property
    def total(self) -> int:
        """Every seed that there is."""
        return self.waiting + self.working + self.kept + self.base + self.dropped + self.quarantined + self.stranded


@view_model
class Stranded:
    """Seeds that wait for a recipe which is not in the chain, or for the turn of their part."""

    recipe: str
    """Empty for seeds from outside, which the first recipe takes."""
    kind: str
    """``sample``, ``instruction`` or ``document``; empty where they wait for their part."""
    seeds: int
    parts: Mapping[str, int]
    """How many are of which part, where it is not worked now."""
    sentence: str
    """In words, with what to do."""


@view_model
class SeedPart:
    """The seeds of one part, by state."""

    seeds: int
    waiting: int
    working: int
    quarantined: int
    done: int


@view_model
class Calls:
    """Calls to agents over the life of the store."""

    answered: int
    pending: int
    """Sent without an answer yet: in flight, or cut off when a daemon was killed."""
    maybe_paid_twice: int
    """Sent again because no answer had been recorded."""
    prompt_tokens: int
    completion_tokens: int


@view_model
class Cost:
    """US dollars over the life of the store."""

    usd: float | None
    """Sum of the known prices; null where nothing is known of it."""
    calls_of_unknown_price: int
    usd_per_sample: float | None
    """Per seed that became a sample; null before the first."""
    usd_per_improved: float | None
    """Per seed that was kept and not as its base; null before the first."""
    projected_usd: float | None
    """What it will have cost once every seed is done, if the rest is like those that are; null before the first."""


@view_model
class FailureTold:
    """How often one part failed for one reason, and was done without."""

    part: Part
    name: str
    """Of the agent, embedder, seed file or recipe; empty for the scorer."""
    reason: str
    failures: int
    tries: int
    """Of the part, whatever came of them."""
    example: str
    """What was said the first time."""
    sentence: str
    """All of it in words."""


@view_model
class FolderStatus:
    """What the store of a folder says: all there is where nobody is at work."""

    seeds: Seeds
    stranded: Sequence[Stranded]
    parts: Mapping[str, SeedPart]
    """Of the seeds, by name; empty where they are not divided."""
    calls: Calls
    cost: Cost
    budgets: Sequence[BudgetState]
    batches: Batches
    """Of providers, at half the price."""
    target: Target | None
    """Null where all rows are wanted that come."""
    agents: Mapping[str, Agent]
    """Every agent that is configured, was paid, or wrote something."""
    pairs: Mapping[str, float]
    """Agent-pairs that are drawn, with the probability of each."""
    pair_costs: Mapping[str, PairCost]
    """Every agent-pair that wrote for a finished seed."""
    win_rates: Mapping[str, WinRate]
    """How often the answers of each pair that is drawn were chosen."""
    best_pair: str | None
    """The pair whose interval lies above every other's; null where chance may order them."""
    best_agent: str | None
    """Likewise the agent."""
    gaps: Gaps
    recipes: Mapping[str, RecipeState]
    """By name: those of the chain in its order, then those that are no longer in it."""
    pools: Mapping[str, Pool]
    """By ``recipe.pool``; Star's pairs stand in ``pairs``."""
    turns: Mapping[str, Turns]
    """What the pools turned to whose recipe gives children to another one, and how seeds of an arena ended by what
    stands in their columns; by pool or column. GET /v1/turns/NAME tells all rows of one."""
    referee: Referee
    exams: Mapping[str, Exams]
    """By recipe whose judges give points: how each did in the exam of that form."""
    scales: Sequence[JudgeScale]
    """What rewards of reward models that judge stand for."""
    failures: Sequence[FailureTold]
    """What failed and was done without."""
    refused: Sequence[RefusedArm]
    """Of the instructions that recipes made, those refused, by the arm that they were drawn for: the forty arms of
    which most were."""
    memory: Memory

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as JSON has it."""
        found: dict[str, Any] = plain(self)
        return found


@view_model
class Waiting:
    """Why no seed is taken from the queue."""

    reason: str
    until: float | None
    """Seconds since 1970 at which it is tried again; null: once agents.yaml has changed, or somebody resumes."""


@view_model
class Rate:
    """How fast it goes."""

    seeds_per_minute: float
    """Of the last five minutes."""
    seeds_per_minute_overall: float
    """Since the process started."""
    usd_per_hour: float | None
    """US dollars, of the last five minutes; null where nothing is known of it."""
    eta_s: float | None
    """Seconds until every seed is done at this pace; null while nothing moves."""


@view_model
class ScorerPlace:
    """A scorer process that runs on another machine."""

    name: str
    """Of its node."""
    works: bool
    """Whether a process runs there; false while it starts."""
    tokens: int
    """Tokens that went through its models so far."""


@view_model
class ScorerState:
    """How the scorer does, over all of its processes."""

    workers: int
    """Processes that run."""
    waiting: int
    """Items that are in no request yet."""
    oldest_seconds: float
    """Age of the call that waits the longest; 0 where none waits."""
    answered: int
    """Items answered so far: samples scored and texts embedded."""
    tokens: int
    """Tokens that went through models so far."""
    busy_seconds: float
    """Time in requests, summed over the processes."""
    pack_fill: float
    """Tokens per row of the packs: below 1 by padding, above 1 where prompts were shared; 0 before the first pack."""
    memory: int
    """Bytes of main memory at the most, summed over the processes."""
    gpu_memory: int
    """Likewise of GPU memory."""
    deaths: int
    """Processes that died or hung so far; another one took the place of each."""
    moved: int
    """Items that were asked again elsewhere, since the machine that had them was lost."""
    places: Sequence[ScorerPlace]
    """The processes on other machines; empty where the scorer runs on this one."""
    troubles: Sequence[str]
    """Why processes are missing that should be there."""
    answered_per_second: float
    """Throughput of all processes while they were busy."""
    tokens_per_second: float
    """Likewise in tokens."""


@view_model
class StoreState:
    """How the store's writer does."""

    commits: int
    """Transactions so far."""
    commit_seconds: float
    """Time in them, syncing to disk included."""
    file_bytes: int
    wal_bytes: int
    """Size of the write-ahead log; it is used anew from its beginning and shrinks only at the end."""


@view_model
class Settings:
    """The settings in force that a reader of numbers has to know."""

    revision: int
    """Of agents.yaml."""
    agents: Sequence[str]
    pairs: Sequence[str]
    """Agent-pairs that are drawn."""
    base_pairs: Sequence[str]
    candidates: int
    """Pairs drawn for each seed."""
    selection: str
    small: str | None
    """The small scorer model; null where none is needed."""
    large: str | None


@view_model
class LineStatus(FolderStatus):
    """Everything about a line at work but its process."""

    agents: Mapping[str, AgentAtWork | CalledAgent]
    """Every agent that is configured, was paid, or wrote something. What it does right now is told only while it is in
    agents.yaml."""
    started_at: float
    """Seconds since 1970."""
    now: float
    """Likewise."""
    latest_seq: int
    """Number of the newest outcome; 0 before the first."""
    revision: int
    """Of agents.yaml."""
    waiting_for: Waiting | None
    """Null while seeds are taken."""
    held_because: str
    """What failed beyond ``failure_limits``, so that no seed is taken until somebody has mended it; else empty."""
    rate: Rate
    scorer: ScorerState | None
    """Null where none is loaded."""
    store: StoreState
    servers: Sequence[ServerState]
    """Those of `serve` in agents.yaml."""
    egress: EgressState | None
    """Null where this process sends all calls itself."""
    config: Settings


@view_model
class Status(LineStatus):
    """Everything about a daemon, in numbers."""

    version: str
    """Of star_agents."""
    state: State
    pid: int
    config_problems: Sequence[str]
    """What keeps an edit of agents.yaml from being in force."""
