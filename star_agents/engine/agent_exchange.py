"""Agents and their limits of an edited agents.yaml put in force, with a way back until the edit is recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import anyio

from star_agents.agents.client import AgentClient
from star_agents.agents.endpoints import Endpoint
from star_agents.config.models import Config
from star_agents.engine.accounts import limits_of


@asynccontextmanager
async def agents_exchanged(
    client: AgentClient, old: Config, new: Config, endpoints: Mapping[str, tuple[Endpoint, ...]]
) -> AsyncIterator[None]:
    """Put the agents of ``new`` and what they may spend in force; those of ``old`` again where the block fails.

    Limits are in force as soon as the agents are: a smaller budget holds before anything else of the edit does.

    Args:
        client: Calls the agents.
        old: What is in force.
        new: What is to be.
        endpoints: Of the agents of ``new``, as the client resolved them.

    Raises:
        ConfigError: an agent cannot be called; everything is as it was.
    """
    limits, before = limits_of(new), client.endpoints
    await client.reconfigure(new.agents, endpoints)
    client.budgets.set_limits(limits)
    try:
        yield
    except BaseException:
        with anyio.CancelScope(shield=True):
            await client.reconfigure(old.agents, before)
        client.budgets.set_limits(limits_of(old))
        raise
