"""The index by which an instruction is found that says the same in other words, made of what the store keeps.

It is asked and added to by whoever has the line's turn, and by nobody else: between look-up and commit no other outcome
comes. What is committed is added after that; a start makes the index anew, from its file where that fits.
"""

from __future__ import annotations

from pathlib import Path

from star_agents.scheduling.memory import MemoryBank, Remembered, Vector, vector_from_bytes
from star_agents.storage.row_vectors import VectorRow
from star_agents.storage.store import Store

INDEX_FILE = "rows.hnsw"
_ASKED = 16
"""Nearest ones that are looked at: those of the same seed do not count."""


class RowIndex:
    """Of one embedder."""

    def __init__(self, embedder: str) -> None:
        self.embedder = embedder
        self._bank = MemoryBank(embedder)

    @classmethod
    async def opened(cls, embedder: str, store: Store) -> RowIndex:
        """With all that a store holds."""
        index = cls(embedder)
        rows = [_remembered(one) for one in await store.row_vectors(embedder)]
        index._bank.load(rows, store.folder / INDEX_FILE)
        return index

    def nearest(self, vector: Vector, *, but_of: str) -> tuple[str, float] | None:
        """Where the nearest instruction of another seed stands, and its cosine similarity."""
        for where, similarity in self._bank.nearest(vector, _ASKED):
            if where.partition(":")[0] != but_of:
                return where, similarity
        return None

    def add(self, one: VectorRow) -> None:
        """Let one that was committed be found."""
        self._bank.add(_remembered(one))

    def save(self, folder: Path) -> None:
        """Write it beside the store."""
        self._bank.save(folder / INDEX_FILE)


def _remembered(one: VectorRow) -> Remembered:
    return Remembered(seq=one.id, pair=one.where, pi=0.0, embedding=vector_from_bytes(one.vector))
