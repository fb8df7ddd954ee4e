"""What pools recall: the arms that earned something, each with the vector of what it was drawn near.

An arm that earns by the children of its seed is noted with the seed's outcome, and learned of once they all were heard
of (``rewards_due``), in the transaction that completes its reward.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from star_agents.records import Outcome, Reward
from star_agents.storage.sql import execute


@dataclass(frozen=True, kw_only=True, slots=True)
class NearDraw:
    """An arm that was drawn near something."""

    pool: str
    arm: str
    embedder: str
    """What made the vector; those of different embedders cannot be compared."""
    embedding: bytes
    """Of what it was drawn near: float32, little endian."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recollection:
    """An arm that earned something near a vector."""

    id: int
    pool: str
    arm: str
    value: float
    embedder: str
    embedding: bytes


Completed = tuple[str, Reward]
"""For whom the arm was drawn, and what it earned in the end."""


def learn(
    connection: sqlite3.Connection, outcome: Outcome, near: Sequence[NearDraw], completed: Sequence[Completed]
) -> list[Recollection]:
    """Note what was drawn near something for an outcome, and what the rewards say that it completes; return what is
    known by that of arms that earned."""
    earned: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for reward in outcome.earned:
        earned[reward.pool, reward.arm].append(reward.value)
    awaited = {label for child in outcome.children for label in child.drawn_labels.items()}
    for one in near:
        values = earned[one.pool, one.arm]
        if values or (one.pool, one.arm) in awaited:
            value = sum(values) / len(values) if values else None
            texts = {"pool": one.pool, "arm": one.arm, "embedder": one.embedder}
            execute(
                connection,
                "note_recollection",
                seed_id=outcome.seed_id,
                embedding=one.embedding,
                value=value,
                **texts,
            )
    for seed_id, reward in completed:
        known = {"pool": reward.pool, "arm": reward.arm, "value": reward.value}
        execute(connection, "complete_recollection", seed_id=seed_id, **known)
    told = [(outcome.seed_id, one.pool, one.arm) for one in near]
    told += [(seed_id, reward.pool, reward.arm) for seed_id, reward in completed]
    rows = (execute(connection, "recollection", seed_id=s, pool=p, arm=a).fetchone() for s, p, a in told)
    return [_of(row) for row in rows if row is not None]


def recollections(connection: sqlite3.Connection, *, embedder: str, after: int, limit: int) -> list[Recollection]:
    """So much of what is known after a number, oldest first."""
    return [_of(row) for row in execute(connection, "recollections", embedder=embedder, after=after, limit=limit)]


def _of(row: tuple[int, str, str, float, str, bytes]) -> Recollection:
    number, pool, arm, value, embedder, embedding = row
    return Recollection(id=number, pool=pool, arm=arm, value=value, embedder=embedder, embedding=embedding)
