"""Graphs of a memory bank that find too little, made anew beside those that searches use.

Two things make a graph of sketches find less than it could. Its sketches are along directions in which the first
instructions differ, and others differ in others. And its links were made in the order in which instructions came: what
came after thousands of another kind is reached badly. So it is measured, each time a graph has grown by half and once
when it is full, how many it finds of the five that are nearest to some of its newest, by the bytes of all. That says
with which effort it is searched; where no effort is enough, directions are fitted to what it holds by then, and its
links are made anew in an order of chance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from star_agents.scheduling.memory_segments import Check, CodedSegment, Places
from star_agents.scheduling.vector_codes import Query, Vector

LEAST = 0.97
"""Share of the nearest five that a graph has to find."""
_ENOUGH = 0.98
"""Share that an effort has to find where there are larger ones: more than is wanted, for what is asked here is in the
graph itself, and with little effort that is found somewhat better than others are."""
_EFFORTS = (64, 96, 128, 192)
"""Candidates of one graph."""
_GROWTH = 1.5
_ASKED = 200
"""Instructions whose neighbours are looked for."""
_NEAREST = 5
_FITTED_TO = 5000
_AT_ONCE = 4
"""Instructions that enter a graph in one step."""
_COMPARED_AT_ONCE = 8192


class Renewal:
    """A graph that is being made for what another one holds.

    Args:
        segment: The other one, which goes on growing.
    """

    def __init__(self, segment: CodedSegment) -> None:
        self.segment = segment
        places = _sample_places(segment, _FITTED_TO)
        self.made = segment.renewed(segment.coder.fitted_anew(segment.decoded(places)))
        self._order = np.random.default_rng(segment.size).permutation(segment.size)
        """Of those that there were; what came since follows as it came."""
        self._done = 0

    def step(self) -> bool:
        """Let some more enter it; say whether all are in."""
        end = min(self._done + _AT_ONCE, self.segment.size)
        places = np.arange(self._done, end)
        known = self._order[self._done : end]
        places[: len(known)] = known
        self.made.enter(places)
        self._done = end
        return end == self.segment.size


def is_due(segment: CodedSegment, fewest: int) -> bool:
    """Whether it has to be measured.

    Args:
        segment: The graph.
        fewest: Instructions below which it is not.
    """
    before = segment.check.size
    return segment.size >= max(fewest, _GROWTH * before) or (segment.is_full and before < segment.size)


def measure(segment: CodedSegment) -> Check:
    """With which effort it finds how many; by nobody else who lets instructions enter it meanwhile."""
    newest = np.arange(segment.size - max(1, len(segment) // 3), segment.size)
    places = newest[:: max(1, len(newest) // _ASKED)][:_ASKED]
    asked = [Query(segment.coder, vector) for vector in segment.decoded(places)]
    count = min(_NEAREST + 1, len(segment))  # The nearest of each is itself.
    if count < 2:
        return Check(segment.size, _EFFORTS[0], 1.0)
    least = _least_similar(segment, asked, count) - np.float32(1e-6)
    recall = 0.0
    for effort in _EFFORTS:
        hits = 0
        for query, bound in zip(asked, least, strict=True):
            found = segment.similarities(query, segment.candidates(query, effort))
            hits += min(count, int((found >= bound).sum())) - 1
        recall = max(0.0, hits / ((count - 1) * len(asked)))
        if recall >= _ENOUGH:
            break
    return Check(segment.size, effort, recall)


def _least_similar(segment: CodedSegment, queries: Sequence[Query], count: int) -> Vector:
    """How similar to each query the last of the ``count`` nearest is, by the bytes of all; shape [queries]."""
    best = np.full((len(queries), count), -np.inf, dtype=np.float32)
    for begin in range(segment.hidden, segment.size, _COMPARED_AT_ONCE):
        places = np.arange(begin, min(begin + _COMPARED_AT_ONCE, segment.size))
        both = np.hstack([best, segment.all_similarities(queries, places)])
        best = -np.partition(-both, count - 1, axis=1)[:, :count]
    least: Vector = best.min(axis=1)
    return least


def _sample_places(segment: CodedSegment, count: int) -> Places:
    """Places by chance: half of them of the newest third, for what is asked next is like those."""
    chance = np.random.default_rng(segment.size)
    visible = len(segment)
    newest = max(1, visible // 3)
    some = chance.choice(newest, min(newest, count // 2), replace=False) + (segment.size - newest)
    others = chance.choice(visible, min(visible, count - len(some)), replace=False) + segment.hidden
    return np.unique(np.concatenate([some, others]))
