"""The choice among one seed's candidates (Eq. 5 to 7) as pure decisions: what ranks, who is judged next, who wins.

Rank is the tuple (π, π_llm, gap, base, earlier drawn), compared from left to right: design section 4, ties of Eq. 7.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from star_agents.config.star import Selection

Rank = tuple[float, float, float, bool, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """What the choice knows of one usable candidate."""

    order: int
    """Order of drawing; base pairs come first."""
    is_base: bool
    worth: float
    """What π_llm is multiplied with, in [0, 1]: π_dual, or 1 where the selection does not score."""
    gap: float | None = None

    def rank(self, pi_llm: float) -> Rank:
        """Where the contender stands with this verdict."""
        return (pi_llm * self.worth, pi_llm, -math.inf if self.gap is None else self.gap, self.is_base, -self.order)


def relative_gaps(gaps: Sequence[float | None]) -> list[float]:
    """Eq. 5: each gap over the largest of this seed; a gap ≤ 0, or none, gives 0; when none is positive, all are 0."""
    largest = max((gap for gap in gaps if gap is not None), default=0.0)
    return [gap / largest if gap is not None and gap > 0 else 0.0 for gap in gaps]


def worths(
    selection: Selection, gaps: Sequence[float | None], ifd_small: Sequence[float | None], dual: Sequence[float]
) -> list[float]:
    """What each candidate is worth before the referee speaks, in [0, 1].

    ``dual`` and ``gap`` take Eq. 5. ``ifd`` takes IFD of the small model over the highest of this seed: the paper's
    ablation of Table 4, where the hardest candidate wins. ``referee`` scores nothing, so every candidate is worth 1.
    """
    if selection in ("dual", "gap"):
        return list(dual)
    if selection == "ifd":
        highest = max((value for value in ifd_small if value is not None), default=0.0)
        return [0.0 if value is None or highest <= 0 else value / highest for value in ifd_small]
    return [1.0] * len(gaps)


class Contest:
    """Runs the contest of one seed and says whom to judge next.

    Since π = π_llm · π_dual ≤ π_dual, a candidate whose best possible rank is below the leader's rank cannot win.
    Judging in falling order of best possible rank and stopping there chooses exactly what judging everybody chooses.

    Args:
        contenders: The usable candidates, the referee's base sample at index ``base``.
        base: Index of the base sample; its π_llm is 0.5 by Eq. 6 (a tie with itself).
        judged_by_referee: False where the selection has no referee: then every π_llm counts as 1 and nobody is judged.
    """

    def __init__(self, contenders: Sequence[Contender], *, base: int | None, judged_by_referee: bool) -> None:
        self._contenders = tuple(contenders)
        self._base = base
        self._ranks: dict[int, Rank] = {}
        self._without_verdict: set[int] = set()
        self.pi_llm: dict[int, float] = {}
        if not judged_by_referee:
            for index in range(len(contenders)):
                self.settle(index, 1.0)
        elif base is not None:
            self.settle(base, 0.5)

    def settle(self, index: int, pi_llm: float | None) -> None:
        """Enter a verdict. ``None``: there is none to be had; this candidate cannot win, and its π stays unknown."""
        if pi_llm is None:
            self._without_verdict.add(index)
            return
        self.pi_llm[index] = pi_llm
        self._ranks[index] = self._contenders[index].rank(pi_llm)

    def next_to_judge(self, *, everybody: bool = False) -> int | None:
        """Whom to judge next; ``None`` when nobody left can change the choice.

        With ``everybody`` every candidate of worth is judged (``reward: all`` needs each π). Worth 0 is never judged.
        """
        settled = self._ranks.keys() | self._without_verdict
        open_ones = [index for index, one in enumerate(self._contenders) if index not in settled and one.worth > 0]
        if not open_ones:
            return None
        best = max(open_ones, key=lambda index: self._contenders[index].rank(1.0))
        leader = max(self._ranks.values(), default=None)
        if not everybody and leader is not None and self._contenders[best].rank(1.0) < leader:
            return None
        return best

    def pi(self) -> Mapping[int, float]:
        """π of every candidate whose π is known: the judged ones, and 0 for those of no worth."""
        known = {index: rank[0] for index, rank in self._ranks.items()}
        worthless = {index: 0.0 for index, one in enumerate(self._contenders) if one.worth <= 0}
        return {**worthless, **known}

    def winner(self) -> int | None:
        """The chosen candidate; the base sample when no π is above 0; ``None`` when there is no base either."""
        best = max(self._ranks, key=lambda index: self._ranks[index], default=None)
        if best is not None and self._ranks[best][0] > 0:
            return best
        return self._base
