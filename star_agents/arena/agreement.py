"""How far a judge says what people say: accuracy, Cohen's kappa, and what its two orders do to them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from star_agents.arena.bootstrap import Floats, ratio
from star_agents.records import Flat
from star_agents.scheduling.win_rates import WinRate, win_rate

Side = Literal["first", "second", "tie"]
"""Which of two answers is better."""
SIDES: tuple[Side, ...] = get_args(Side)


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelled(Flat):
    """A pair of answers that people judged, and what a judge said of it in each order."""

    label: Side
    """By people: the majority."""
    forward: Side | None
    """The judge's, with the first answer shown first; ``None``: it could not be read."""
    backward: Side | None = None
    """The judge's, with the second one shown first, told in terms of the pair as it stands in the data."""
    points: float | None = None
    """Of the first answer minus the second, mean of both orders, where the judge gives points."""
    orders: Literal[1, 2] = 2
    """In how many the judge was asked; with one there is no ``backward``."""

    @property
    def verdict(self) -> Side | None:
        """Both orders together: who has more points, or without points what both say, else a tie; ``None`` where one
        cannot be read."""
        if self.orders == 1:
            return self.forward
        if self.forward is None or self.backward is None:
            return None
        if self.points is not None:
            return side_of(self.points)
        return self.forward if self.forward == self.backward else "tie"

    @property
    def unreadable(self) -> int:
        """Orders that could not be read."""
        return (self.forward is None) + (self.orders == 2 and self.backward is None)


def side_of(points: float) -> Side:
    """Who is ahead, of first minus second."""
    return "tie" if points == 0 else "first" if points > 0 else "second"


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement(Flat):
    """A judge against people."""

    pairs: int
    unreadable: int
    """Pairs of which an order could not be read: they are in none of what follows."""
    right: int
    kappa: float | None
    """Cohen's (1960), over first, second and tie; ``None`` where chance alone would agree always."""
    decided: int
    """Pairs that people decided, and the judge too."""
    decided_right: int
    both_orders: int
    """Pairs that the judge saw in both orders."""
    consistent: int
    """Those of them of which both orders say the same."""
    for_first_shown: int
    """Those of them of which both orders name what was shown first."""
    for_second_shown: int
    table: tuple[tuple[int, ...], ...]
    """Pairs by what people say (row) and the judge (column), each in the order of ``SIDES``."""

    @property
    def accuracy(self) -> WinRate:
        """Share of readable pairs on which judge and people say the same of first, second and tie."""
        return win_rate(self.right, self.pairs - self.unreadable)

    @property
    def decided_accuracy(self) -> WinRate:
        """Likewise where neither says tie."""
        return win_rate(self.decided_right, self.decided)


def agreement(pairs: Sequence[Labelled]) -> Agreement:
    """How often the verdicts of a judge are those of people, beside chance, ties and positions."""
    read = [(one, one.verdict) for one in pairs if one.verdict is not None]
    said = Counter((one.label, verdict) for one, verdict in read)
    both = [(one.forward, one.backward) for one, _ in read if one.orders == 2]
    decided = [said[label, verdict] for label in SIDES[:2] for verdict in SIDES[:2]]
    return Agreement(
        pairs=len(pairs),
        unreadable=len(pairs) - len(read),
        right=sum(said[side, side] for side in SIDES),
        kappa=kappa([(one.label, verdict) for one, verdict in read]),
        decided=sum(decided),
        decided_right=decided[0] + decided[-1],
        both_orders=len(both),
        consistent=sum(forward == backward for forward, backward in both),
        for_first_shown=both.count(("first", "second")),
        for_second_shown=both.count(("second", "first")),
        table=tuple(tuple(said[label, verdict] for verdict in SIDES) for label in SIDES),
    )


def kappa(said: Sequence[tuple[str, str]]) -> float | None:
    """Cohen's kappa of two raters; ``None`` where chance alone would agree always, and of nothing."""
    names = sorted({name for pair in said for name in pair})
    counted = Counter(said)
    table = np.array([[counted[one, other] for other in names] for one in names], dtype=np.float64)
    found = float(kappas(table)) if said else np.nan
    return None if np.isnan(found) else found


def kappas(tables: Floats) -> Floats:
    """Cohen's kappa of two raters: their agreement beyond what their own shares would give by chance.

    Cohen, J.: A coefficient of agreement for nominal scales. Educational and Psychological Measurement 20 (1960).

    Args:
        tables: (..., categories, categories): how often the one said the row and the other the column.

    Returns:
        (...): NaN where chance alone would agree always.
    """
    every = tables.sum((-2, -1))
    observed = ratio(np.trace(tables, axis1=-2, axis2=-1), every)
    chance = ratio((tables.sum(-1) * tables.sum(-2)).sum(-1), every**2)
    return ratio(observed - chance, 1 - chance)
