"""Margins of a reward model on the scale of points: a map of quantiles, made once and then frozen. Pure.

A reward model says how much better one answer is than another in units of its own. Over battles that other judges
scored, the k-th smallest of its margins stands for the k-th smallest of their gaps (quantile mapping, as between two
instruments that measure one thing). Alone, a margin stands for its rank: at the quantile K/9 of the margins begin K
points, since points go from 1 to 10. Between the knots the map is linear, and at 0 it is 0; beyond the last knot
nothing grows. The sign is the margin's own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean
from typing import Any, NamedTuple, Self

from star_agents.arena.scores import HIGHEST, LOWEST
from star_agents.text.content_hash import digest

WIDEST = float(HIGHEST - LOWEST)
"""Points between the best and the worst answer there can be."""


class Measured(NamedTuple):
    """A battle that a reward model measured."""

    margin: float
    """Left minus right, in units of the model."""
    gap: float | None = None
    """Left minus right in points, the mean of the other judges; ``None`` where there are none."""


@dataclass(frozen=True, slots=True)
class QuantileMap:
    """From the size of a margin to the size of a gap in points; monotone, and 0 at 0."""

    margins: tuple[float, ...]
    """Of the knots, above 0 and increasing, in units of the reward model."""
    gaps: tuple[float, ...]
    """Of the knots: never decreasing, from 0 to 9 points."""
    battles: int
    """That it was made of."""
    same_winner: float | None = None
    """Share of the battles that both decided in which both name one winner; ``None``: alone, or nothing was decided."""

    @classmethod
    def of(cls, battles: Sequence[Measured]) -> Self:
        """Made of battles that all have a gap, or of battles that have none.

        Battles of one margin share a knot, the mean of their gaps. Quantiles are those of the empirical distribution,
        linear in between (type 4 of Hyndman & Fan 1996).

        Raises:
            ValueError: some have a gap, and others have none.
        """
        alone = [one.gap is None for one in battles]
        if any(alone) and not all(alone):
            raise ValueError("a map is made of battles that other judges scored, or of battles that none did")
        sizes = sorted(abs(one.margin) for one in battles)
        ranks = (WIDEST * (number + 1) / len(sizes) for number in range(len(sizes)))
        others = sorted(min(abs(one.gap), WIDEST) for one in battles if one.gap is not None)
        pairs = zip(sizes, others or ranks, strict=True)
        knots = [(size, fmean(gap for _, gap in same)) for size, same in groupby(pairs, lambda pair: pair[0]) if size]
        return cls(
            margins=tuple(size for size, _ in knots),
            gaps=_rising(gap for _, gap in knots),
            battles=len(battles),
            same_winner=_same_winner(battles),
        )

    def gap(self, margin: float) -> float:
        """Points that a margin stands for, from -9 to 9; 0 for any margin where the map has no knot."""
        size = abs(margin)
        at = bisect_left(self.margins, size)
        if at == len(self.margins):
            points = self.gaps[-1] if self.gaps else 0.0
        elif size == self.margins[at]:
            points = self.gaps[at]
        else:
            low, from_ = (self.margins[at - 1], self.gaps[at - 1]) if at else (0.0, 0.0)
            share = (size - low) / (self.margins[at] - low)
            points = min(from_ + share * (self.gaps[at] - from_), self.gaps[at])
        return -points if margin < 0 < points else points

    @property
    def name(self) -> str:
        """Tells maps apart: a hash of what they do."""
        return digest([self.margins, self.gaps])[:12]

    @property
    def doubt(self) -> str:
        """Why little is to be believed of it, in words; empty where nothing is wrong."""
        if not self.margins:
            return "every margin is 0: it tells no answer from another, and decides nothing"
        if len(self.margins) == 1:
            return "all margins are of one size: it tells who is better, and not by how much"
        if not self.gaps[-1]:
            return "the other judges decided no battle, so that its margins count as nothing"
        if self.same_winner is not None and self.same_winner < 0.5:
            return f"it names the winner of the other judges in {100 * self.same_winner:.0f} % of the battles"
        return ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the store."""
        knots = {"margins": list(self.margins), "gaps": list(self.gaps)}
        return {**knots, "battles": self.battles, "same_winner": self.same_winner}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        return cls(**{**data, "margins": tuple(data["margins"]), "gaps": tuple(data["gaps"])})


def _rising(gaps: Iterable[float]) -> tuple[float, ...]:
    """The same, without what a rounded mean may lie below the one before it."""
    found: list[float] = []
    for gap in gaps:
        found.append(max(gap, found[-1]) if found else gap)
    return tuple(found)


def _same_winner(battles: Sequence[Measured]) -> float | None:
    decided = [(one.margin > 0) == (one.gap > 0) for one in battles if one.margin and one.gap]
    return fmean(decided) if decided else None


def points_around(gap: float, middle: float) -> tuple[float, float]:
    """Points of two answers from the gap between them and the level of both, each kept between 1 and 10."""
    return _kept(middle + gap / 2), _kept(middle - gap / 2)


def _kept(points: float) -> float:
    return min(max(points, float(LOWEST)), float(HIGHEST))
