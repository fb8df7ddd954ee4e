"""What is told of a scored file, whatever its length: counts, distributions, the pairs at both ends of the gap.

Memory is bounded: a uniform reservoir stands for the distributions, two heaps hold the ends, and reasons beyond some
number are counted together.
"""

from __future__ import annotations

import heapq
import random
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from star_agents.records import Sample, Score

ENDS = 10
"""Pairs kept at each end of the gap."""
RESERVOIR = 50_000
"""Scored rows that distributions and the median are taken from; a file up to this length counts whole."""
REASONS = 200
OTHER_REASONS = "other reasons"


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredPair:
    """A row to read."""

    row: int
    """From 1, in order of the file."""
    sample: Sample
    ifd_small: float
    ifd_large: float
    gap: float


_Entry = tuple[float, int, ScoredPair]
"""Height, minus the row so that no two are equal, and the pair."""


class Tally:
    """Hears every row once, in any order that is always the same, and answers when all have passed."""

    def __init__(self) -> None:
        self.rows = 0
        self.scored = 0
        self.positive = 0
        """Rows with a gap above 0."""
        self.reasons: Counter[str] = Counter()
        """Why rows have no score."""
        self.small, self.large = array("d"), array("d")
        """IFDs of the rows in the reservoir, by position."""
        self._chance = random.Random(0)  # the same file gives the same report
        self._highest: list[_Entry] = []
        self._lowest: list[_Entry] = []

    def add(self, score: Score, sample: Callable[[], Sample | str]) -> None:
        """Take in the next row; ``sample`` is called only where the row stands at an end of the gap."""
        self.rows += 1
        small, large, gap = score.ifd_small, score.ifd_large, score.gap
        if small is None or large is None or gap is None:
            self._count(score.reason)
            return
        self.scored += 1
        self.positive += gap > 0
        self._keep(small, large)
        if self._rises(self._highest, gap) or self._rises(self._lowest, -gap):
            found = sample()
            if isinstance(found, Sample):
                pair = ScoredPair(row=self.rows, sample=found, ifd_small=small, ifd_large=large, gap=gap)
                self._raise(self._highest, gap, pair)
                self._raise(self._lowest, -gap, pair)

    @property
    def sampled(self) -> bool:
        """Whether the reservoir holds fewer rows than were scored."""
        return self.scored > RESERVOIR

    @property
    def gaps(self) -> list[float]:
        """Gaps of the rows in the reservoir, ascending."""
        return sorted(small - large for small, large in zip(self.small, self.large, strict=True))

    @property
    def highest(self) -> list[ScoredPair]:
        """The pairs of largest gap, from the top."""
        return [pair for _, _, pair in sorted(self._highest, reverse=True)]

    @property
    def lowest(self) -> list[ScoredPair]:
        """The pairs of smallest gap, from the bottom; none that stands among the highest too."""
        above = {pair.row for pair in self.highest}
        return [pair for _, _, pair in sorted(self._lowest, reverse=True) if pair.row not in above]

    @staticmethod
    def _rises(heap: list[_Entry], height: float) -> bool:
        """Whether a pair of that height belongs in; among equals the earlier row stays."""
        return len(heap) < ENDS or height > heap[0][0]

    @staticmethod
    def _raise(heap: list[_Entry], height: float, pair: ScoredPair) -> None:
        """Put the pair where it belongs, unless it stands there already from an earlier row."""
        if any(pair.sample == other.sample for _, _, other in heap):
            return
        if len(heap) < ENDS:
            heapq.heappush(heap, (height, -pair.row, pair))
        else:
            heapq.heappushpop(heap, (height, -pair.row, pair))

    def _count(self, reason: str) -> None:
        known = reason in self.reasons or len(self.reasons) < REASONS
        self.reasons[reason if known else OTHER_REASONS] += 1

    def _keep(self, small: float, large: float) -> None:
        """Algorithm R (Vitter 1985): every row so far is in the reservoir with the same chance."""
        if self.scored <= RESERVOIR:
            self.small.append(small)
            self.large.append(large)
        elif (place := self._chance.randrange(self.scored)) < RESERVOIR:
            self.small[place], self.large[place] = small, large


def quantile(ascending: Sequence[float], share: float) -> float | None:
    """The value below which about ``share`` of the values lie; ``None`` without values."""
    return ascending[min(int(share * len(ascending)), len(ascending) - 1)] if ascending else None
