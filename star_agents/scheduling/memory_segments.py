"""The graphs that a memory bank is made of. Home of hnswlib.

A small bank is one graph of whole vectors. A larger one is made of graphs of sketches, with bytes beside them of which
ranks are made (``vector_codes``): an instruction of 384 dimensions takes 1.4 KB, one of 2,048 takes 3.1 KB, where its
vector alone is 8.2. A graph that is full never changes again: it is searched without a lock, and written once. Its
oldest instructions are forgotten by passing over what a search finds of them; when all are, the graph goes. One that
finds too little is replaced by another one, which shares with it all but sketches and links (``memory_renewal``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import NamedTuple

import hnswlib
import numpy as np
from numpy.typing import NDArray

from star_agents.scheduling.vector_codes import SKETCH, Coded, Query, Vector, VectorCoder

_FIRST_CAPACITY = 1024
_BUILD_EFFORT = 200
_LINKS = 16
_CODED_BUILD_EFFORT = 128
_CODED_LINKS = 16
_READ_AT_ONCE = 32


Places = NDArray[np.int64]
NO_PLACES: Places = np.empty(0, dtype=np.int64)


class Room(NamedTuple):
    """How many instructions a graph may hold."""

    first: int
    other: int

    @property
    def step(self) -> int:
        """One that grows is written each time so many more are in it."""
        return max(1, self.other // 2)


class Found(NamedTuple):
    """An instruction that a search came to."""

    arm: str
    similarity: float
    """Cosine."""


class Check(NamedTuple):
    """What a graph of sketches was found to find (``memory_renewal.measure``)."""

    size: int = 0
    """Instructions that were in it then; 0: nobody has measured it yet."""
    effort: int = 128
    """Candidates that a search asks it for."""
    recall: float | None = None
    """Share of the nearest five that it then found; ``None``: not measured."""


class WholeSegment:
    """A graph of whole vectors, at most ``capacity`` of them."""

    number = hidden = 0
    check = Check()

    def __init__(self, dimension: int, capacity: int) -> None:
        self.dimension, self.capacity = dimension, capacity
        self.arms: dict[int, str] = {}
        """By sequence number, which is the label in the graph."""
        self._index = hnswlib.Index(space="cosine", dim=dimension)
        room = min(_FIRST_CAPACITY, capacity)
        self._index.init_index(max_elements=room, ef_construction=_BUILD_EFFORT, M=_LINKS, random_seed=1)

    def __len__(self) -> int:
        return len(self.arms)

    @property
    def size(self) -> int:
        """How many are in it."""
        return len(self.arms)

    @property
    def is_full(self) -> bool:
        """It will never change again."""
        return self.size >= self.capacity

    def seqs(self) -> list[int]:
        """Sequence numbers, in the order in which they came."""
        return list(self.arms)

    def span(self) -> tuple[int, int]:
        """The lowest and the highest sequence number."""
        return min(self.arms), max(self.arms)

    def pairs(self) -> list[tuple[int, str]]:
        """Sequence number and arm of each, in the order in which they came."""
        return list(self.arms.items())

    def add(self, seq: int, arm: str, vector: Vector) -> None:
        """Let one more be found."""
        if self._index.get_current_count() == self._index.get_max_elements():
            self._index.resize_index(min(self.capacity, 2 * self._index.get_max_elements()))
        self._index.add_items(vector.reshape(1, -1), np.array([seq]), num_threads=1)
        self.arms[seq] = arm

    def nearest(self, vector: Vector, count: int) -> list[Found]:
        """The most similar, nearest first; fewer where the search, which is approximate, reaches fewer."""
        wanted = min(count, len(self.arms))
        while wanted:
            self._index.set_ef(max(64, 2 * wanted))
            try:
                labels, distances = self._index.knn_query(vector.reshape(1, -1), k=wanted, num_threads=1)
            except RuntimeError:
                # The graph search reached fewer than were asked for: among many instructions that are all alike, some
                # have no link left that leads to them.
                wanted //= 2
            else:
                found = zip(labels[0], distances[0], strict=True)
                return [Found(self.arms[int(label)], 1.0 - float(distance)) for label, distance in found]
        return []

    def vectors(self, seqs: list[int]) -> Vector:
        """Those of some of them; shape [n, d]."""
        found = np.empty((len(seqs), self.dimension), dtype=np.float32)
        for start in range(0, len(seqs), _READ_AT_ONCE):  # hnswlib lets nobody else in meanwhile.
            some = seqs[start : start + _READ_AT_ONCE]
            found[start : start + len(some)] = self._index.get_items(some)
        return found

    def holds(self, place: int, vector: Vector) -> bool:
        """Whether the one that came at a place, from 0, has this vector."""
        kept = self.vectors([self.seqs()[place]])[0]
        length = float(np.linalg.norm(vector))
        return bool(np.allclose(kept, vector / length if length else vector, atol=1e-4))

    def write(self, path: Path) -> None:
        """Write the graph."""
        self._index.save_index(str(path))

    @classmethod
    def read(cls, path: Path, dimension: int, capacity: int, arms: Mapping[int, str]) -> WholeSegment:
        """Read one that was written; ``arms`` are those of every instruction that there may be, by sequence number.

        Raises:
            RuntimeError: the file is no graph.
            KeyError: it holds an instruction that is not among ``arms``.
        """
        segment = cls(dimension, capacity)
        segment._index = hnswlib.Index(space="cosine", dim=dimension)
        segment._index.load_index(str(path))
        seqs = sorted(segment._index.get_ids_list())
        segment._index.resize_index(max(_FIRST_CAPACITY, capacity, len(seqs)))
        segment.arms = {seq: arms[seq] for seq in seqs}
        return segment


class CodedSegment:
    """A graph of sketches with the bytes of its vectors beside it, at most ``capacity`` of them; labels are places."""

    def __init__(self, number: int, coder: VectorCoder, capacity: int, *, is_read: bool = False) -> None:
        self.number, self.coder, self.capacity = number, coder, capacity
        self.arms: list[str] = []
        """By place, those that are forgotten among them."""
        self.hidden = 0
        """The first so many are forgotten."""
        self.check = Check()
        # What is not written to takes no memory yet.
        self._seqs: Places = np.empty(capacity, dtype=np.int64)
        self._codes = np.empty((capacity, coder.width), dtype=np.int8)
        self._scales = np.empty(capacity, dtype=np.float32)
        self._index = hnswlib.Index(space="l2", dim=SKETCH) if is_read else _empty_graph(capacity)

    def __len__(self) -> int:
        return len(self.arms) - self.hidden

    @property
    def size(self) -> int:
        """How many are in it, those that are forgotten among them."""
        return len(self.arms)

    @property
    def is_full(self) -> bool:
        """But for what is forgotten it will never change again."""
        return self.size >= self.capacity

    def seqs(self) -> list[int]:
        """Sequence numbers of those that can be found, in the order in which they came."""
        told: list[int] = self._seqs[self.hidden : self.size].tolist()
        return told

    def pairs(self) -> list[tuple[int, str]]:
        """Sequence number and arm of each of them, in the order in which they came."""
        return list(zip(self.seqs(), self.arms[self.hidden :], strict=True))

    def span(self) -> tuple[int, int]:
        """Their lowest and their highest sequence number."""
        found = self._seqs[self.hidden : self.size]
        return int(found.min()), int(found.max())

    def add(self, seq: int, arm: str, coded: Coded) -> None:
        """Let one more be found, of which ``coded`` alone is."""
        place = len(self.arms)
        self._seqs[place], self._codes[place], self._scales[place] = seq, coded.codes[0], coded.scales[0]
        self._index.add_items(coded.sketches, np.array([place]), num_threads=1)
        self.arms.append(arm)

    def renewed(self, coder: VectorCoder) -> CodedSegment:
        """A graph for the same instructions by sketches of another coder, none of which is in it yet; all else it
        shares with this one. ``coder`` has the same mean: bytes are of what differs from it."""
        other = copy(self)
        other.coder, other.check, other._index = coder, Check(), _empty_graph(self.capacity)
        return other

    def enter(self, places: Places) -> None:
        """Let some be found of which all but the sketches is here already."""
        self._index.add_items(self.coder.sketches(self.decoded(places)), places, num_threads=1)

    def decoded(self, places: Places) -> Vector:
        """The vectors of some, as far as bytes tell them; shape [n, d]."""
        return self.coder.decoded(self._codes[places], self._scales[places])

    def coded(self, place: int, coder: VectorCoder) -> Coded:
        """What another graph keeps of one of them, by its own coder, of the same mean."""
        some = np.array([place])
        return Coded(coder.sketches(self.decoded(some)), self._codes[some], self._scales[some])

    def candidates(self, query: Query, effort: int) -> Places:
        """Places that may be near, at most ``effort``.

        Where some are forgotten, more are looked for by as much, at most twice as many, and fewer may be found.
        """
        if self.hidden:
            effort = min(2 * effort, effort * self.size // max(1, len(self)))
        wanted = min(effort, self._index.get_current_count())
        while wanted:
            try:  # With as many as are asked for, hnswlib takes so much effort.
                places, _ = self._index.knn_query(query.sketch.reshape(1, -1), k=wanted, num_threads=1)
            except RuntimeError:
                wanted //= 2  # As of a whole graph.
            else:
                found: Places = places[0][places[0] >= self.hidden].astype(np.int64)
                return found
        return NO_PLACES

    def similarities(self, query: Query, places: Places) -> Vector:
        """Those of some of them by their bytes; shape [n]."""
        return query.similarities(self._codes.take(places, axis=0), self._scales[places])

    def all_similarities(self, queries: Sequence[Query], places: Places) -> Vector:
        """Those of some of them with several queries; shape [queries, n]."""
        return Query.all_similarities(queries, self._codes.take(places, axis=0), self._scales[places])

    def holds(self, place: int, vector: Vector) -> bool:
        """Whether the one that came at a place, from 0, has this vector."""
        coded = self.coder.code(vector.reshape(1, -1)).codes[0].astype(np.int16)
        return bool(np.abs(coded - self._codes[place]).max() <= 1)  # Another machine's last bits may differ.

    def write(self, graph: Path, codes: Path) -> None:
        """Write both files."""
        self._index.save_index(str(graph))
        count = self.size
        with codes.open("wb") as file:
            kept = (self._seqs[:count], self._scales[:count], self._codes[:count])
            for part in (self.coder.mean, self.coder.axes, *kept):
                np.save(file, part, allow_pickle=False)

    @classmethod
    def read(
        cls, graph: Path, codes: Path, number: int, capacity: int, arms: Mapping[int, str], coder: VectorCoder | None
    ) -> CodedSegment:
        """Read one that was written.

        Args:
            graph: Its one file.
            codes: Its other one.
            number: Its place among all that there were.
            capacity: At most so many.
            arms: Of every instruction that there may be, by its sequence number.
            coder: Of the segment before it, which is taken where it is the same.

        Raises:
            OSError, ValueError, EOFError, RuntimeError: the files are not two that were written together.
            KeyError: it holds an instruction that is not among ``arms``.
        """
        with codes.open("rb") as file:
            mean, axes, seqs, scales, kept = (np.load(file, allow_pickle=False) for _ in range(5))
        if coder is None or not (np.array_equal(coder.mean, mean) and np.array_equal(coder.axes, axes)):
            coder = VectorCoder(mean, axes)
        count = len(seqs)
        segment = cls(number, coder, max(capacity, count), is_read=True)
        if scales.shape != (count,) or kept.shape != (count, coder.width):
            raise ValueError(f"{codes}: holds vectors of another shape than {coder.width}, or not as many")
        if segment.capacity == count:
            segment._seqs, segment._scales, segment._codes = seqs, scales, kept
        else:
            segment._seqs[:count], segment._scales[:count], segment._codes[:count] = seqs, scales, kept
        segment._index.load_index(str(graph), max_elements=segment.capacity)
        if segment._index.get_current_count() != count:
            raise ValueError(f"{graph}: holds other instructions than {codes.name}")
        segment.arms = [arms[seq] for seq in seqs.tolist()]
        return segment


Segment = WholeSegment | CodedSegment


def _empty_graph(capacity: int) -> hnswlib.Index:
    """Of sketches; what it does not hold yet takes no memory."""
    index = hnswlib.Index(space="l2", dim=SKETCH)
    index.init_index(max_elements=capacity, ef_construction=_CODED_BUILD_EFFORT, M=_CODED_LINKS, random_seed=1)
    return index
