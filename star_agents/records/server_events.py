"""What happens to a server that is started beside the work, as whoever listens hears it; ``events`` has all that
happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from star_agents.records.event import Event


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerChanged(Event):
    """A server of `serve` in agents.yaml is started, can be asked, ended, is started again, or is given up; or one that
    ran already is used."""

    name: ClassVar[str] = "server_changed"
    agents: tuple[str, ...]
    """Whom it serves."""
    what: str
    """`starting`, `ready`, `attached` (one that ran already is used), `taken` (its address is somebody else's),
    `ended`, `lost` (one that was used is gone), `down` (given up), `stopping` or `stopped`."""
    address: str
    """Where it answers."""
    pid: int | None
    """Of its process; null where none runs that was started here."""
    restarts: int
    """How often it was started again so far."""
    message: str
