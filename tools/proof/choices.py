"""What each arm chooses, against the checker: precision of the choice, without any training yet. Figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proof import bootstrap
from proof.arms import ARMS, choose_all
from proof.bootstrap import Interval
from proof.table import Table


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmFigures:
    """One arm over all draws; intervals over items."""

    name: str
    usable: Interval
    """Share of chosen rows that pass the checker."""
    against_seeds: Interval
    """Difference to the seeds' own responses, the same items."""
    against_full: Interval
    kept: float
    """Share of rows where a drawn pair's candidate was taken."""
    verdicts: float
    """Verdicts paid for per seed."""
    columns: NDArray[np.float64]
    """[1 + pairs]: share of the rows by who wrote them."""


def draws(table: Table, m: int, seed: int) -> NDArray[np.int64]:
    """[seeds, M] different columns, every pair alike: the same for every arm."""
    rng = np.random.default_rng([seed, m])
    pairs = len(table.candidates.pairs)
    return 1 + np.argsort(rng.random((len(table.usable), pairs)), axis=1)[:, :m]


def measure(table: Table, referee: str, m: int, seeds: int) -> list[ArmFigures]:
    """Every arm over the same ``seeds`` draws per item, then the oracle: right wherever anybody was."""
    items = np.arange(len(table.usable))
    names = (*ARMS, "oracle")
    right = {name: np.zeros(len(items)) for name in names}
    took = {name: np.zeros(table.usable.shape[1]) for name in names}
    paid = dict.fromkeys(names, 0.0)
    for seed in range(seeds):
        drawn = draws(table, m, seed)
        for name, selection in ARMS.items():
            choices = choose_all(selection, drawn, table.scores, table.verdicts[referee], table.same, seed)
            columns = np.array([choice.column for choice in choices])
            right[name] += table.usable[items, columns] / seeds
            took[name] += np.bincount(columns, minlength=len(took[name])) / (seeds * len(items))
            paid[name] += sum(choice.verdicts for choice in choices) / (seeds * len(items))
        columns = oracle(table, drawn)
        right["oracle"] += table.usable[items, columns] / seeds
        took["oracle"] += np.bincount(columns, minlength=len(took["oracle"])) / (seeds * len(items))
    return [
        ArmFigures(
            name=name,
            usable=bootstrap.mean(right[name]),
            against_seeds=bootstrap.difference(right[name], right["seeds"]),
            against_full=bootstrap.difference(right[name], right["full"]),
            kept=1 - took[name][0],
            verdicts=paid[name],
            columns=took[name],
        )
        for name in names
    ]


def oracle(table: Table, drawn: NDArray[np.int64], *, knows_form: bool = False) -> NDArray[np.int64]:
    """By the checker: the base where it is right, else the first drawn candidate that is.

    With ``knows_form`` one that is right and well put goes before one that is only right.
    """
    columns = np.hstack([np.zeros((len(drawn), 1), dtype=np.int64), drawn])
    worth = np.take_along_axis(table.usable.astype(np.int64) + (knows_form & table.well_put), columns, axis=1)
    taken: NDArray[np.int64] = columns[np.arange(len(columns)), worth.argmax(axis=1)]
    return taken
