"""The nodes of a cluster as Ray lists them, and what changed between two looks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A machine of the cluster, or what Ray takes for one."""

    id: str
    """Ray's, in hexadecimal."""
    address: str
    """IP address as the cluster knows it."""
    port: int
    """Where its raylet listens; 0 where unknown."""
    host: str
    """Host name."""
    cpus: float = 0.0
    """In all, whoever uses them."""
    gpus: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def name(self) -> str:
        """For people: several nodes of one machine differ in the digits."""
        return f"{self.host or self.address} ({self.id[:8]})"


@dataclass(frozen=True, slots=True)
class Change:
    """Who came and who went between two looks."""

    joined: tuple[Node, ...] = ()
    lost: tuple[Node, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.joined or self.lost)


def nodes_in(table: Iterable[Mapping[str, Any]]) -> dict[str, Node]:
    """Those alive in what ``ray.nodes()`` gives, by id, in the order of their ids so that two looks agree."""
    found = (_node(row) for row in table if row.get("Alive"))
    return {node.id: node for node in sorted(found, key=lambda node: node.id)}


def change_between(before: Mapping[str, Node], now: Mapping[str, Node]) -> Change:
    """What ``now`` has more and less."""
    return Change(
        joined=tuple(node for id, node in now.items() if id not in before),
        lost=tuple(node for id, node in before.items() if id not in now),
    )


def in_words(node: Node) -> str:
    """What a node has.

    >>> in_words(Node(id="ab" * 8, address="10.0.0.7", port=0, host="gpu7", cpus=16, gpus=2))
    'gpu7 (abababab): 16 CPUs, 2 GPUs'
    """
    return f"{node.name}: {node.cpus:g} CPUs, {node.gpus:g} GPUs"


def _node(row: Mapping[str, Any]) -> Node:
    has: Mapping[str, float] = row.get("Resources") or {}
    return Node(
        id=str(row["NodeID"]),
        address=str(row.get("NodeManagerAddress") or ""),
        port=int(row.get("NodeManagerPort") or 0),
        host=str(row.get("NodeManagerHostname") or ""),
        cpus=float(has.get("CPU", 0.0)),
        gpus=float(has.get("GPU", 0.0)),
        labels=dict(row.get("Labels") or {}),
    )
