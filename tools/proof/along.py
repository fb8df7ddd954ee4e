"""How a run goes along: usable rows, and draws on a pair that turned, part by part of the run. Figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proof.kept import ask_once
from proof.longruns import Case
from proof.policies import Setting, World, make_world, traces
from proof.replay import Trace
from proof.table import Table

PARTS = 20
"""Of a run, each as long as the others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Along:
    """One policy, the mean over random seeds."""

    setting: Setting
    usable: NDArray[np.float64]
    """[PARTS]: share of usable rows."""
    turned: NDArray[np.float64]
    """[PARTS]: share of draws on the pair that turns; zeros where none does."""


def measure(table: Table, case: Case, settings: Sequence[Setting], seeds: int, out: Path) -> list[Along]:
    """Replay each setting; what ``out`` holds is not replayed again."""
    world = make_world(table, case.referee, case.m, case.drift)

    def parts(setting: Setting) -> NDArray[np.float64]:
        def ask(wanted: Sequence[int]) -> list[object]:
            return [_parts(world, trace) for trace in traces(world, setting, case.steps, wanted)]

        def name(seed: int) -> str:
            return f"{len(table.usable)} rows, {case.name}, {setting}, seed {seed}"

        kept: Any = ask_once(out / "along.jsonl", range(seeds), name, ask)
        means: NDArray[np.float64] = np.array(kept).mean(axis=0)
        return means

    found = {setting: parts(setting) for setting in settings}
    return [Along(setting=setting, usable=usable, turned=turned) for setting, (usable, turned) in found.items()]


def _parts(world: World, trace: Trace) -> list[list[float]]:
    """Usable rows, and draws on the turned pair, in each part of one replay."""
    steps = len(trace.rows)
    stage = np.arange(steps) * len(world.right) // steps
    right = np.choose(stage, [one[trace.draws, trace.rows] for one in world.right])
    drawn = np.array(list(world.outcomes[0].index))[trace.draws]
    turned = (drawn == world.turned).mean(axis=1) if world.turned else np.zeros(steps)
    return [[float(part.mean().round(5)) for part in np.array_split(one, PARTS)] for one in (right, turned)]
