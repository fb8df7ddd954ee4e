"""The replays behind the figures of evolution, kept one by one, and their summary against uniform draws. Figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proof import bootstrap
from proof.bootstrap import Interval
from proof.kept import ask_once
from proof.policies import IN_FLIGHT, Drift, Run, Setting, World, make_world, run, traces
from proof.table import Table
from star_agents.config.sections import ScoreMode

UNIFORM = Setting(kind="uniform")
SETTINGS = (
    UNIFORM,
    Setting(kind="paper"),
    Setting(kind="paper", floor=0.02),
    Setting(kind="paper", scale=20),
    Setting(kind="paper", scale=20, floor=0.02),
    Setting(kind="paper", scale=50),
    Setting(kind="paper", scale=20, reward="all"),
    Setting(kind="paper", scale=20, reward="judged"),
    Setting(kind="thompson"),
    Setting(kind="thompson", reward="judged"),
)
"""Of the long runs: Eq. 8 at the paper's rate, with a floor, faster, rewarding more pairs; and the field's bandit."""
SWEEP = (
    UNIFORM,
    *(Setting(kind="paper", scale=scale) for scale in (2, 5, 10, 20, 50, 100)),
    *(Setting(kind="paper", scale=20, floor=floor) for floor in (0.01, 0.02, 0.04)),
    *(Setting(kind="paper", scale=scale, reward="all") for scale in (5, 20, 50)),
    *(Setting(kind="paper", scale=scale, reward="judged") for scale in (5, 20, 50)),
    Setting(kind="thompson"),
    Setting(kind="thompson", reward="all"),
    Setting(kind="thompson", reward="judged"),
)
"""Of the shorter ones: which rate, which floor, which reward?"""


REWARDS = (
    UNIFORM,
    *(Setting(kind="paper", scale=scale, reward=reward) for reward in ("chosen", "judged") for scale in (5, 20, 50)),
    *(Setting(kind="thompson", reward=reward) for reward in ("chosen", "judged")),
)
"""Again with the end of the response scored: is it the reward that is to blame, or the gap?"""

ENOUGH = (
    UNIFORM,
    Setting(kind="paper"),
    Setting(kind="paper", scale=20),
    Setting(kind="paper", scale=20, reward="judged"),
    Setting(kind="thompson", reward="judged"),
)
"""Of the longest runs again with the end scored, and at M = 3: Eq. 8 at the paper's rate, faster, fairer; a bandit."""
TURNS = (
    UNIFORM,
    *(
        Setting(kind="paper", scale=scale, floor=floor, reward=reward)
        for reward in ("chosen", "judged")
        for scale in (5, 20)
        for floor in (0.0, 0.01, 0.02)
    ),
    Setting(kind="thompson", reward="judged"),
)
"""Where an agent turns: does a floor find it again, or a rate?"""
_SHIPPED = Setting(kind="paper", scale=20, floor=0.01, reward="judged")
HORIZON = 10_000
LENGTHS = ((60, 8), (300, 32), (2_000, 32), (10_000, 64))
"""Seeds of a run, and how many of them are at work at once."""
RATES = (
    UNIFORM,
    replace(_SHIPPED, scale=5),
    _SHIPPED,
    *(replace(_SHIPPED, most=most) for most in (0.1, 0.05, 0.025)),
    *(replace(_SHIPPED, most=most, goes_by_seen=True) for most in (0.1, 0.05, 0.025)),
    Setting(kind="thompson", reward="judged"),
)
"""Where the length is known: β = 20 / N as it is, bounded, and falling with the seeds seen."""
DAEMONS = (
    UNIFORM,
    replace(_SHIPPED, horizon=HORIZON),
    *(replace(_SHIPPED, most=most, goes_by_seen=True, horizon=HORIZON) for most in (0.1, 0.05, 0.025)),
    Setting(kind="thompson", reward="judged"),
)
"""Where it is not, and the horizon stands for it: the first so many seeds of a daemon."""
DRAWN = (Setting(kind="paper"), Setting(kind="paper", scale=20), Setting(kind="paper", scale=20, reward="judged"))
"""Of the paper's Figure 5."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One world to replay in."""

    style: str
    referee: str
    m: int
    steps: int
    drift: Drift = "none"
    mode: ScoreMode = field(default="perplexity_ratio", repr=False)
    """Which IFD; named where it is not the default."""
    in_flight: int = field(default=IN_FLIGHT, repr=False)
    """Seeds at work at once."""
    own_up: float = field(default=0.0, repr=False)
    """Share of the broken-off candidates that say so; they are dropped before the choice, as in the product."""

    @property
    def name(self) -> str:
        """As what was worked out is kept under."""
        mode = "" if self.mode == "perplexity_ratio" else f", {self.mode}"
        flying = "" if self.in_flight == IN_FLIGHT else f", {self.in_flight} in flight"
        return f"{self}{mode}{flying}{f', own up {self.own_up}' if self.own_up else ''}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """One setting over all random seeds. Ratios are to uniform draws with the same random seeds."""

    setting: Setting
    ratio: dict[str, Interval]
    """By name of a field of ``Run``."""
    mean: dict[str, Interval]


def replays(table: Table, case: Case, settings: Sequence[Setting], seeds: int, out: Path) -> dict[Setting, list[Run]]:
    """``seeds`` runs of each setting; those that ``out`` holds are not run again."""
    world = make_world(table, case.referee, case.m, case.drift)
    found: dict[Setting, list[Run]] = {}
    for setting in settings:
        ask = partial(_ask, world, case, setting)
        name = partial(_name, table, case, setting)
        kept: Any = ask_once(out / "replays.jsonl", range(seeds), name, ask, portion_size=5)
        found[setting] = [Run(**one) for one in kept]
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Curves:
    """The paper's Figure 5: how probable each pair is over the run, mean over random seeds."""

    label: str
    pairs: tuple[str, ...]
    seeds_done: NDArray[np.float64]
    """[100]: x, at every hundredth of the run."""
    probability: NDArray[np.float64]
    """[100, pairs]: y, one line per pair."""


def curves(table: Table, case: Case, settings: Sequence[Setting], seeds: int, out: Path) -> list[Curves]:
    """One set of lines per setting; kept like the replays."""
    world = make_world(table, case.referee, case.m, case.drift)

    found: list[NDArray[np.float64]] = []
    for setting in settings:

        def ask(wanted: Sequence[int], setting: Setting = setting) -> list[object]:
            return [trace.curve.round(6).tolist() for trace in traces(world, setting, case.steps, wanted)]

        kept: Any = ask_once(out / "curves.jsonl", range(seeds), partial(_name, table, case, setting), ask)
        found.append(np.array(kept).mean(axis=0))
    return [
        Curves(
            label=setting.name,
            pairs=tuple(pair.name for pair in world.pairs),
            seeds_done=np.arange(100) / 100 * case.steps,
            probability=probability,
        )
        for setting, probability in zip(settings, found, strict=True)
    ]


def summarise(found: dict[Setting, list[Run]]) -> list[Summary]:
    """Means and paired ratios with intervals over random seeds."""
    fields = tuple(Run.__slots__)
    arrays = {
        setting: {field: np.array([getattr(one, field) for one in runs]) for field in fields}
        for setting, runs in found.items()
    }
    base = arrays[UNIFORM]
    return [
        Summary(
            setting=setting,
            ratio={
                field: bootstrap.ratio(mine[field], base[field])
                for field in ("usable_end", "per_call_end", "per_call_all_end", "bought_end")
            },
            mean={field: bootstrap.mean(mine[field]) for field in fields},
        )
        for setting, mine in arrays.items()
    ]


def _ask(world: World, case: Case, setting: Setting, seeds: Sequence[int]) -> list[object]:
    runs = [run(world, setting, case.steps, seed, case.in_flight) for seed in seeds]
    return [{name: float(value) for name, value in asdict(one).items()} for one in runs]


def _name(table: Table, case: Case, setting: Setting, seed: int) -> str:
    return f"{len(table.usable)} rows, {case.name}, {setting}, seed {seed}"
