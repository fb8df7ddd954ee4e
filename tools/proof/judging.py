"""Lazy judging against judging everybody, on a real table: the same choices, at what share of the calls? Figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from proof import bootstrap
from proof.arms import choose_all
from proof.bootstrap import Interval
from proof.choices import draws
from proof.table import Table


@dataclass(frozen=True, kw_only=True, slots=True)
class Judging:
    """Lazy against exhaustive; a verdict is two calls either way."""

    m: int
    rows: int
    different: int
    """Rows on which the two chose differently."""
    share: Interval
    """Verdicts paid for, over every drawn candidate but those equal to the base."""
    share_of_worth: Interval
    """The same, over those with a gap above 0 only: the others cannot win, and nobody careful would judge them."""


def compare(table: Table, referee: str, m: int, seeds: int) -> Judging:
    """Both ways over ``seeds`` uniform draws per item."""
    different, lazy, worth, everybody = 0, [], [], []
    for seed in range(seeds):
        drawn = draws(table, m, seed)
        ours, all_judged = (
            choose_all("dual", drawn, table.scores, table.verdicts[referee], table.same, seed, lazy=lazily)
            for lazily in (True, False)
        )
        different += sum(one.column != other.column for one, other in zip(ours, all_judged, strict=True))
        lazy.append([one.verdicts for one in ours])
        worth.append([one.verdicts for one in all_judged])
        everybody.append((~np.take_along_axis(table.same, drawn, axis=1)).sum(axis=1))
    paid, careful, naive = (np.array(one, dtype=np.float64).mean(axis=0) for one in (lazy, worth, everybody))
    return Judging(
        m=m,
        rows=seeds * len(table.usable),
        different=different,
        share=bootstrap.ratio(paid, naive),
        share_of_worth=bootstrap.ratio(paid, careful),
    )
