"""What happens to the number of rows that is wanted, as whoever listens hears it; ``events`` has all that happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from star_agents.records.event import Event


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetReached(Event):
    """The rows that `target_rows` asks for are there, or `quota` is of a label that no row has: a daemon takes no seed
    until agents.yaml is edited."""

    name: ClassVar[str] = "target_reached"
    message: str
