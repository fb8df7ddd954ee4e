"""What the routes answer, as models. They document; nothing is made or checked by them while the daemon works, and a
test holds real answers against them. Fields that a later release adds are allowed everywhere.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from star_agents.observe.status import AgentAtWork, CalledAgent, PairCost, State, told

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


class Agents(Reply):
    """Every agent that was ever called."""

    agents: dict[str, AgentAtWork | CalledAgent]


@told
class Pair(PairCost):
    """What an agent-pair did for the finished seeds."""

    probability: float | None
    """Null for base pairs, which are not drawn, and for pairs that are gone."""


class Pairs(Reply):
    """Every pair that was ever asked."""

    pairs: dict[str, Pair]


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
