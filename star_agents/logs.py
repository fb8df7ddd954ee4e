"""Structured logs: one stable event name and field list per event, JSON lines or console colours.

Set up once by the command line. Events of the bus become log lines here; texts of prompts and replies never do.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any, TextIO

import orjson
import structlog

from star_agents.events import (
    BudgetCleared,
    BudgetReached,
    CallAnswered,
    CallEnded,
    CallFailed,
    ConfigApplied,
    ConfigRejected,
    DeploymentChanged,
    Event,
    OutcomeCommitted,
    PairsDrawn,
    SeedReturned,
    SeedsAdded,
    SeedsRejected,
    StateChanged,
)


def set_up_logging(*, level: str = "info", stream: TextIO | None = None) -> None:
    """Log to ``stream`` (standard error): colours on a terminal, else JSON lines; foreign loggers from warnings up."""
    target = stream or sys.stderr
    on_terminal = target.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if on_terminal else structlog.processors.JSONRenderer(serializer=_to_json)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *([] if on_terminal else [structlog.processors.dict_tracebacks]),
            renderer,
        ],
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("star_agents").setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def log_event(event: Event) -> None:
    """Write one event as one line; subscribe this to the bus."""
    level, fields = _line(event)
    structlog.stdlib.get_logger("star_agents").log(level, event.name, **fields)


def _line(event: Event) -> tuple[int, dict[str, Any]]:
    match event:
        case OutcomeCommitted():
            return logging.INFO, _outcome_fields(event)
        case CallAnswered() | CallEnded() | PairsDrawn():
            return logging.DEBUG, _plain(event)
        case CallFailed() | BudgetReached() | SeedReturned():
            return logging.WARNING, _plain(event)
        case DeploymentChanged():
            return logging.WARNING if event.what == "opened" else logging.INFO, _plain(event)
        case ConfigRejected():
            return logging.ERROR, {"problems": [str(problem) for problem in event.problems]}
        case SeedsRejected():
            problems = [str(problem) for problem in event.problems]
            return logging.ERROR, {"source": event.source, "problems": problems[:20], "problem_count": len(problems)}
        case ConfigApplied() | SeedsAdded() | StateChanged() | BudgetCleared():
            return logging.INFO, _plain(event)
        case _:
            return logging.INFO, {}


def _outcome_fields(event: OutcomeCommitted) -> dict[str, Any]:
    """The canonical line of a seed: everything about it but its texts."""
    outcome = event.outcome
    winner = outcome.winner
    fields: dict[str, Any] = {
        "seq": event.seq,
        "seed_id": outcome.seed_id,
        "kind": outcome.kind,
        "candidates": len(outcome.candidates),
        "failed": sum(1 for one in outcome.candidates if one.candidate.failure),
        "judged": sum(1 for one in outcome.candidates if one.verdict is not None and one.verdict.votes),
        "cost_usd": outcome.cost_usd,
    }
    if outcome.reason:
        fields["reason"] = outcome.reason
    if winner is not None:
        fields |= {"pair": winner.candidate.pair.name, "pi": winner.pi}
        fields |= {"gap": winner.score.gap} if winner.score else {}
    return fields


def _plain(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for cls in type(event).__mro__ for name in getattr(cls, "__slots__", ())}


def _to_json(value: Any, **_: Any) -> str:
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # half a surrogate pair in what a provider said
        return json.dumps(value, default=str)
