"""The processes of a cluster that send calls, as `check` finds them: started as `run` starts them, and ended."""

from __future__ import annotations

from functools import partial

from star_agents.cluster import Connection
from star_agents.config.models import Config
from star_agents.engine.egress import egress_over
from star_agents.engine.wiring import endpoints_of
from star_agents.errors import ClusterError
from star_agents.observe.bus import Bus
from star_agents.text.printing import say


async def egress_findings(config: Config) -> list[tuple[bool, str]]:
    """A sentence each, and whether it is as it should be; nothing where the daemon sends all calls itself."""
    cluster = config.cluster
    if cluster is None or not cluster.egress:
        return []
    try:
        async with Connection(cluster, tell=partial(say, err=True)) as connection:
            most = min(cluster.egress, len(connection.nodes))
            async with egress_over(connection, Bus()) as sender:
                names = sorted(link.name for link in sender.links)
                await sender.aclose()
    except ClusterError as error:
        return [(False, str(error))]
    found = [(True, f"calls are sent by {name}") for name in names]
    if len(names) < most:
        found.append((False, f"{len(names)} of {most} processes that send calls could be started on the cluster"))
    whole = [name for name, some in endpoints_of(config).items() if any(one.way == "litellm" for one in some)]
    if whole:
        found.append((True, f"sent from here all the same, since LiteLLM sends for them: {', '.join(whole)}"))
    return found
