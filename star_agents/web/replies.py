"""What the routes answer, as models. They document; nothing is made or checked by them while the daemon works, and a
test holds real answers against them. Fields that a later release adds are allowed everywhere.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["starting", "ready", "paused", "draining"]
Usd = float


class Reply(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class RowProblem(Reply):
    """One thing wrong in what was sent."""

    where: str
    field: str
    message: str
    fix: str


class ProblemDocument(Reply):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    problems: list[RowProblem] = []
    """Of seeds that could not be taken in: every bad row."""


# Seeds


class Taken(Reply):
    """What became of the seeds that were sent."""

    new: int
    duplicates: int
    """How many were known already; they are taken once."""
    repeated: int = 0
    """How many only repeat an earlier row of the request."""
    not_read: list[str] = []
    """What of the rows no agent will see, a sentence each."""


class Quarantined(Reply):
    """A seed that is not worked any more: the process died with it in hand three times."""

    id: str
    deaths: int
    source: str


class Quarantine(Reply):
    """The seeds that were set aside."""

    seeds: list[Quarantined]


class ReleaseByName(Reply):
    """Which seeds to queue again."""

    model_config = ConfigDict(extra="forbid")
    seeds: list[str] = Field(min_length=1)


class ReleaseAll(Reply):
    """Every seed that was set aside is to be queued again."""

    model_config = ConfigDict(extra="forbid")
    all: Literal[True]


class Released(Reply):
    """How many were queued again."""

    released: int


# Outcomes


class OutcomeSummary(Reply):
    """How a seed ended, on one line."""

    seq: int
    at: float
    """Seconds since 1970."""
    seed_id: str
    kind: Literal["kept", "base", "dropped"]
    reason: str
    pair: str | None
    """Who wrote what was chosen."""
    pi: float | None
    gap: float | None
    ifd_small: float | None
    ifd_large: float | None
    cost_usd: Usd | None
    candidates: int
    failed: int
    question: str
    """How the seed's instruction begins."""


class OutcomePage(Reply):
    """Outcomes, and the cursor of the next page."""

    outcomes: list[OutcomeSummary]
    next_before: int | None = None
    """Going back; null on the last page."""
    next_after: int | None = None
    """Going on; always there where `after` was given."""


class SeedStory(Reply):
    """Everything about one seed: what was drawn for it, what was asked, and how it ended, each time that it did."""

    seed: dict[str, Any]
    draw: dict[str, Any] | None
    calls: list[dict[str, Any]]
    outcomes: list[dict[str, Any]]
    """Newest first, each with every candidate side by side, and why the chosen one was chosen."""


class CurvePoint(Reply):
    """The probabilities after an outcome."""

    seq: int
    at: float
    probabilities: dict[str, float]


class ConfigMark(Reply):
    """An edit of agents.yaml that came into force."""

    revision: int
    seq: int
    """The newest outcome when it did."""
    at: float
    changes: list[str]


class Curve(Reply):
    """At most a thousand points from the first outcome to now, and the edits of agents.yaml on the way."""

    points: list[CurvePoint]
    marks: list[ConfigMark]


# State


class Agent(Reply):
    """How an agent does. What it does right now is there only while it is in agents.yaml."""

    calls: int
    usd: Usd | None
    """Sum of the known prices; null where nothing is known of it."""
    calls_of_unknown_price: int
    usd_per_call: Usd | None


class Agents(Reply):
    """Every agent that was ever called."""

    agents: dict[str, Agent]


class Pair(Reply):
    """What a pair did for the finished seeds."""

    probability: float | None
    """Null for base pairs, which are not drawn, and for pairs that are gone."""
    candidates: int
    wins: int
    usd: Usd | None
    """Sum of the known costs; null where nothing is known of it."""
    candidates_of_unknown_cost: int
    usd_per_win: Usd | None


class Pairs(Reply):
    """Every pair that was ever asked."""

    pairs: dict[str, Pair]


class Seeds(Reply):
    """Seeds by state."""

    waiting: int
    working: int
    kept: int
    base: int
    dropped: int
    quarantined: int
    stranded: int
    """Those that wait for a recipe which is not in the chain."""


class Stranded(Reply):
    """Seeds that wait for a recipe which is not in the chain."""

    recipe: str
    """Empty for seeds from outside, which the first recipe takes."""
    kind: str
    seeds: int
    sentence: str
    """In words, with what to do."""


class FailureCount(Reply):
    """How often one part failed for one reason."""

    part: Literal["agent", "referee", "scorer", "embedder", "usage", "seeds"]
    name: str
    """Of the agent, embedder or seed file; empty for the scorer."""
    reason: str
    failures: int
    tries: int
    """Of the part, whatever came of them."""
    example: str
    """What was said the first time."""
    sentence: str
    """All of it in words."""


class MeasureFacts(Reply):
    """What came of something that a recipe measures of its trials."""

    name: str
    what: str
    """In words."""
    better: Literal["high", "low", ""]
    """Which way is better; empty where neither is."""
    low: float
    """Where the histogram begins; what lies below counts in its first bin."""
    high: float
    """Where it ends; what lies above counts in its last bin."""
    values: int
    mean: float | None
    sum: float
    histogram: list[int]
    """Values by bins of equal width."""


class RecipeFacts(Reply):
    """What a recipe did so far."""

    takes: list[str]
    """Kinds of seeds: `sample`, `instruction`, `document`."""
    in_chain: bool
    """Whether agents.yaml has it; what is no longer there keeps its numbers."""
    outcomes: dict[str, int]
    """By kind."""
    rows: dict[str, int]
    """What it gave to the dataset, by shape: `sft`, `preference`, `reward`, `instruction`."""
    children: int
    """Seeds that it gave to the next recipe."""
    trials: int
    failed_trials: dict[str, int]
    """By kind of failure."""
    measures: dict[str, MeasureFacts]


class Arm(Reply):
    """What an arm of a pool was drawn for, and what it earned."""

    probability: float | None
    """Null for one that is gone."""
    draws: int
    rewards: int
    mean_reward: float | None
    """From 0 to 1; null before the first."""


class Pool(Reply):
    """What a recipe draws from."""

    arms: dict[str, Arm]


class Status(Reply):
    """Everything in numbers."""

    version: str
    state: State
    pid: int
    revision: int
    config_problems: list[str]
    """What keeps an edit of agents.yaml from being in force."""
    waiting_for: dict[str, Any] | None
    """Why no seed is taken from the queue, and until when."""
    held_because: str
    """What failed beyond `failure_limits`, so that no seed is taken until somebody has mended it; else empty."""
    started_at: float
    now: float
    latest_seq: int
    seeds: Seeds
    stranded: list[Stranded]
    rate: dict[str, float | None]
    calls: dict[str, int]
    cost: dict[str, float | None]
    budgets: list[dict[str, Any]]
    agents: dict[str, Agent]
    pairs: dict[str, float]
    pair_costs: dict[str, dict[str, Any]]
    win_rates: dict[str, dict[str, float | None]]
    """How often the answers of each pair that is drawn were chosen, with a 95 % interval (Wilson)."""
    best_pair: str | None
    """The pair whose interval lies above every other's; null where chance may order them."""
    best_agent: str | None
    gaps: dict[str, Any]
    """Histogram of IFD gaps: of what was chosen, and of the other candidates."""
    recipes: dict[str, RecipeFacts]
    """By name: those of the chain in its order, then those that are no longer in it."""
    pools: dict[str, Pool]
    """By `recipe.pool`; Star's pairs stand in `pairs`."""
    referee: dict[str, Any]
    """Verdicts and votes in numbers; ``exam``: how the judges did in theirs, and who could not sit it."""
    failures: list[FailureCount]
    """What failed and was done without, so far."""
    memory: dict[str, float | None]
    scorer: dict[str, Any] | None
    store: dict[str, float]
    config: dict[str, Any]


class Switched(Reply):
    """The state after pausing or resuming."""

    state: State


class LogLines(Reply):
    """Lines of the log, oldest first."""

    lines: list[dict[str, Any]]


class Live(Reply):
    """The event loop turns."""

    live: Literal[True]


Conditions = dict[str, bool | str]
"""Each condition of being ready, by name; and a `reason`, where failures passed a limit."""
