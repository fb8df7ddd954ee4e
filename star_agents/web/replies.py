"""What the routes answer beside the status and the stories of seeds, as the values that they answer with.

OpenAPI and the page's types are made from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from star_agents.config.changes import ConfigMark
from star_agents.errors import Problem
from star_agents.observe.status import AgentAtWork, CalledAgent, PairCost, State, WinRate
from star_agents.observe.status.model import view_model
from star_agents.observe.stories import CurvePoint, OutcomeSummary, QuarantinedSeed


@view_model
class ProblemDocument:
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    problems: Sequence[Problem] = ()
    """Of seeds that could not be taken in: every bad row."""


# Seeds


@view_model
class Taken:
    """What became of the seeds that were sent."""

    new: int
    duplicates: int
    """How many were known already; they are taken once."""
    repeated: int = 0
    """How many only repeat an earlier row of the request."""
    not_read: Sequence[str] = ()
    """What of the rows no agent will see, a sentence each."""


@view_model
class Quarantine:
    """The seeds that were set aside."""

    seeds: Sequence[QuarantinedSeed]


class ReleaseByName(BaseModel):
    """Which seeds to queue again."""

    model_config = ConfigDict(extra="forbid")
    seeds: Annotated[list[str], Field(min_length=1)]


class ReleaseAll(BaseModel):
    """Every seed that was set aside is to be queued again."""

    model_config = ConfigDict(extra="forbid")
    all: Literal[True]


@view_model
class Released:
    """How many were queued again."""

    released: int


# An arena


@view_model
class RatedPlayer:
    """How strong a player is."""

    player: str
    """Its agent."""
    standing: str
    """`rated`; or `wins all`, `loses all`, `unrated`, for which no rating fits."""
    rating: float | None
    """Elo points; null unless rated."""
    low: float | None
    """Ends of the 95 % interval; null: open on that side."""
    high: float | None
    battles: int
    wins: int
    ties: int
    losses: int


@view_model
class ArenaJudge:
    """How far a judge can be trusted, by its own games. Shares have intervals of their own."""

    judge: str
    games: int
    unreadable: int
    """Games whose reply could not be read, though it was asked once more."""
    both_orders: int
    """Battles that it judged in both orders: what the shares are of."""
    agreement: WinRate
    """Battles whose two orders name the same winner, or both none."""
    by_position: WinRate
    """Battles of which each order names the answer at the same place."""
    first_won: WinRate
    """Decided games won by what was shown first; fair is one half."""
    has_position: bool
    """False of a reward model, which measures each answer by itself: of orders and places nothing can be said."""
    first_bonus: float | None
    """Points by which what is shown first is favoured."""
    longer_won: WinRate
    """Decided battles won by the longer answer."""
    own_battles: int
    """Battles in which it plays, too, and that others judged as well."""
    self_preference: float | None
    """Points by which it favours its own answers over what other judges think of them; null without such battles."""


@view_model
class Leaderboard:
    """Ratings of the players of an arena: a Bradley-Terry fit, with intervals from a bootstrap over prompts."""

    seq: int
    """The newest outcome in it."""
    anchor: str
    """Player whose rating is fixed; empty where nobody played."""
    anchor_rating: float
    prompts: int
    battles: int
    one_order_only: int
    """Battles of a judge with one order that can be read; they do not count."""
    players: Sequence[RatedPlayer]
    """The strongest first."""
    points: Mapping[str, Mapping[str, float]]
    """Battles that a player won against another, a tie half a battle."""
    meetings: Mapping[str, Mapping[str, int]]
    """Battles of a player with another."""
    judges: Sequence[ArenaJudge]
    juror_spread: float | None
    """How far jurors lie apart on the same battle, in points; null for one juror."""
    by_label: Mapping[str, Mapping[str, Mapping[str, float | None]]]
    """By label (`category`, `language`), by its value and by player: the share of points won, a tie half a point."""


# Outcomes


@view_model
class OutcomePage:
    """Outcomes, newest first, and the cursor of the next page."""

    outcomes: Sequence[OutcomeSummary]
    next_before: int | None
    """Null on the last page."""


@view_model
class LaterOutcomes:
    """Outcomes, oldest first, and the cursor that goes on behind them."""

    outcomes: Sequence[OutcomeSummary]
    next_after: int


@view_model
class Curve:
    """At most a thousand points from the first outcome to now, and the edits of agents.yaml on the way."""

    points: Sequence[CurvePoint]
    marks: Sequence[ConfigMark]


# State


@view_model
class Agents:
    """Every agent that was ever called."""

    agents: Mapping[str, AgentAtWork | CalledAgent]


@view_model
class Pair(PairCost):
    """What an agent-pair did for the finished seeds."""

    probability: float | None
    """Null for base pairs, which are not drawn, and for pairs that are gone."""


@view_model
class Pairs:
    """Every pair that was ever asked."""

    pairs: Mapping[str, Pair]


@view_model
class Switched:
    """The state after pausing or resuming."""

    state: State


_IN_EVERY_LINE = {"n": "integer", "timestamp": "string", "level": "string", "event": "string"}
LogLine = Annotated[
    Mapping[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "properties": {name: {"type": kind} for name, kind in _IN_EVERY_LINE.items()},
            "required": list(_IN_EVERY_LINE),
            "additionalProperties": True,
        }
    ),
]
"""One line of the log; its event says which other fields it has."""


@view_model
class LogLines:
    """Lines of the log, oldest first."""

    lines: Sequence[LogLine]


@view_model
class Live:
    """The event loop turns."""

    live: Literal[True]


Conditions = dict[str, bool | str]
"""Each condition of being ready, by name; and a `reason`, where failures passed a limit."""
