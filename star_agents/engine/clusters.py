"""The cluster of a config: connected for as long as a line stands, and what runs there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from star_agents.cluster.connection import Connection
from star_agents.config.cluster import ClusterConfig
from star_agents.engine.scorer_places import ClusterPlaces


@asynccontextmanager
async def connected(config: ClusterConfig | None, tell: Callable[[str], None]) -> AsyncIterator[Connection | None]:
    """A connection to the cluster; ``None`` where agents.yaml names none. ``tell`` hears of its nodes.

    Raises:
        ClusterError: Ray is not installed, or its cluster cannot be reached.
    """
    if config is None:
        yield None
        return
    async with Connection(config, tell=tell) as connection:
        yield connection


def scorer_places(connection: Connection | None, *, device: str) -> ClusterPlaces | None:
    """Where scorer models run on the cluster; ``None`` where they run on this machine."""
    if connection is None or connection.config.scorers == "off":
        return None
    return ClusterPlaces(connection, device=device)
