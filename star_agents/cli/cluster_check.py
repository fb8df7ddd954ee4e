"""The cluster of agents.yaml, as `doctor` and `check` find it: reachable or not, its nodes, and what each would run."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass

from star_agents.cluster import Connection
from star_agents.cluster.ray_module import PINNED, load
from star_agents.config.models import Config
from star_agents.engine.scorer_places import slots_of, uses_gpus
from star_agents.engine.wiring import scorer_for
from star_agents.errors import ClusterError


@dataclass(frozen=True, slots=True)
class ClusterFinding:
    """A line of what `check` prints of the cluster."""

    part: str
    ok: bool
    detail: str


async def cluster_findings(config: Config, tell: Callable[[str], None]) -> list[ClusterFinding]:
    """What is so; nothing where agents.yaml names no cluster. ``tell`` hears what Ray says meanwhile."""
    cluster = config.cluster
    if cluster is None:
        return []
    found: list[ClusterFinding] = []
    try:
        found.append(_release())
        if cluster.ray == "local":
            told = "local: one of this machine alone, which each run starts for itself"
            return [*found, ClusterFinding("cluster", True, told)]
        async with Connection(cluster, tell=tell) as connection:
            return [*found, *findings_at(connection, config)]
    except ClusterError as error:
        return [*found, ClusterFinding("cluster", False, str(error))]


def findings_at(connection: Connection, config: Config) -> list[ClusterFinding]:
    """Of a cluster that is connected to: Ray lets nobody in whose release of Ray or Python is another."""
    count = len(connection.nodes)
    nodes = "1 node answers" if count == 1 else f"{count} nodes answer"
    same = f"Ray {connection.ray.__version__} and Python {platform.python_version()} there as here"
    return [
        ClusterFinding("cluster", count > 0, f"{connection.config.ray}: {nodes}; {same}"),
        *(ClusterFinding("node", True, line) for line in placements(connection, config)),
    ]


def placements(connection: Connection, config: Config) -> list[str]:
    """What every node has and would run, a line each."""
    cluster, nodes = connection.config, list(connection.nodes.values())
    scores = cluster.scorers == "on" and scorer_for(config) is not None
    on_gpu = uses_gpus(nodes, cluster, config.scoring.device)
    senders = {node.id for node in sorted(nodes, key=lambda node: not connection.has_answered(node))[: cluster.egress]}
    lines: list[str] = []
    for node, has in zip(nodes, connection.lines(), strict=True):
        copies = slots_of(node, cluster, on_gpu=on_gpu) if scores else 0
        runs = [f"{copies} {'copy' if copies == 1 else 'copies'} of the scorer models"] if copies else []
        runs += ["a process that sends calls"] if node.id in senders else []
        lines.append(f"{has}; runs {' and '.join(runs) or 'nothing of ours'}")
    return lines


def _release() -> ClusterFinding:
    """Raises ClusterError where it is not installed."""
    found = load().__version__
    other = "" if found == PINNED else f"; this release of star-agents is tested with {PINNED}"
    return ClusterFinding("ray", True, f"{found}{other}")
