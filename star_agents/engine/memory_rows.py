"""What enters the memory bank, as the row that the store keeps and as the bank remembers it."""

from __future__ import annotations

from collections.abc import Iterable

from star_agents.records import PAIRS, Outcome
from star_agents.scheduling.memory import Remembered, Vector, vector_from_bytes
from star_agents.scheduling.pools import Pools
from star_agents.storage.recollections import Recollection
from star_agents.storage.rows import MemoryRow


def lesson(outcome: Outcome) -> tuple[str, float] | None:
    """Which arm won something new, and what it earned by that: what the bank remembers (design section 4)."""
    winner = outcome.winner
    if outcome.kind != "kept" or winner is None:
        return None
    earned = next((one.value for one in outcome.earned if one.pool == PAIRS and one.arm == winner.arm), 0.0)
    return (winner.arm, earned) if earned > 0 else None


def memory_row(outcome: Outcome, embedding: Vector | None, embedder: str) -> MemoryRow | None:
    """The bank's row, where the outcome holds a lesson."""
    learned = lesson(outcome)
    if embedding is None or learned is None:
        return None
    arm, value = learned
    return MemoryRow(arm=arm, value=value, embedder=embedder, embedding=embedding.tobytes())


def remembered(seq: int, row: MemoryRow | None, embedding: Vector | None) -> Remembered | None:
    """What the bank remembers of a row that was just written."""
    if row is None or embedding is None:
        return None
    return Remembered(seq=seq, pair=row.arm, pi=row.value, embedding=embedding)


def recalled(row: MemoryRow) -> Remembered:
    """What the bank remembers of a row that the store kept."""
    return Remembered(seq=row.seq, pair=row.arm, pi=row.value, embedding=vector_from_bytes(row.embedding))


def remember(pools: Pools, learned: Iterable[Recollection], embedder: str) -> None:
    """Let pools recall what arms earned near vectors of the embedder in force; others cannot be compared."""
    for one in learned:
        if one.embedder == embedder:
            vector = vector_from_bytes(one.embedding)
            pools.remember(one.pool, Remembered(seq=one.id, pair=one.arm, pi=one.value, embedding=vector))
