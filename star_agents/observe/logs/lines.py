"""From an event to its line in the log: which level it has, and which fields.

A line's fields are stable. Most events become a line as they are; what is said otherwise stands here as a class whose
fields are the line's. `events.md` is made of these classes. Texts of prompts and replies are no part of a line,
unless somebody asks for them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from operator import attrgetter
from typing import Any, TypedDict

from star_agents.events import (
    AgentThrottled,
    BatchTroubled,
    BudgetReached,
    CallAnswered,
    CallEnded,
    CallFailed,
    ConfigNoted,
    ConfigRejected,
    ConnectionNoted,
    DeploymentChanged,
    EgressLost,
    Event,
    FailureFirstSeen,
    FailureLimitPassed,
    IndexNotWritten,
    JudgeExamined,
    JudgeNotExamined,
    JudgingNoted,
    OutcomeCommitted,
    PairsDrawn,
    ScorerTrouble,
    SeedReturned,
    SeedsRejected,
    ServerChanged,
    TelemetryFailed,
)
from star_agents.observe.logs.outcome import CallCount, OutcomeLine, outcome_fields

PROBLEMS_SHOWN = 20
Fields = dict[str, Any]


class LibraryLine(TypedDict, total=False):
    """The fields of ``library_message``: a library has something to say, from warnings up."""

    logger: str
    """Who: ``LiteLLM``, ``asyncio``, ``py.warnings``."""
    message: str
    exception: str
    """The traceback, where there is one."""


class FaultLine(TypedDict):
    """The fields of ``fault``: an error in star_agents that nothing was prepared for."""

    message: str
    exception: str
    """The traceback."""


class HeldBackLine(TypedDict):
    """The fields of ``lines_held_back``: the same complaint came too often to be logged each time."""

    of: str
    """Name of the event."""
    like: str
    """What the lines said."""
    count: int
    """How many were not logged."""
    seconds: float
    """Within which time."""


class LogFileLine(TypedDict):
    """The fields of ``log_file_trouble``: the log file cannot be written, or can be again. It stands elsewhere only."""

    message: str


class RejectedSeedsLine(TypedDict):
    """The fields of ``seeds_rejected``."""

    source: str
    problems: list[str]
    """What is wrong, a sentence each, with place and remedy; the first 20."""
    problem_count: int
    """How many there are in all."""


def _rejected_fields(event: SeedsRejected) -> Fields:
    problems = [str(problem) for problem in event.problems[:PROBLEMS_SHOWN]]
    return {"source": event.source, "problems": problems, "problem_count": len(event.problems)}


def _as_it_is(event: type[Event]) -> Callable[[Any], Fields]:
    names = [one.name for one in fields(event)]
    if len(names) < 2:  # then attrgetter gives no tuple
        return lambda instance: {name: getattr(instance, name) for name in names}
    values = attrgetter(*names)
    return lambda instance: dict(zip(names, values(instance), strict=True))


OTHER_LINES: Mapping[str, tuple[int, type]] = {
    "library_message": (logging.WARNING, LibraryLine),
    "fault": (logging.CRITICAL, FaultLine),
    "lines_held_back": (logging.WARNING, HeldBackLine),
    "log_file_trouble": (logging.ERROR, LogFileLine),
}
"""Lines behind which there is no event, with level and fields."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How the lines of one event look."""

    level: int
    shape: type
    """The class whose fields are the line's."""
    fields: Callable[[Any], Fields]
    warns_when: tuple[str, Any] | None = None
    """Field and value, or values, with which the line is a warning."""
    alike: tuple[str, ...] = ()
    """Fields that make two lines the same complaint; the few first of a minute are logged."""

    def level_of(self, event: Event) -> int:
        """The level of this one."""
        if self.warns_when is None:
            return self.level
        name, values = self.warns_when
        is_one = getattr(event, name) in (values if isinstance(values, tuple) else (values,))
        return logging.WARNING if is_one else self.level


def _kind(event: type[Event], level: int = logging.INFO, **more: Any) -> Kind:
    return Kind(level, event, _as_it_is(event), **more)


def kind_of(event: type[Event]) -> Kind:
    """How an event becomes a line; one that is not named here is logged as it is, at `info`."""
    return _special().get(event) or _kind(event)


@cache
def _special() -> Mapping[type[Event], Kind]:
    return {
        CallAnswered: _kind(CallAnswered, logging.DEBUG),
        CallEnded: _kind(CallEnded, logging.DEBUG),
        PairsDrawn: _kind(PairsDrawn, logging.DEBUG),
        CallFailed: _kind(CallFailed, logging.WARNING, alike=("agent", "outcome", "error")),
        SeedReturned: _kind(SeedReturned, logging.WARNING, alike=("reason",)),
        AgentThrottled: _kind(AgentThrottled, logging.WARNING),
        BatchTroubled: _kind(BatchTroubled, logging.WARNING, alike=("agent", "message")),
        BudgetReached: _kind(BudgetReached, logging.WARNING),
        ScorerTrouble: _kind(ScorerTrouble, logging.WARNING),
        FailureFirstSeen: _kind(FailureFirstSeen, logging.WARNING),
        FailureLimitPassed: _kind(FailureLimitPassed, logging.WARNING),
        DeploymentChanged: _kind(DeploymentChanged, warns_when=("what", "opened")),
        JudgeExamined: _kind(JudgeExamined, warns_when=("passed", False)),
        JudgeNotExamined: _kind(JudgeNotExamined, logging.WARNING, alike=("judge", "reason")),
        JudgingNoted: _kind(JudgingNoted, logging.WARNING),
        ConfigNoted: _kind(ConfigNoted, logging.WARNING),
        ConnectionNoted: _kind(ConnectionNoted, logging.WARNING),
        IndexNotWritten: _kind(IndexNotWritten, logging.WARNING),
        EgressLost: _kind(EgressLost, logging.WARNING),
        ConfigRejected: _kind(ConfigRejected, logging.ERROR),
        ServerChanged: _kind(ServerChanged, warns_when=("what", ("taken", "ended", "lost", "down"))),
        TelemetryFailed: _kind(TelemetryFailed, logging.ERROR),
        SeedsRejected: Kind(logging.ERROR, RejectedSeedsLine, _rejected_fields),
        OutcomeCommitted: Kind(logging.INFO, OutcomeLine, lambda event: dict(outcome_fields(event, CallCount()))),
    }
