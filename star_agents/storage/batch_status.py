"""The batches of a store as a status tells them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from star_agents.observe.status import AgentBatches, BatchAtWork, Batches
from star_agents.storage.batch_rows import BatchRow, GatheredRow
from star_agents.storage.batches import at_work, gathered, parked
from star_agents.storage.sql import execute


def no_batches() -> Batches:
    """What is told of a store that never had a batch."""
    return Batches(seeds=0, agents={}, at_work=[])


def batch_status(connection: sqlite3.Connection) -> Batches:
    """The batches as a status tells them."""
    waiting = {row.agent: row for row in gathered(connection)}
    totals = {row[0]: row[1:] for row in execute(connection, "batch_totals")}
    return Batches(
        seeds=parked(connection),
        agents={name: _of_agent(waiting.get(name), totals.get(name)) for name in sorted({*waiting, *totals})},
        at_work=[_at_work(row) for row in at_work(connection)],
    )


def _of_agent(waiting: GatheredRow | None, totals: Sequence[int] | None) -> AgentBatches:
    names = ("batches", "requests", "answered", "failed", "unanswered", "duplicates", "unknown", "unreadable")
    return AgentBatches(
        gathered=waiting.calls if waiting else 0,
        gathered_since=waiting.since if waiting else None,
        **dict(zip(names, totals or (0,) * len(names), strict=True)),
    )


def _at_work(row: BatchRow) -> BatchAtWork:
    return BatchAtWork(
        id=row.id,
        agent=row.agent,
        model=row.model,
        state=row.state,
        said=row.said,
        provider_id=row.provider_id,
        requests=row.requests,
        answered=row.answered,
        made_at=row.made_at,
        submitted_at=row.submitted_at,
    )
