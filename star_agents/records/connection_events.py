"""What happens between the daemon and those it calls, as whoever listens hears it; ``events`` has all that happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from star_agents.records.event import Event


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionNoted(Event):
    """What a person should know of how servers are reached, such as that no certificate is checked, told once; and of
    the nodes of a cluster, each time that one joins or is lost."""

    name: ClassVar[str] = "connection_noted"
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EgressLost(Event):
    """A process that sends calls is gone; what it had in flight is sent again, and counts as maybe paid twice."""

    name: ClassVar[str] = "egress_lost"
    node: str
    """Where it was."""
    calls: int
    """Requests that it had in flight."""
    message: str
