"""The instruction memory bank (paper, section 3.3): which pair won on instructions like this one. Home of hnswlib.

The rows in the store are the truth; the index is a cache of them. It is written beside the store now and then, and
rebuilt from the rows whenever its file is missing, torn, of another embedder or ahead of the store.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import hnswlib
import numpy as np
from numpy.typing import NDArray

from star_agents.process.crash_points import crash_point

Vector = NDArray[np.float32]

_FIRST_CAPACITY = 1024
_BUILD_EFFORT = 200
_LINKS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Remembered:
    """One stored instruction: the pair that won it and how well."""

    seq: int
    """The outcome's sequence number: its identity, and the order of the bank."""
    pair: str
    pi: float
    embedding: Vector
    """Of the seed instruction; shape [d], float32, unit length."""


class MemoryBank:
    """Nearest instructions by cosine similarity. Not for use by two threads at once.

    Args:
        embedder: Name of what makes the vectors; an index file of another embedder is not used.
    """

    def __init__(self, embedder: str) -> None:
        self._embedder = embedder
        self._index: hnswlib.Index | None = None
        self._pairs: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._pairs)

    @property
    def last_seq(self) -> int:
        """Sequence number of the newest instruction; 0 when empty."""
        return max(self._pairs, default=0)

    def add(self, row: Remembered) -> None:
        """Store one instruction; one whose vector has another dimension cannot be compared, and is left out."""
        index = self._index or self._new_index(len(row.embedding))
        if len(row.embedding) != index.dim or row.seq in self._pairs:
            return
        if index.get_current_count() == index.get_max_elements():
            index.resize_index(2 * index.get_max_elements())
        index.add_items(row.embedding.reshape(1, -1), np.array([row.seq]), num_threads=1)
        self._pairs[row.seq] = row.pair

    def nearest_pairs(self, embedding: Vector, count: int) -> list[str]:
        """Winning pairs of the ``count`` most similar instructions, nearest first; see ``nearest``."""
        return [pair for pair, _ in self.nearest(embedding, count)]

    def nearest(self, embedding: Vector, count: int) -> list[tuple[str, float]]:
        """The same with the cosine similarity of each.

        Fewer when the bank holds fewer, or when the search, which is approximate, reaches fewer.
        """
        if self._index is None or len(embedding) != self._index.dim:
            return []
        wanted = min(count, len(self._pairs))
        while wanted:
            self._index.set_ef(max(64, 2 * wanted))
            try:
                labels, distances = self._index.knn_query(embedding.reshape(1, -1), k=wanted, num_threads=1)
            except RuntimeError:
                # The graph search reached fewer than were asked for: among many instructions that are all alike, some
                # have no link left that leads to them.
                wanted //= 2
            else:
                found = zip(labels[0], distances[0], strict=True)
                return [(self._pairs[int(label)], 1.0 - float(distance)) for label, distance in found]
        return []

    def load(self, rows: Sequence[Remembered], path: Path | None = None) -> None:
        """Fill the bank from the store's rows, taking the index at ``path`` as a head start where it fits them."""
        self._index, self._pairs = None, {}
        head = self._read_index(path, {row.seq: row for row in rows}) if path else 0
        self._pairs = {row.seq: row.pair for row in rows if row.seq <= head}
        for row in rows:
            self.add(row)

    def save(self, path: Path) -> None:
        """Write the index beside its checksum: to a new file, synced, then renamed over the old one."""
        if self._index is None:
            return
        draft = path.with_suffix(".new")
        self._index.save_index(str(draft))
        _sync(draft)
        facts = {
            "embedder": self._embedder,
            "dimension": self._index.dim,
            "count": len(self._pairs),
            "last_seq": self.last_seq,
            "sha256": _checksum(draft),
        }
        crash_point("index_before_rename")
        draft.replace(path)
        facts_draft = _facts_path(path).with_suffix(".new")
        facts_draft.write_text(json.dumps(facts), encoding="utf-8")
        _sync(facts_draft)
        facts_draft.replace(_facts_path(path))
        crash_point("index_saved")

    def _new_index(self, dimension: int) -> hnswlib.Index:
        index = hnswlib.Index(space="cosine", dim=dimension)
        index.init_index(max_elements=_FIRST_CAPACITY, ef_construction=_BUILD_EFFORT, M=_LINKS, random_seed=1)
        self._index = index
        return index

    def _read_index(self, path: Path, rows: dict[int, Remembered]) -> int:
        """Load the index file if it is whole and holds only what the store holds; return its newest sequence number."""
        try:
            facts = json.loads(_facts_path(path).read_text(encoding="utf-8"))
            last_seq, count, dimension = facts["last_seq"], facts["count"], facts["dimension"]
            expected = sum(1 for seq, row in rows.items() if seq <= last_seq and len(row.embedding) == dimension)
            fits = last_seq in rows and count == expected and facts["embedder"] == self._embedder
            if not fits or facts["sha256"] != _checksum(path):
                return 0
            index = hnswlib.Index(space="cosine", dim=dimension)
            index.load_index(str(path), max_elements=max(_FIRST_CAPACITY, 2 * len(rows)))
        except (OSError, ValueError, KeyError, TypeError, RuntimeError):
            return 0
        self._index = index
        return int(last_seq)


def as_vector(values: Iterable[float]) -> Vector:
    """Make a unit vector of shape [d], float32; a zero vector stays zero."""
    vector = np.asarray(list(values), dtype=np.float32)
    norm = float(np.linalg.norm(vector))
    return vector / np.float32(norm) if norm > 0 else vector


def vector_from_bytes(data: bytes) -> Vector:
    """Read a vector back as the store keeps it: float32, little endian."""
    return np.frombuffer(data, dtype="<f4").astype(np.float32)


def _facts_path(path: Path) -> Path:
    return path.with_suffix(path.suffix + ".json")


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
