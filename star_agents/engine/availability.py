"""Whom a line cannot do without, and whether it has anybody to ask. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TypeGuard

from star_agents.config.models import Config
from star_agents.errors import AgentError, AgentRateLimited, AgentUnavailable
from star_agents.events import DeploymentChanged, Event, ServerChanged

UP_AGAIN = (ServerChanged, DeploymentChanged)
"""Kinds of events that may say that something is up again."""


def essential_agents(config: Config, jury: Iterable[str]) -> set[str]:
    """The agents without which no seed has an outcome: those of base pairs and the jury."""
    return {name for pair in config.base for name in (pair.instruction, pair.response)} | set(jury)


def can_draw(config: Config, unavailable: Collection[str]) -> bool:
    """Whether some pair of the pool has agents that are up and can be paid; without pairs, whether any agent is."""
    if not config.draws_pairs:
        return not set(config.agents) <= set(unavailable)
    return any(not {pair.instruction, pair.response} & set(unavailable) for pair in config.pool)


def is_outage(error: AgentError, referees_down: Collection[str]) -> bool:
    """Whether agents were down without which a seed has no outcome: the recipe's word, or the referees' state."""
    return isinstance(error, (AgentUnavailable, AgentRateLimited)) and (error.is_outage or bool(referees_down))


def is_up_again(event: Event) -> bool:
    """Whether something can be asked that could not."""
    if isinstance(event, ServerChanged):
        return event.what in ("ready", "attached")
    return isinstance(event, DeploymentChanged) and event.what == "closed"


def is_given_up(event: Event) -> TypeGuard[ServerChanged]:
    """Whether a server is down for good."""
    return isinstance(event, ServerChanged) and event.what == "down"


def cannot_do_without(
    event: ServerChanged,
    config: Config,
    jury: Iterable[str],
    *,
    given_up: Collection[str],
    unavailable: Collection[str],
) -> str:
    """Why a batch ends: a server was given up without which no seed has an outcome; empty where it goes on, as with an
    agent that has another server."""
    gone = set(event.agents) & set(given_up)
    is_stars = config.recipe == ("star",)
    if not gone or (is_stars and not essential_agents(config, jury) & gone and can_draw(config, unavailable)):
        return ""
    return event.message
