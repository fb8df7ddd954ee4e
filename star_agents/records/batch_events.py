"""What happens to the batches of providers, as whoever listens hears it; ``events`` has all that happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from star_agents.records.event import Event


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchSubmitted(Event):
    """A provider has a batch of calls; its id is durable."""

    name: ClassVar[str] = "batch_submitted"
    agent: str
    batch: str
    """Our name for it."""
    provider_id: str
    """The provider's."""
    requests: int
    """Calls in it."""
    was_found: bool
    """Whether it was made by a process that ended before it knew, and was found in the provider's list."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchEnded(Event):
    """All results of a batch are taken in, whatever state it ended in."""

    name: ClassVar[str] = "batch_ended"
    agent: str
    batch: str
    """Our name for it."""
    said: str
    """The provider's word for how it ended."""
    requests: int
    """Calls in it."""
    answered: int
    """Calls whose answer is durable."""
    failed: int
    """Calls that came back with an error."""
    unanswered: int
    """Calls that it brought nothing for."""
    again: int
    """Of those, how many wait for another batch; the others are sent alone, or failed."""
    maybe_paid: int
    """Of those, how many the provider may have charged for: what it wrote could not be read."""
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchTroubled(Event):
    """A provider could not be asked about a batch, or said no; it is asked again."""

    name: ClassVar[str] = "batch_troubled"
    agent: str
    batch: str
    """Our name for it."""
    message: str
