"""What evolution is worth: long replays of each policy, measured against uniform draws and the best draw in hindsight.

Figures: this is where traces of the method meet the truth.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from proof.outcomes import Outcomes, choose, every_draw
from proof.replay import Trace, replay
from proof.table import Table
from star_agents.config.star import Reward
from star_agents.records import KEEP, AgentPair
from star_agents.scheduling.policies import PaperPolicy, Policy, Rate, ThompsonPolicy, UniformPolicy, constant

IN_FLIGHT = 64
END = 0.1
"""The last tenth of a run is what "by the end" means here."""
Drift = Literal["none", "turns bad", "turns good"]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One policy as it can be configured."""

    kind: Literal["paper", "uniform", "thompson"]
    scale: float = 5.0
    """β times the number of seeds."""
    floor: float = 0.0
    reward: Reward = "chosen"
    most: float = 0.0
    """Largest β; 0: as large as it comes."""
    goes_by_seen: bool = False
    """Whether β falls with the outcomes seen, from ``most`` down to ``scale`` / N."""
    horizon: int = 0
    """The N that is assumed where nobody knows it, as in a daemon; 0: the number of seeds."""

    @property
    def name(self) -> str:
        """As tables show it."""
        rate = f", β = {self._beta}" if self.kind == "paper" else ""
        floor = f", floor {self.floor:g}" if self.floor else ""
        reward = f", reward: {self.reward}" if self.reward != "chosen" else ""
        return f"{self.kind}{rate}{floor}{reward}"

    @property
    def _beta(self) -> str:
        length = f"{self.horizon:,}" if self.horizon else "N"
        if self.goes_by_seen:
            return f"{self.scale:g}/seen, from {self.most:g} to {self.scale:g}/{length}"
        return f"{self.scale:g}/{length}" + (f", {self.most:g} at the most" if self.most else "")

    def policy(self, pairs: Sequence[str], steps: int) -> Policy:
        """The product's policy."""
        if self.kind == "uniform":
            return UniformPolicy(pairs)
        if self.kind == "thompson":
            return ThompsonPolicy(pairs)
        beta = self.scale / (self.horizon or steps)
        if not self.most:
            return PaperPolicy(pairs, rate=beta, floor=self.floor)
        least = min(beta, self.most)
        rate = Rate(least=least, most=self.most, scale=self.scale) if self.goes_by_seen else constant(least)
        return PaperPolicy(pairs, rate=rate, floor=self.floor)


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """The outcomes of every draw, in one stage or before and after the turn, and who was right."""

    pairs: tuple[AgentPair, ...]
    m: int
    outcomes: tuple[Outcomes, ...]
    right: tuple[Flags, ...]
    """Per stage [draws, seeds]: whether the chosen row is usable."""
    best: dict[str, Flags]
    """[1 + pairs]: the best third at the end, by ``truth`` (usable responses) and ``π`` (reward when drawn alone)."""
    turned: int = 0
    """Column of the pair that changes half-way; 0 where none does."""


def make_world(table: Table, referee: str, m: int, drift: Drift = "none") -> World:
    """Half-way the pair that earns most begins to write what the worst one writes; or it did so until then."""
    gap, verdict = table.scores.gap, table.verdicts[referee]
    worth = earnings(gap, verdict, table.same)
    star, worst = 1 + int(worth.argmax()), 1 + int(table.usable[:, 1:].mean(axis=0).argmin())
    healthy = np.arange(gap.shape[1])
    broken = healthy.copy()
    broken[star] = worst
    stages = {"none": [healthy], "turns bad": [healthy, broken], "turns good": [broken, healthy]}[drift]
    outcomes = tuple(every_draw(gap[:, pick], verdict[:, pick], table.same[:, pick], m) for pick in stages)
    last = stages[-1]
    return World(
        pairs=table.candidates.pairs,
        m=m,
        outcomes=outcomes,
        right=tuple(
            np.take_along_axis(table.usable[:, pick].T, one.winner.astype(np.int64), axis=0)
            for pick, one in zip(stages, outcomes, strict=True)
        ),
        best={"truth": _best_third(table.usable[:, last].mean(axis=0)), "π": _best_third(np.array([0, *worth])[last])},
        turned=0 if drift == "none" else star,
    )


def earnings(gap: NDArray[np.float64], verdict: NDArray[np.float64], same: Flags) -> NDArray[np.float64]:
    """[pairs]: mean reward of each pair when it is drawn alone."""
    alone = [(column, choose(gap, verdict, same, (column,))) for column in range(1, gap.shape[1])]
    return np.array([float(((one.winner == column) * one.pi[:, 0]).mean()) for column, one in alone])


def _best_third(worth: NDArray[np.float64]) -> Flags:
    flags = np.zeros(len(worth), dtype=bool)
    flags[1 + np.argsort(-worth[1:], kind="stable")[: (len(worth) - 1) // 3]] = True
    return flags


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """The figures of one replay."""

    usable: float
    """Share of usable rows, whole run."""
    usable_end: float
    """The same in the last tenth."""
    per_call_end: float
    """Usable rows per writing call (rewrites and responses) in the last tenth."""
    per_call_all_end: float
    """The same with the referee's calls."""
    bought_end: float
    """Usable rows that a drawn pair wrote, per writing call, in the last tenth: base rows cost no call, count none."""
    calls_end: float
    """Calls per seed in the last tenth, the referee's included."""
    best_truth: float
    """Share of draws on the best third in the last tenth, best by the checker."""
    best_pi: float
    """The same, best by reward."""
    regret: float
    """Usable rows per 1,000 seeds that the best draw in hindsight would have had more."""
    turned_end: float
    """Share of draws on the pair that changed, in the last tenth."""
    swing: float
    """The most that one pair's probability differs within the last half of the run."""
    recovery: float
    """Part of the run after the turn until that share is on its side of 1 / pairs for good; 0.5 where it never is."""


def run(world: World, setting: Setting, steps: int, seed: int, in_flight: int = IN_FLIGHT) -> Run:
    """Replay one policy."""
    return _figures(world, trace_of(world, setting, steps, seed, in_flight), setting.reward)


def traces(world: World, setting: Setting, steps: int, seeds: Sequence[int]) -> list[Trace]:
    """One replay per random seed."""
    return [trace_of(world, setting, steps, seed) for seed in seeds]


def trace_of(world: World, setting: Setting, steps: int, seed: int, in_flight: int = IN_FLIGHT) -> Trace:
    """What happens along one replay. The same ``seed`` gives every policy the same seeds in the same order.

    Each seed has a bootstrap sample of the table's rows of its own, so intervals over seeds cover the choice of items.
    """
    chance = np.random.default_rng(seed)
    size = world.right[0].shape[1]
    rows = chance.choice(chance.integers(0, size, size), steps).astype(np.int32)
    names = [pair.name for pair in world.pairs]
    return replay(
        setting.policy(names, steps), world.outcomes, rows, pairs=names, m=world.m, in_flight=in_flight,
        reward=setting.reward, rng=random.Random(f"replay:{seed}"),
    )  # fmt: skip


def _figures(world: World, trace: Trace, reward: Reward) -> Run:
    steps, stages = len(trace.rows), len(world.outcomes)
    stage = np.arange(steps) * stages // steps
    right = np.choose(stage, [one[trace.draws, trace.rows] for one in world.right]).astype(bool)
    winner = np.choose(stage, [one.winner[trace.draws, trace.rows] for one in world.outcomes])
    judged = np.choose(stage, [one.judged[trace.draws, trace.rows] for one in world.outcomes])
    columns = np.array(list(world.outcomes[0].index))
    drawn = columns[trace.draws]
    rewritten = np.array([False, *(pair.instruction != KEEP for pair in world.pairs)])[drawn].any(axis=1)
    written = world.m + rewritten.astype(np.float64)
    paid = written + 2.0 * (world.m if reward == "all" else judged)
    end = slice(int(steps * (1 - END)), None)
    share = (drawn == world.turned).mean(axis=1) if world.turned else np.zeros(steps)
    return Run(
        usable=right.mean(),
        usable_end=right[end].mean(),
        per_call_end=right[end].sum() / written[end].sum(),
        per_call_all_end=right[end].sum() / paid[end].sum(),
        bought_end=(right & (winner > 0))[end].sum() / written[end].sum(),
        calls_end=paid[end].mean(),
        best_truth=world.best["truth"][drawn[end]].mean(),
        best_pi=world.best["π"][drawn[end]].mean(),
        regret=1000 * (_best_fixed(world, trace.rows, stage) - right.mean()),
        turned_end=share[end].mean(),
        swing=np.ptp(trace.curve[len(trace.curve) // 2 :], axis=0).max(),
        recovery=_recovery(world, share) if world.turned else 0.0,
    )


def _best_fixed(world: World, rows: NDArray[np.int32], stage: NDArray[np.int64]) -> float:
    """Share of usable rows of the one draw that, drawn for every seed, would have had the most."""
    counts = [np.bincount(rows[stage == place], minlength=one.shape[1]) for place, one in enumerate(world.right)]
    totals = np.sum([one @ count for one, count in zip(world.right, counts, strict=True)], axis=0)
    return float(totals.max() / len(rows))


def _recovery(world: World, share: NDArray[np.float64]) -> float:
    """Part of the run from the turn until the pair's share of draws crosses 1 / pairs and stays there."""
    after = share[len(share) // 2 :]
    windows = after[: len(after) // 50 * 50].reshape(50, -1).mean(axis=1)
    falls = not world.best["π"][world.turned]
    there = windows < 1 / len(world.pairs) if falls else windows > 1 / len(world.pairs)
    away = np.flatnonzero(~there)
    return 0.5 * (away[-1] + 1) / 50 if len(away) else 0.0
