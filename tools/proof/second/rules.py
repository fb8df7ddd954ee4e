"""Rules of choice beside the referee alone and beside Eq. 7, in both worlds; one is chosen on the first. Figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from proof import bootstrap
from proof.bootstrap import Interval
from proof.choices import draws
from proof.replacements import DUAL, REFEREE, REPLACEMENTS, combined, features
from proof.table import Table
from proof.variants import Rule, choose

DRAWS = 5
"""Random seeds whose draws each item is chosen from."""
MEASURES = ("usable", "well put")
LEARNED = {name: f"learned to be {name}" for name in MEASURES}
_NEWTON_STEPS, _RIDGE = 12, 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One set-up."""

    style: str
    referee: str
    m: int


Tables = Mapping[str, Table]
"""By style of the seeds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleFigures:
    """One rule in one case, paired over items; by measure."""

    share: dict[str, Interval]
    over_referee: dict[str, Interval]
    over_dual: dict[str, Interval]


def measure(tables: Tables, cases: Sequence[Case], rules: Mapping[str, Rule]) -> dict[str, dict[Case, RuleFigures]]:
    """Every rule in every case, over the same draws."""
    found: dict[str, dict[Case, RuleFigures]] = {name: {} for name in rules}
    for case in cases:
        table = tables[case.style]
        values = {name: _values(table, case, rule) for name, rule in rules.items()}
        for name, mine in values.items():
            found[name][case] = RuleFigures(
                share={what: bootstrap.mean(mine[what]) for what in MEASURES},
                over_referee={what: bootstrap.difference(mine[what], values[REFEREE][what]) for what in MEASURES},
                over_dual={what: bootstrap.difference(mine[what], values[DUAL][what]) for what in MEASURES},
            )
    return found


def _values(table: Table, case: Case, rule: Rule) -> dict[str, NDArray[np.float64]]:
    """[seeds] by measure: share of the draws in which the chosen row is so."""
    items = np.arange(len(table.usable))
    taken = [
        choose(rule, table.scores.gap, table.verdicts[case.referee], table.same, draws(table, case.m, seed))
        for seed in range(DRAWS)
    ]
    return {
        what: np.mean([flags[items, one] for one in taken], axis=0)
        for what, flags in zip(MEASURES, (table.usable, table.well_put), strict=True)
    }


def learn(tables: Tables, cases: Sequence[Case]) -> dict[str, Rule]:
    """Weights of ``features`` by logistic regression on every candidate in all cases, for each measure."""
    found: dict[str, Rule] = {}
    for what in MEASURES:
        inputs, right = [], []
        for case in cases:
            table = tables[case.style]
            columns = np.hstack([np.zeros((len(table.usable), 1), dtype=np.int64), draws(table, case.m, 0)])
            gaps, verdicts = (
                np.take_along_axis(one, columns, axis=1)
                for one in (table.scores.gap, np.where(table.same, 0.5, table.verdicts[case.referee]))
            )
            flags = table.usable if what == MEASURES[0] else table.well_put
            inputs.append(features(gaps, verdicts).reshape(-1, 8))
            right.append(np.take_along_axis(flags, columns, axis=1).reshape(-1).astype(np.float64))
        found[LEARNED[what]] = partial(combined, _fitted(np.vstack(inputs), np.hstack(right)))
    return found


def _fitted(inputs: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logistic regression by Newton's method with a small ridge; the intercept is left out, as no choice sees it."""
    table = np.hstack([inputs, np.ones((len(inputs), 1))])
    weights = np.zeros(table.shape[1])
    for _ in range(_NEWTON_STEPS):
        likely = 1 / (1 + np.exp(-table @ weights))
        slope = table.T @ (right - likely) - _RIDGE * weights
        bend = (table * (likely * (1 - likely))[:, None]).T @ table + _RIDGE * np.eye(len(weights))
        weights = weights + np.linalg.solve(bend, slope)
    fitted: NDArray[np.float64] = weights[:-1]
    return fitted


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A rule over all cases: is it anywhere below?"""

    name: str
    mean: dict[str, float]
    """Share of the rows, mean over cases, by measure."""
    worst: dict[tuple[str, str], Interval]
    """By measure and rival (``REFEREE`` or ``DUAL``): the lowest difference of any case."""
    below: dict[tuple[str, str], int]
    """Cases in which it is clearly below: the interval lies under 0."""
    under: dict[tuple[str, str], int]
    """Cases in which the difference itself is under 0."""

    @property
    def holds(self) -> bool:
        """Nowhere clearly below the referee alone, and nowhere under Eq. 7, in both measures."""
        return not any(self.below[what, REFEREE] or self.under[what, DUAL] for what in MEASURES)

    @property
    def nearly(self) -> int:
        """Cases in which it is clearly below either rival, in both measures together."""
        return sum(self.below.values())


def standings(found: Mapping[str, Mapping[Case, RuleFigures]]) -> list[Standing]:
    """One for each rule."""
    return [_standing(name, list(cases.values())) for name, cases in found.items()]


def _standing(name: str, cases: Sequence[RuleFigures]) -> Standing:
    differences = {
        (what, rival): [(one.over_referee if rival == REFEREE else one.over_dual)[what] for one in cases]
        for what in MEASURES
        for rival in (REFEREE, DUAL)
    }
    return Standing(
        name=name,
        mean={what: float(np.mean([one.share[what].value for one in cases])) for what in MEASURES},
        worst={key: min(values, key=lambda one: one.value) for key, values in differences.items()},
        below={key: sum(one.high < 0 for one in values) for key, values in differences.items()},
        under={key: sum(one.value < 0 for one in values) for key, values in differences.items()},
    )


def tried(tables: Tables, cases: Sequence[Case]) -> Mapping[str, Rule]:
    """All rules, those that are learned from ``tables`` among them."""
    return {**REPLACEMENTS, **learn(tables, cases)}
