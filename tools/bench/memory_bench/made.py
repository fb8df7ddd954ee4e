"""Vectors as embeddings are, always the same ones, and a store that holds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from star_agents.storage.connection import STORE_FILE, connect
from star_agents.storage.migrations import migrate, scripts

Vector = NDArray[np.float32]

EMBEDDER = "made"
_CHUNK = 20_000
_TOPICS = 1000
_INNER = 32
"""Dimensions that texts differ in; the others hold noise."""
_ARMS = 30


@dataclass(frozen=True)
class World:
    """Unit vectors in a thousand clusters.

    Hidden states are so in two more ways: all of them share most of their length, and a few dimensions hold most of
    the rest (massive activations).
    """

    items: int
    dimension: int
    hidden: bool = False

    def chunks(self) -> Iterator[Vector]:
        """All of them, some at a time; shape [n, d]."""
        for begin in range(0, self.items, _CHUNK):
            yield self._some(min(_CHUNK, self.items - begin), seed=begin)

    def queries(self, count: int) -> Vector:
        """Others of the same kind; shape [count, d]."""
        return self._some(count, seed=self.items + 7)

    def nearest(self, queries: Vector, count: int) -> NDArray[np.int64]:
        """Sequence numbers of the vectors most similar to each query, by comparing all; shape [queries, count]."""
        best = np.full((len(queries), count), -np.inf, dtype=np.float32)
        where = np.zeros((len(queries), count), dtype=np.int64)
        first = 1
        for chunk in self.chunks():
            similar = np.hstack([best, queries @ chunk.T])
            of_chunk = np.broadcast_to(np.arange(first, first + len(chunk)), (len(queries), len(chunk)))
            places = np.hstack([where, of_chunk])
            order = np.argpartition(-similar, count, axis=1)[:, :count]
            best, where = np.take_along_axis(similar, order, axis=1), np.take_along_axis(places, order, axis=1)
            first += len(chunk)
        return where

    def _some(self, count: int, seed: int) -> Vector:
        fixed, chance = np.random.default_rng(self.dimension), np.random.default_rng([1, seed])
        axes = fixed.standard_normal((_INNER, self.dimension), dtype=np.float32) / np.float32(self.dimension**0.5)
        topics = fixed.standard_normal((_TOPICS, _INNER), dtype=np.float32)
        inner = topics[chance.integers(0, _TOPICS, count)]
        inner = inner + np.float32(0.7) * chance.standard_normal((count, _INNER), dtype=np.float32)
        noise = chance.standard_normal((count, self.dimension), dtype=np.float32)
        made = inner @ axes + noise * np.float32(0.1 * (_INNER / self.dimension) ** 0.5)
        if self.hidden:
            made[:, :4] *= np.float32(20)
            made[:, :4] += np.float32(10)
            made += fixed.standard_normal(self.dimension, dtype=np.float32) / np.float32(8)
        unit: Vector = made / np.linalg.norm(made, axis=1, keepdims=True)
        return unit


def fill(folder: Path, world: World) -> None:
    """A store that remembers all of them, of arms that win unequally often."""
    connection = connect(folder / STORE_FILE)
    try:
        migrate(connection, folder / STORE_FILE, scripts())
        connection.execute("PRAGMA foreign_keys = OFF")  # No seeds, calls or outcomes stand behind these.
        connection.execute("PRAGMA synchronous = OFF")
        chance, seq = np.random.default_rng(3), 0
        for chunk in world.chunks():
            arms = np.minimum(chance.geometric(0.15, len(chunk)), _ARMS)
            connection.execute("BEGIN")
            connection.executemany(
                "INSERT INTO memory (seq, arm, value, embedder, dimension, embedding) VALUES (?, ?, 0.5, ?, ?, ?)",
                (
                    (seq + at + 1, f"keep/agent{arm}", EMBEDDER, world.dimension, vector.astype("<f4").tobytes())
                    for at, (arm, vector) in enumerate(zip(arms, chunk, strict=True))
                ),
            )
            connection.execute("COMMIT")
            seq += len(chunk)
    finally:
        connection.close()
