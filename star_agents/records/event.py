"""What every event is (``events``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Base of all events."""

    name: ClassVar[str] = "event"
