"""What a memory bank holds, as graphs that one thread makes grow while others search them.

hnswlib does not bear a search beside an insertion in the same graph. Only the newest graph grows, so only there a
search waits, for one insertion at the most: the gate lets whoever waits go before the next one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

import numpy as np

from star_agents.scheduling.forgetting import kept_of_oldest
from star_agents.scheduling.memory_segments import (
    CodedSegment,
    Found,
    Places,
    Room,
    Segment,
    WholeSegment,
)
from star_agents.scheduling.vector_codes import Query, Vector, VectorCoder

_CANDIDATES = 128
"""Of all graphs of sketches together."""
_RANKED = 48
"""The nearest of them by their sketches, which are ranked by their bytes."""
_EFFORT = (32, 96)
"""The fewest and the most candidates of one graph."""

Others = Callable[[], Sequence[tuple[str, Vector]]]
"""Instructions that are in no graph yet, each with its arm."""


class Graphs:
    """Instructions of one dimension.

    Args:
        dimension: Of their vectors.
        room: Of each graph.
        at_most: Instructions that are held; ``None``: all.
    """

    def __init__(self, dimension: int, room: Room, at_most: int | None) -> None:
        self.dimension, self._room, self._at_most = dimension, room, at_most
        self.segments: list[Segment] = []
        """One of whole vectors, or coded ones in the order in which they were begun; the last one grows."""
        self.forgotten = 0
        self._gate, self._growing = threading.Lock(), threading.Lock()

    def __len__(self) -> int:
        return sum(map(len, tuple(self.segments)))

    @property
    def has_room_in_first(self) -> bool:
        """Whether the next one goes into the first graph."""
        newest = self.segments[-1] if self.segments else None
        return newest is None or (isinstance(newest, WholeSegment) and len(newest) < self._room.first)

    def takes(self, vector: Vector) -> bool:
        """Whether a vector can be compared with the others: it has their dimension, and finite numbers only. Directions
        of sketches could not be made of others."""
        return len(vector) == self.dimension and bool(np.isfinite(vector).all())

    def full_ones(self) -> list[Segment]:
        """Those that are full; none while what is older than their newest is only in one that is not, where it entered
        once more: whoever has these alone and reads what came after them again would lack it."""
        full = [one for one in self.segments if one.is_full]
        newest = max((one.span()[1] for one in full), default=0)
        growing = [one for one in self.segments if len(one) and not one.is_full]
        return [] if any(one.span()[0] < newest for one in growing) else full

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The newest graph is ours alone. Whoever waits for it holds the gate, so that nobody overtakes."""
        with self._gate:
            self._growing.acquire()
        try:
            yield
        finally:
            self._growing.release()

    # Growing, by one thread at a time

    def add(self, seq: int, arm: str, vector: Vector, entered: Callable[[], object] = bool) -> bool:
        """Let one more be found, and forget others where there are too many; ``entered`` is called in the same moment.

        Returns:
            Whether a graph of sketches came to a size by that at which it is written.
        """
        if self._at_most is not None and len(self) >= self._at_most:
            self._forget(self._at_most)
        newest = self._with_room()
        if isinstance(newest, WholeSegment):
            with self._turn():
                newest.add(seq, arm, vector)
                entered()
            return False
        coded = newest.coder.code(vector.reshape(1, -1))
        with self._turn():
            newest.add(seq, arm, coded)
            entered()
        return newest.is_full or newest.size % self._room.step == 0

    def _with_room(self) -> Segment:
        """The graph that grows: the newest, or one after it where that is full."""
        while not self.segments or self.segments[-1].is_full:
            newest = self.segments[-1] if self.segments else None
            if newest is None:
                segments: list[Segment] = [WholeSegment(self.dimension, self._room.first)]
            elif isinstance(newest, WholeSegment):
                segments = [_coded(newest, self._room)]
            else:
                segments = [*self.segments, CodedSegment(newest.number + 1, newest.coder, self._room.other)]
            with self._turn():
                self.segments = segments
        return self.segments[-1]

    def _forget(self, at_most: int) -> None:
        """Forget the oldest quarter, as far as one graph holds it, but for what stays of it: that enters once more."""
        oldest, begin = self.segments[0], self.segments[0].hidden
        assert isinstance(oldest, CodedSegment), "a graph of whole vectors holds a quarter of them at the most"
        pairs = oldest.pairs()[: -(-at_most // 4)]
        end = begin + len(pairs)
        others = [oldest.arms[end:], *(one.arms for one in self.segments[1:] if isinstance(one, CodedSegment))]
        stays = kept_of_oldest([arm for _, arm in pairs], list(chain.from_iterable(others)), at_most)
        with self._turn():
            oldest.hidden = end
            self.segments = self.segments[not len(oldest) :]
        self.forgotten += len(pairs) - sum(stays)
        for place, (seq, arm) in enumerate(pairs, start=begin):
            if stays[place - begin]:
                newest = self._with_room()
                assert isinstance(newest, CodedSegment), "as the oldest"
                with self._turn():
                    newest.add(seq, arm, oldest.coded(place))

    # Searching

    def nearest(self, vector: Vector, count: int, others: Others) -> list[Found]:
        """The most similar of those in the graphs and ``others``, nearest first.

        Fewer than ``count`` where the search, which is approximate, reaches fewer. ``others`` are asked for in the
        moment in which the newest graph is searched.
        """
        with self._turn():
            segments = tuple(self.segments)
            newest = segments[-1] if segments else None
            if isinstance(newest, CodedSegment):
                query = Query(newest.coder, vector)
                effort = max(2 * count, min(max(_CANDIDATES // len(segments), _EFFORT[0]), _EFFORT[1]))
                last = newest.candidates(query, effort)
            found = newest.nearest(vector, count) if isinstance(newest, WholeSegment) else []
            beside = others()
        if isinstance(newest, CodedSegment):
            coded = [one for one in segments if isinstance(one, CodedSegment)]
            candidates = [*(one.candidates(query, effort) for one in coded[:-1]), last]
            found = _ranked(coded, candidates, query, count)
        if beside:
            similar = np.stack([one for _, one in beside]) @ vector
            found = [*found, *(Found(arm, float(one)) for (arm, _), one in zip(beside, similar, strict=True))]
            found = sorted(found, key=lambda one: -one.similarity)[:count]
        return found


def _coded(whole: WholeSegment, room: Room) -> CodedSegment:
    """The first graph of sketches, with all that was held as whole vectors."""
    pairs = whole.pairs()
    vectors = whole.vectors([seq for seq, _ in pairs])
    coder = VectorCoder.of(vectors)
    segment = CodedSegment(1, coder, max(room.other, len(pairs)))
    for place, (seq, arm) in enumerate(pairs):
        segment.add(seq, arm, coder.code(vectors[place : place + 1]))
    return segment


def _ranked(
    segments: Sequence[CodedSegment], candidates: Sequence[tuple[Places, Vector]], query: Query, count: int
) -> list[Found]:
    """The ``count`` most similar of the nearest candidates, nearest first."""
    distances = np.concatenate([one for _, one in candidates])
    most = max(_RANKED, 2 * count)
    limit = float(np.partition(distances, most - 1)[most - 1]) if len(distances) > most else float("inf")
    near = [places[those <= limit] for places, those in candidates]
    similar = np.concatenate([one.similarities(query, those) for one, those in zip(segments, near, strict=True)])
    held = [(one, place) for one, those in zip(segments, near, strict=True) for place in those.tolist()]
    order = np.argsort(-similar, kind="stable")[:count].tolist()
    return [Found(held[at][0].arms[held[at][1]], float(similar[at])) for at in order]
