"""Rules of choice, and scores with and without the end of the response, against the checker. Figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from proof import bootstrap
from proof.bootstrap import Interval
from proof.choices import draws
from proof.table import Table
from proof.variants import RULES, choose


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleFigures:
    """One rule under one reading of Eq. 4."""

    mode: str
    rule: str
    usable: Interval
    against_paper: Interval
    """Difference to Eq. 7 without the end scored, the same items and draws."""
    cut: float
    """Share of chosen rows written by the agent that breaks off."""


def measure(tables: Mapping[str, Table], referee: str, m: int, seeds: int, cutter: str) -> list[RuleFigures]:
    """Every rule over the same draws; ``tables`` holds one table per scoring mode, alike in all else."""
    first = next(iter(tables.values()))
    items = np.arange(len(first.usable))
    column = 1 + [pair.name for pair in first.candidates.pairs].index(cutter)
    right, cut = {}, {}
    for mode, table in tables.items():
        for name, rule in RULES.items():
            taken = [
                choose(rule, table.scores.gap, table.verdicts[referee], table.same, draws(table, m, seed))
                for seed in range(seeds)
            ]
            right[mode, name] = np.mean([table.usable[items, one] for one in taken], axis=0)
            cut[mode, name] = float(np.mean([(one == column).mean() for one in taken]))
    papers = next(iter(right.values()))
    return [
        RuleFigures(
            mode=mode,
            rule=name,
            usable=bootstrap.mean(values),
            against_paper=bootstrap.difference(values, papers),
            cut=cut[mode, name],
        )
        for (mode, name), values in right.items()
    ]
