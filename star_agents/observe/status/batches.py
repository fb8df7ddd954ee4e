"""The batches of providers, as a status tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from star_agents.observe.status.model import view_model


@view_model
class BatchAtWork:
    """A batch that is not done with."""

    id: str
    """Ours."""
    agent: str
    model: str
    state: Literal["made", "submitted", "ended", "done"]
    """Decided on; at the provider; taken in; and its files are deleted."""
    said: str
    """The provider's word for its state; empty before it was asked."""
    provider_id: str
    requests: int
    answered: int
    made_at: float
    """Seconds since 1970."""
    submitted_at: float | None


@view_model
class AgentBatches:
    """What one agent's calls by batch came to, over the life of the store."""

    gathered: int
    """Calls that wait for a batch now."""
    gathered_since: float | None
    """Seconds since 1970; null where none waits."""
    batches: int
    requests: int
    answered: int
    failed: int
    """Came back with an error."""
    unanswered: int
    """Were in batches that ended without them: they went again, alone, or failed."""
    duplicates: int
    """Results that came twice."""
    unknown: int
    """Results of calls that were not in the batch."""
    unreadable: int
    """Lines of results, or replies in them, that nobody can read."""


@view_model
class Batches:
    """Calls that go by the batches of their providers."""

    seeds: int
    """Of those that wait: they wait for such calls."""
    agents: Mapping[str, AgentBatches]
    """Those that had any."""
    at_work: Sequence[BatchAtWork]
    """Batches that are not done with, oldest first."""
