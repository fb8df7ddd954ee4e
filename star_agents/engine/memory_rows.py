"""What enters the memory bank, as the row that the store keeps and as the bank remembers it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from star_agents.records import PAIRS, Outcome
from star_agents.scheduling.memory import KeptRows, Remembered, Vector, vector_from_bytes
from star_agents.scheduling.pools import Pools
from star_agents.storage.reader import StoreReader
from star_agents.storage.reads import VectorTable
from star_agents.storage.recollections import Recollection
from star_agents.storage.rows import MemoryRow, VectorKeys


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


def kept_rows(keys: VectorKeys, folder: Path, of: VectorTable) -> KeptRows:
    """What an index is made of: its vectors are read from the store in ``folder`` when their turn comes."""
    return KeptRows(
        seqs=keys.numbers, arms=keys.arms, dimensions=keys.dimensions, vectors=partial(vectors_of, folder, of)
    )


def vectors_of(folder: Path, of: VectorTable, numbers: Sequence[int]) -> dict[int, Vector]:
    """Vectors of a store, read by any thread.

    Raises:
        StoreError: it cannot be read.
    """
    with StoreReader(folder) as reader:
        return {number: vector_from_bytes(data) for number, data in reader.vectors(of, numbers).items()}


def remember(pools: Pools, learned: Iterable[Recollection], embedder: str) -> None:
    """Let pools recall what arms earned near vectors of the embedder in force; others cannot be compared."""
    for one in learned:
        if one.embedder == embedder:
            vector = vector_from_bytes(one.embedding)
            pools.remember(one.pool, Remembered(seq=one.id, pair=one.arm, pi=one.value, embedding=vector))
