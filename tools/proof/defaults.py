"""The paper's readings against faster and fairer ones: the end scored or not, who is rewarded, how fast. Figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from proof import bootstrap
from proof.bootstrap import Interval
from proof.longruns import Case, replays
from proof.policies import Run, Setting
from proof.table import Table

PAPERS = Setting(kind="paper")
SETTINGS = (
    PAPERS,
    Setting(kind="paper", scale=20),
    Setting(kind="paper", scale=20, reward="judged"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DefaultFigures:
    """One set of switches; intervals over random seeds, paired with the paper's readings."""

    name: str
    usable: Interval
    """Share of usable rows over the whole run."""
    against_paper: Interval
    end_against_paper: Interval
    """The difference in the last tenth."""
    calls: float
    """Calls per seed at the end."""


def measure(tables: Callable[[Case], Table], case: Case, seeds: int, out: Path) -> list[DefaultFigures]:
    """Every setting of Eq. 8 with and without the end scored."""
    found: dict[str, list[Run]] = {}
    for mode in (case, replace(case, mode="score_eos")):
        ending = ", end scored" if mode.mode == "score_eos" else ""
        found |= {
            f"{setting.name}{ending}": runs
            for setting, runs in replays(tables(mode), mode, SETTINGS, seeds, out).items()
        }
    papers = found[PAPERS.name]
    return [
        DefaultFigures(
            name=name,
            usable=bootstrap.mean(_of(runs, "usable")),
            against_paper=bootstrap.difference(_of(runs, "usable"), _of(papers, "usable")),
            end_against_paper=bootstrap.difference(_of(runs, "usable_end"), _of(papers, "usable_end")),
            calls=float(_of(runs, "calls_end").mean()),
        )
        for name, runs in found.items()
    ]


def _of(runs: list[Run], field: str) -> NDArray[np.float64]:
    return np.array([getattr(run, field) for run in runs])
