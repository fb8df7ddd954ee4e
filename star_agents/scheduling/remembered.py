"""What a memory bank is given, what it compares before that is in a graph, and how it stands."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from star_agents.scheduling.memory_files import Read
from star_agents.scheduling.memory_segments import Found
from star_agents.scheduling.vector_codes import Vector


@dataclass(frozen=True, kw_only=True, slots=True)
class Remembered:
    """One stored instruction: the pair that won it and how well."""

    seq: int
    """The outcome's sequence number: its identity, and the order of the bank."""
    pair: str
    pi: float
    embedding: Vector
    """Of the seed instruction; shape [d], float32, unit length."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptRows:
    """The instructions of a store, without their vectors: a million of those are gigabytes."""

    seqs: Sequence[int]
    """Ascending."""
    arms: Sequence[str]
    dimensions: Sequence[int]
    """Of each vector."""
    vectors: Read
    """Reads some by sequence number; called by the bank's own thread too."""

    @classmethod
    def of(cls, rows: Sequence[Remembered]) -> KeptRows:
        """Rows that are at hand."""
        known = {row.seq: row.embedding for row in rows}
        return cls(
            seqs=[row.seq for row in rows],
            arms=[row.pair for row in rows],
            dimensions=[len(row.embedding) for row in rows],
            vectors=lambda seqs: {seq: known[seq] for seq in seqs},
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class BankState:
    """How a bank stands, for people."""

    size: int
    """Instructions that are found."""
    waiting: int
    """Those that are not in a graph yet; but for the newest few they are not found."""
    forgotten: int
    """Earlier ones that are no longer held."""
    left_out: int
    """Those whose vectors are not like the others (``Graphs.takes``), or could not be read."""
    trouble: str
    """Why no more are taken in; empty: they are."""
    renewed: int
    """Graphs that were made anew since it was loaded, for they found too little."""
    recall: float | None
    """Share of the nearest five that its worst graph was found to find; ``None``: none was measured."""


class Waiting:
    """Instructions in the order in which they came, with their vectors in one array: a search compares them all at
    once, and 512 vectors of 2,048 dimensions are 4 MB to bring together."""

    def __init__(self) -> None:
        self._rows: deque[Remembered] = deque()
        self._vectors: Vector = np.empty((0, 0), dtype=np.float32)
        self._end = 0
        """Of those in use."""

    def __len__(self) -> int:
        return len(self._rows)

    def append(self, row: Remembered) -> None:
        """Take one that came after the others."""
        if self._end == len(self._vectors):
            self._make_room(len(row.embedding))
        self._vectors[self._end] = row.embedding
        self._end += 1
        self._rows.append(row)

    def popleft(self) -> Remembered:
        """Give up the one that came first."""
        return self._rows.popleft()

    def similar(self, vector: Vector, at_most: int | None) -> list[Found]:
        """The newest with their similarities; ``None``: all."""
        count = len(self._rows) if at_most is None else min(at_most, len(self._rows))
        if not count:
            return []
        similar = (self._vectors[self._end - count : self._end] @ vector).tolist()
        newest = list(self._rows)[-count:] if count < len(self._rows) else self._rows
        return [Found(row.pair, one) for row, one in zip(newest, similar, strict=True)]

    def _make_room(self, dimension: int) -> None:
        """At the end; for no fewer than are in use, so that each is moved once."""
        count = len(self._rows)
        room = np.empty((max(64, 2 * count), dimension), dtype=np.float32)
        if count:
            room[:count] = self._vectors[self._end - count : self._end]
        self._vectors, self._end = room, count
