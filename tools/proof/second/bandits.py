"""Thompson sampling beside Eq. 8 as it ships, in both worlds, with and without a memory bank. Figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proof import bank, bootstrap, longruns
from proof.bank import Line
from proof.bankruns import known, order
from proof.bootstrap import Interval
from proof.kept import ask_once
from proof.longruns import UNIFORM, Case
from proof.policies import Run, Setting
from proof.table import Table
from star_agents.scheduling.policies import MOST

SHIPPED = Setting(kind="paper", scale=20, most=MOST, goes_by_seen=True, floor=0.01, reward="judged")
"""``rate: auto`` and ``floor: auto`` of fifteen pairs."""
THOMPSON = Setting(kind="thompson", reward="judged")
SETTINGS = (UNIFORM, SHIPPED, THOMPSON)
LINES: Mapping[str, Line] = {
    "uniform": Line(policy="uniform", memory=False),
    "shipped": bank.SHIPPED,
    "thompson": replace(bank.SHIPPED, policy="thompson", floor=0.0),
}
M = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Bout:
    """One case; usable rows, intervals over random seeds, differences paired."""

    world: str
    case: Case
    uniform: Interval
    shipped: Interval
    thompson: Interval
    over: Interval
    """Thompson sampling over Eq. 8 as it ships."""
    over_end: Interval | None = field(default=None)
    """The same in the last tenth; of runs with a memory bank it is not kept."""


def without_bank(world: str, table: Table, case: Case, seeds: int, out: Path) -> Bout:
    """Replays in which rows come again."""
    found = longruns.replays(table, case, SETTINGS, seeds, out)
    usable = [_of(found[setting], "usable") for setting in SETTINGS]
    ends = [_of(found[setting], "usable_end") for setting in SETTINGS]
    return _bout(world, case, usable, bootstrap.difference(ends[2], ends[1]))


def with_bank(world: str, table: Table, case: Case, seeds: int, out: Path) -> Bout:
    """Runs of the whole scheduler over rows that come once, with the bank of agents.yaml; ``uniform`` has none."""
    size = len(table.usable)

    def usable(name: str, line: Line) -> NDArray[np.float64]:
        def ask(wanted: Sequence[int]) -> list[object]:
            seen = known(table, case.referee, "hashing")
            courses = [bank.run(seen, line, case.m, order(size, seed)[: case.steps].tolist(), seed) for seed in wanted]
            return [float(table.usable[one.rows, one.chosen].mean()) for one in courses]

        kept: Any = ask_once(
            out / "second-bankruns.jsonl",
            range(seeds),
            lambda seed: f"{world}, {size} rows, {case.name}, {line.key}, seed {seed}",
            ask,
        )
        return np.array(kept, dtype=np.float64)

    return _bout(world, case, [usable(name, line) for name, line in LINES.items()], None)


def _bout(world: str, case: Case, usable: Sequence[NDArray[np.float64]], over_end: Interval | None) -> Bout:
    uniform, shipped, thompson = usable
    return Bout(
        world=world,
        case=case,
        uniform=bootstrap.mean(uniform),
        shipped=bootstrap.mean(shipped),
        thompson=bootstrap.mean(thompson),
        over=bootstrap.difference(thompson, shipped),
        over_end=over_end,
    )


def _of(runs: Sequence[Run], name: str) -> NDArray[np.float64]:
    return np.array([getattr(run, name) for run in runs], dtype=np.float64)
