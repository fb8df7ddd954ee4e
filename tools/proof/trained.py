"""The target before and after training on each arm's rows: exact match on held-out questions, item by item. Figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from proof import bootstrap
from proof.arms import ARMS, choose_all
from proof.bootstrap import Interval
from proof.choices import draws, oracle
from proof.generation import load, prompt_of, respond
from proof.kept import ask_once
from proof.longruns import Case
from proof.policies import Setting, chosen_along, make_world
from proof.table import Table
from proof.tune import fine_tune
from star_agents.offline import resolve_model, world
from star_agents.offline.families import FAMILIES
from star_agents.records import Sample

TARGET = "offline/small"
TEMPERATURES = (0.0, 0.7)
Columns = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class TunedFigures:
    """One arm; intervals over items, each item's result being its mean over training seeds."""

    arm: str
    rows_usable: float
    greedy: Interval
    greedy_over_seeds: Interval
    """Relative to training on the seeds as they are."""
    greedy_over_full: Interval
    sampled: Interval
    by_seed: tuple[float, ...]
    """Greedy, one figure per training seed: how far apart runs of the same arm lie."""


def test_items(count: int) -> list[world.Task]:
    """Held-out questions, in turn from all families."""
    rng, names = Random("proof:test"), tuple(FAMILIES)
    found: dict[str, world.Task] = {}
    while len(found) < count:
        task = world.draw(rng, names[len(found) % len(names)], "test")
        found.setdefault(task.question, task)
    return list(found.values())


def arms(tables: Mapping[str, Table], referee: str, m: int) -> dict[str, Callable[[int], Columns]]:
    """Name to a function of the random seed that says which column each seed's row is taken from."""
    table = tables["perplexity_ratio"]

    def by_selection(selection: Any, mode: str = "perplexity_ratio") -> Callable[[int], Columns]:
        one = tables[mode]

        def take(seed: int) -> Columns:
            taken = choose_all(selection, draws(one, m, seed), one.scores, one.verdicts[referee], one.same, seed)
            return np.array([choice.column for choice in taken])

        return take

    def by_policy(setting: Setting) -> Callable[[int], Columns]:
        return lambda seed: chosen_along(make_world(table, referee, m), setting, seed)

    return {
        **{name: by_selection(selection) for name, selection in ARMS.items()},
        "full, end scored": by_selection("dual", "score_eos"),
        "full, evolution": by_policy(Setting(kind="paper")),
        "full, thompson": by_policy(Setting(kind="thompson")),
        "oracle": lambda seed: oracle(table, draws(table, m, seed)),
    }


def measure(tables: Mapping[str, Table], case: Case, seeds: int, items: int, out: Path) -> list[TunedFigures]:
    """Train and examine every arm with every seed; what ``out`` holds is not trained again."""
    table, tasks = tables["perplexity_ratio"], test_items(items)
    taken = arms(tables, case.referee, case.m)
    size = len(table.usable)
    keys = [(name, seed) for seed in range(seeds) for name in taken]

    def name_of(key: tuple[str, int]) -> str:
        return f"{size} rows, {items} items, {case}, {key[0]}, seed {key[1]}"

    def ask(portion: Sequence[tuple[str, int]]) -> list[object]:
        return [_one(table, taken[name](seed), tasks, seed) for name, seed in portion]

    kept: list[Any] = ask_once(out / "tuned.jsonl", keys, name_of, ask, portion_size=1)
    results = dict(zip(keys, kept, strict=True))
    return [_figures(name, [results[name, seed] for seed in range(seeds)], results, seeds) for name in taken]


def _one(table: Table, columns: Columns, tasks: Sequence[world.Task], seed: int) -> dict[str, object]:
    """Train on the chosen rows; per item whether the answer was right, as a string of 0 and 1, greedy and sampled."""
    rows = [row[column] for row, column in zip(table.candidates.rows, columns, strict=True)]
    torch.manual_seed(seed)
    model, tokenizer = fine_tune(resolve_model(TARGET), rows, seed)
    right = [examine(model, tokenizer, tasks, temperature) for temperature in TEMPERATURES]
    return {"usable": float(table.usable[np.arange(len(columns)), columns].mean()), "right": right}


def examine(model: Any, tokenizer: Any, tasks: Sequence[world.Task], temperature: float) -> str:
    """``1`` for each right answer, ``0`` for each other."""
    samples = [Sample(instruction=task.instruction, input=task.input) for task in tasks]
    texts = respond(model, tokenizer, [prompt_of(sample) for sample in samples], temperature=temperature)
    return "".join(str(int(world.check(task, text))) for task, text in zip(tasks, texts, strict=True))


def before(items: int) -> float:
    """Share of right greedy answers of the target without any training."""
    found = examine(*load(resolve_model(TARGET)), test_items(items), 0.0)
    return found.count("1") / len(found)


def _figures(name: str, mine: Sequence[Any], results: Mapping[tuple[str, int], Any], seeds: int) -> TunedFigures:
    def per_item(found: Sequence[Any], temperature: int) -> NDArray[np.float64]:
        right = np.array([[int(one) for one in result["right"][temperature]] for result in found], dtype=np.float64)
        return np.asarray(right.mean(axis=0))

    greedy = per_item(mine, 0)
    base, full = (per_item([results[other, seed] for seed in range(seeds)], 0) for other in ("seeds", "full"))
    return TunedFigures(
        arm=name,
        rows_usable=float(np.mean([one["usable"] for one in mine])),
        greedy=bootstrap.mean(greedy),
        greedy_over_seeds=bootstrap.ratio(greedy, base),
        greedy_over_full=bootstrap.difference(greedy, full),
        sampled=bootstrap.mean(per_item(mine, 1)),
        by_seed=tuple(one["right"][0].count("1") / len(one["right"][0]) for one in mine),
    )
