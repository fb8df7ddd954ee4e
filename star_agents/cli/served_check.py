"""The servers of agents.yaml while `check` asks their agents: started as `run` starts them, and ended after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from star_agents.config.models import Config
from star_agents.config.serving import without_servers
from star_agents.engine.model_servers import ModelServers
from star_agents.events import ServerChanged
from star_agents.observe.status import ServerState
from star_agents.text.printing import say


@asynccontextmanager
async def served_agents(config: Config) -> AsyncIterator[tuple[Config, Sequence[ServerState]]]:
    """The config whose agents are where their servers are, and how each server does, once all can be asked or were
    given up. What happens to them is said as it does; logs are kept for as long, and so named nowhere."""
    with TemporaryDirectory(prefix="star_agents_") as folder:
        async with ModelServers(Path(folder), tell=_say, keeps_logs=False) as servers:
            servers.put_in_force(config, all_at_once=True)
            await servers.settled()
            agents = without_servers(servers.place(config.agents))
            yield config.model_copy(update={"agents": agents}), servers.states()


def _say(event: ServerChanged) -> None:
    say(event.message, err=True)
