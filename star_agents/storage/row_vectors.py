"""Vectors of instructions that were admitted, by which those are found that say the same in other words.

The rows here are the truth; whoever looks up holds an index of them, and adds to it what was committed.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from star_agents.storage.near_texts import place_of
from star_agents.storage.rows import VectorKeys
from star_agents.storage.sql import execute


@dataclass(frozen=True, kw_only=True, slots=True)
class VectorRow:
    """One instruction."""

    id: int
    seed_id: str
    place: int
    """As of ``near_texts.Earlier``."""
    vector: bytes
    """float32, little endian."""

    @property
    def where(self) -> str:
        """Where it stands (``near_texts.place_of``)."""
        return place_of(self.seed_id, self.place)


class KnownVectors:
    """The vectors that a store has kept, in a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, seed_id: str, place: int, embedder: str, vector: bytes) -> VectorRow:
        """Keep one; it is found from the next start on, or once it is in the index."""
        told = {"seed_id": seed_id, "place": place, "vector": vector}
        number = execute(self._connection, "add_row_vector", **told, embedder=embedder).fetchone()[0]
        return VectorRow(id=number, seed_id=seed_id, place=place, vector=vector)

    def of_seed(self, seed_id: str, embedder: str) -> VectorRow | None:
        """That of a seed's own text, if it was kept."""
        found = execute(self._connection, "vector_of_seed", seed_id=seed_id, embedder=embedder).fetchone()
        return None if found is None else _row(found)

    def keys(self, embedder: str) -> VectorKeys:
        """All of one embedder, in order, without the vectors."""
        keys = VectorKeys([], [], [])
        for number, seed_id, place, size in execute(self._connection, "row_vectors", embedder=embedder):
            keys.numbers.append(number)
            keys.arms.append(place_of(seed_id, place))
            keys.dimensions.append(size // 4)
        return keys


def _row(columns: tuple[int, str, int, bytes]) -> VectorRow:
    number, seed_id, place, vector = columns
    return VectorRow(id=number, seed_id=seed_id, place=place, vector=vector)
