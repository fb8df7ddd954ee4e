"""Targets before and after training on each arm's rows: exact match on held-out questions, item by item. Figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from proof import bootstrap
from proof.bootstrap import Interval
from proof.generation import LONGEST, load, prompt_of, respond
from proof.kept import ask_once
from proof.table import Table
from proof.tune import fine_tune
from star_agents.offline import world
from star_agents.offline.families import FAMILIES
from star_agents.records import Sample

TEMPERATURES = (0.0, 0.7)
Columns = NDArray[np.int64]
Right = NDArray[np.float64]
"""[runs, items]: 1 where the answer was right."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """Every run of one arm; runs belong together across arms, and items do."""

    usable: NDArray[np.float64]
    """[runs]: share of the rows trained on that the checker passes."""
    right: tuple[Right, Right]
    """Greedy, and at temperature 0.7."""

    def and_(self, other: Trained) -> Trained:
        """The runs of both: of two targets of a kind."""
        greedy, sampled = (np.vstack(pair) for pair in zip(self.right, other.right, strict=True))
        return Trained(usable=np.hstack([self.usable, other.usable]), right=(greedy, sampled))


@dataclass(frozen=True, kw_only=True, slots=True)
class TunedFigures:
    """One arm; intervals over runs and items, paired with the arm that they compare with."""

    arm: str
    rows_usable: float
    greedy: Interval
    over_seeds: Interval
    """Relative to training on the seeds as they are, 1 where it is level."""
    over_full: Interval
    """Difference to the full method."""
    way: Interval | None
    """Part of the way from the seeds to the oracle; ``None`` where their difference is not clear of 0."""
    sampled: Interval
    sampled_over_seeds: Interval
    by_run: tuple[float, ...]
    """Greedy, one figure per run: how far apart runs of the same arm lie."""
    by_family: dict[str, float]
    """Greedy."""


def test_items(count: int) -> list[world.Task]:
    """Held-out questions, in turn from all families."""
    rng, names = Random("proof:test"), tuple(FAMILIES)
    found: dict[str, world.Task] = {}
    while len(found) < count:
        task = world.draw(rng, names[len(found) % len(names)], "test")
        found.setdefault(task.question, task)
    return list(found.values())


def train(
    table: Table, folder: str, arms: Mapping[str, Sequence[Columns]], tasks: Sequence[world.Task], name: str, file: Path
) -> dict[str, Trained]:
    """Train the model in ``folder`` on each arm's rows, once per choice of columns, and examine it.

    Args:
        table: The candidates.
        folder: Of the target.
        arms: Name to the columns chosen with each random seed, [seeds] each; the place is the training seed.
        tasks: Held-out questions.
        name: Of the set-up; runs that ``file`` holds under it are not trained again.
        file: Where every run is kept, item by item.
    """
    runs = max(map(len, arms.values()))
    keys = [(arm, seed) for seed in range(runs) for arm in arms]  # whole rounds first, should it be stopped

    def ask(portion: Sequence[tuple[str, int]]) -> list[object]:
        return [_one(table, folder, arms[arm][seed], tasks, seed) for arm, seed in portion]

    kept: list[Any] = ask_once(
        file, keys, lambda key: f"{name}, {len(tasks)} items, {key[0]}, seed {key[1]}", ask, portion_size=1
    )
    found = dict(zip(keys, kept, strict=True))
    return {arm: _trained([found[arm, seed] for seed in range(runs)]) for arm in arms}


def _one(table: Table, folder: str, columns: Columns, tasks: Sequence[world.Task], seed: int) -> dict[str, object]:
    """Train on the chosen rows; per item whether the answer was right, as a string of 0 and 1, greedy and sampled."""
    rows = [row[column] for row, column in zip(table.candidates.rows, columns, strict=True)]
    torch.manual_seed(seed)
    model, tokenizer = fine_tune(folder, rows, seed)
    right = [examine(model, tokenizer, tasks, temperature) for temperature in TEMPERATURES]
    return {"usable": float(table.usable[np.arange(len(columns)), columns].mean()), "right": right}


def examine(model: Any, tokenizer: Any, tasks: Sequence[world.Task], temperature: float, longest: int = LONGEST) -> str:
    """``1`` for each right answer of ``longest`` tokens at the most, ``0`` for each other."""
    samples = [Sample(instruction=task.instruction, input=task.input) for task in tasks]
    texts = respond(
        model, tokenizer, [prompt_of(sample) for sample in samples], temperature=temperature, longest=longest
    )
    return "".join(str(int(world.check(task, text))) for task, text in zip(tasks, texts, strict=True))


def before(folder: str, tasks: Sequence[world.Task]) -> float:
    """Share of right greedy answers of a target without any training."""
    return examine(*load(folder), tasks, 0.0).count("1") / len(tasks)


def _trained(runs: Sequence[Any]) -> Trained:
    greedy, sampled = (
        np.array([[int(one) for one in run["right"][place]] for run in runs], dtype=np.float64)
        for place in range(len(TEMPERATURES))
    )
    return Trained(usable=np.array([run["usable"] for run in runs]), right=(greedy, sampled))


def figures(found: Mapping[str, Trained], tasks: Sequence[world.Task], ceiling: str) -> list[TunedFigures]:
    """Each arm beside ``seeds``, ``full`` and the arm that is the ceiling."""
    means = {arm: tuple(float(right.mean()) for right in one.right) for arm, one in found.items()}
    again = {arm: tuple(bootstrap.crossed(right) for right in one.right) for arm, one in found.items()}
    families = np.array([task.family for task in tasks])
    (seeds, seeds_sampled), (full, _), (oracle, _) = (means[arm] for arm in ("seeds", "full", ceiling))
    (seeds_again, sampled_again), (full_again, _), (oracle_again, _) = (
        again[arm] for arm in ("seeds", "full", ceiling)
    )
    is_way = bootstrap.interval(oracle - seeds, oracle_again - seeds_again).low > 0
    return [
        TunedFigures(
            arm=arm,
            rows_usable=float(one.usable.mean()),
            greedy=bootstrap.interval(means[arm][0], again[arm][0]),
            over_seeds=bootstrap.interval(means[arm][0] / seeds, again[arm][0] / seeds_again),
            over_full=bootstrap.interval(means[arm][0] - full, again[arm][0] - full_again),
            way=bootstrap.interval(
                (means[arm][0] - seeds) / (oracle - seeds),
                (again[arm][0] - seeds_again) / (oracle_again - seeds_again),
            )
            if is_way
            else None,
            sampled=bootstrap.interval(means[arm][1], again[arm][1]),
            sampled_over_seeds=bootstrap.interval(means[arm][1] / seeds_sampled, again[arm][1] / sampled_again),
            by_run=tuple(one.right[0].mean(axis=1)),
            by_family={family: float(one.right[0][:, families == family].mean()) for family in FAMILIES},
        )
        for arm, one in found.items()
    ]
