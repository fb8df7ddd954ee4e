"""What a memory bank holds, as graphs that one thread makes grow while others search them.

hnswlib does not bear a search beside an insertion in the same graph. Only the newest graph grows, so only there a
search waits, for one insertion at the most: the gate lets whoever waits go before the next one. A graph that is made
anew is searched by nobody until it takes the place of the one before it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

import numpy as np

from star_agents.scheduling.forgetting import kept_of_oldest
from star_agents.scheduling.memory_renewal import LEAST, Renewal, is_due, measure
from star_agents.scheduling.memory_segments import (
    Check,
    CodedSegment,
    Found,
    Places,
    Room,
    Segment,
    WholeSegment,
)
from star_agents.scheduling.vector_codes import Query, Vector, VectorCoder

Others = Callable[[], Sequence[Found]]
"""Instructions that are in no graph yet."""


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
        self.renewed: list[str] = []
        """What is to be told of each graph that was made anew."""
        self._renewal: Renewal | None = None
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
                segments = [*self.segments, CodedSegment(self._next_number, newest.coder, self._room.other)]
            with self._turn():
                self.segments = segments
        return self.segments[-1]

    @property
    def _next_number(self) -> int:
        return max(one.number for one in self.segments) + 1

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
                    newest.add(seq, arm, oldest.coded(place, newest.coder))

    # What finds too little, by the same thread

    @property
    def has_to_tend(self) -> bool:
        """Whether there is anything to do for ``tend``."""
        return self._renewal is not None or self._due() is not None

    @property
    def recall(self) -> float | None:
        """The least that a graph was found to find, of those that were measured."""
        segments = tuple(self.segments)
        return min((one.check.recall for one in segments if one.check.recall is not None), default=None)

    def _due(self) -> CodedSegment | None:
        """A graph that has to be measured."""
        coded = (one for one in tuple(self.segments) if isinstance(one, CodedSegment))
        return next((one for one in coded if is_due(one, self._room.first)), None)

    def tend(self) -> bool:
        """Do one thing for graphs that may find too little: measure one, or go on to make one anew.

        Returns:
            Whether one that was made anew is in force from now on.
        """
        if self._renewal is not None:
            return self._renewal.step() and self._take(self._renewal)
        due = self._due()
        if due is not None:
            due.check = check = measure(due)
            if check.recall is not None and check.recall < LEAST:
                self._renewal = Renewal(due)
        return False

    def _take(self, renewal: Renewal) -> bool:
        """Let a graph that was made anew take the place of the other, if nobody forgot that; say whether it does."""
        self._renewal = None
        old, new = renewal.segment, renewal.made
        if all(one is not old for one in self.segments):
            return False
        new.number, new.hidden = self._next_number, old.hidden
        new.check = measure(new)
        with self._turn():
            self.segments = [new if one is old else one for one in self.segments]
        found = f"{old.check.recall or 0:.2f} of the nearest before, {new.check.recall or 0:.2f} now"
        self.renewed.append(f"a graph of {new.size:,} instructions was made anew: it found {found}")
        return True

    # Searching

    def nearest(self, vector: Vector, count: int, others: Others) -> list[Found]:
        """The most similar of those in the graphs and ``others``, nearest first.

        Fewer than ``count`` where the search, which is approximate, reaches fewer. ``others`` are asked for in the
        moment in which the newest graph is searched.
        """
        queries: dict[VectorCoder, Query] = {}
        with self._turn():
            segments = tuple(self.segments)
            newest = segments[-1] if segments else None
            if isinstance(newest, CodedSegment):
                query = queries[newest.coder] = Query(newest.coder, vector)
                last = newest.candidates(query, max(2 * count, newest.check.effort))
            found = newest.nearest(vector, count) if isinstance(newest, WholeSegment) else []
            beside = others()
        if isinstance(newest, CodedSegment):
            candidates = [(newest, query, last)]
            for one in segments[:-1]:
                assert isinstance(one, CodedSegment), "as the newest"
                query = queries.setdefault(one.coder, queries.get(one.coder) or Query(one.coder, vector))
                candidates.append((one, query, one.candidates(query, max(2 * count, one.check.effort))))
            found = _ranked(candidates, count)
        if beside:
            found = sorted([*found, *beside], key=lambda one: -one.similarity)[:count]
        return found


def _coded(whole: WholeSegment, room: Room) -> CodedSegment:
    """The first graph of sketches, with all that was held as whole vectors."""
    pairs = whole.pairs()
    vectors = whole.vectors([seq for seq, _ in pairs])
    coder = VectorCoder.of(vectors)
    segment = CodedSegment(1, coder, max(room.other, len(pairs)))
    segment.check = Check(len(pairs))  # Its directions are fitted to these.
    for place, (seq, arm) in enumerate(pairs):
        segment.add(seq, arm, coder.code(vectors[place : place + 1]))
    return segment


def _ranked(candidates: Sequence[tuple[CodedSegment, Query, Places]], count: int) -> list[Found]:
    """The ``count`` most similar of the candidates of some graphs, nearest first."""
    similar = np.concatenate([one.similarities(query, places) for one, query, places in candidates])
    bounds = np.cumsum([len(places) for *_, places in candidates])
    found = []
    for at in np.argsort(-similar, kind="stable")[:count].tolist():
        which = int(np.searchsorted(bounds, at, side="right"))
        one, _, places = candidates[which]
        found.append(Found(one.arms[int(places[at - bounds[which]])], float(similar[at])))
    return found
