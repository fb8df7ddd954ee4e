"""What enters the memory bank, as the row that the store keeps and as the bank remembers it. Pure."""

from __future__ import annotations

from star_agents.records import Outcome
from star_agents.scheduling.memory import Remembered, Vector, vector_from_bytes
from star_agents.storage.rows import MemoryRow


def memory_row(outcome: Outcome, embedding: Vector | None, embedder: str) -> MemoryRow | None:
    """The bank's row: only a winner that is no base pair and has π > 0 enters (design section 4)."""
    winner = outcome.winner
    if embedding is None or winner is None or winner.candidate.is_base or not winner.pi:
        return None
    return MemoryRow(pair=winner.candidate.pair.name, pi=winner.pi, embedder=embedder, embedding=embedding.tobytes())


def remembered(seq: int, row: MemoryRow | None, embedding: Vector | None) -> Remembered | None:
    """What the bank remembers of a row that was just written."""
    if row is None or embedding is None:
        return None
    return Remembered(seq=seq, pair=row.pair, pi=row.pi, embedding=embedding)


def recalled(row: MemoryRow) -> Remembered:
    """What the bank remembers of a row that the store kept."""
    return Remembered(seq=row.seq, pair=row.pair, pi=row.pi, embedding=vector_from_bytes(row.embedding))
