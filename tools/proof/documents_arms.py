"""What the target learns from rows out of documents, made in several ways: figures, item by item.

The target is the small model that ships after round 0: trained on a first part of the world with right answers, as
Arena Learning's target is trained on a first part of the data before any battle. Every arm goes on from there, and it
is this model that fights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from math import exp, log
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers.utils import logging

from proof import bootstrap, documents_world
from proof.bootstrap import Interval
from proof.documents_rows import AGENT, ARENA, ARENA_OFF, LONGEST, Made, Way, make
from proof.documents_world import Item
from proof.generation import load
from proof.kept import ask_once
from proof.trained import examine
from proof.tune import BATCH, fine_tune
from star_agents.offline import resolve_model
from star_agents.records import Sample

OWN, SAME_CALLS = "the documents' own questions", "agent_instruct, as many calls"
ARMS: Mapping[str, Way | None] = {
    OWN: None,
    "agent_instruct": AGENT,
    "arena_instruct, feedback off": ARENA_OFF,
    "arena_instruct": ARENA,
    SAME_CALLS: AGENT,
}
"""How the rows of each arm are made. All have as many rows as ``arena_instruct``; one as many as its calls pay for."""
_FIRST_EPOCHS = 2
_AT_ONCE = 3
"""Runs and trainings side by side, one thread each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Sizes."""

    documents: int
    """Of each way that fights and each random seed."""
    agent_documents: int
    """Likewise of AgentInstruct alone: more, so that as many calls as battles take give rows enough."""
    first_rows: int
    """Of round 0."""
    first_levels: tuple[int, ...]
    """Demands below its questions, drawn from these."""
    rows: int
    """That each arm trains on."""
    epochs: int
    """So often are as many rows read."""
    seeds: int
    each: int
    """Held-out questions of each kind at each level."""

    @property
    def steps(self) -> int:
        """Of every arm, however many rows it has."""
        return self.epochs * self.rows // BATCH


FULL = Plan(
    documents=300,
    agent_documents=450,
    first_rows=6_000,
    first_levels=(0, 0, 1, 2),
    rows=640,
    epochs=6,
    seeds=3,
    each=30,
)
QUICK = Plan(documents=16, agent_documents=30, first_rows=120, first_levels=(0, 1), rows=24, epochs=3, seeds=1, each=3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Taught:
    """What one arm trained on with one random seed."""

    rows: Sequence[Sample]
    calls_per_row: float
    useful: float | None = None
    """Share of the rows whose answer is right and the target's was wrong, by the checker; ``None``: nobody fought."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmFigures:
    """One arm, over its random seeds; intervals over runs and items, paired."""

    arm: str
    rows: float
    """Mean number, each of them different."""
    calls_per_row: float
    calls: float
    """Of all its rows."""
    usable: float
    useful: float | None
    """As in ``Taught``."""
    exact: Interval
    over_before: Interval
    over_own: Interval
    """Difference to the documents' own questions."""
    arena_over: Interval
    """How far ``arena_instruct`` is above it."""
    by_run: tuple[float, ...]
    by_cell: Mapping[tuple[str, int], float]
    """Exact match by kind and level."""
    shares: Mapping[tuple[str, int], float]
    """Of the rows that it trained on."""
    spread: float
    """Over how many of these cells the rows of one run are spread: the exponential of the entropy of their shares."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """All that came of it."""

    items: int
    before: float
    """Exact match of the target before any arm."""
    untrained: float
    """And before round 0."""
    before_by_cell: Mapping[tuple[str, int], float]
    lost: Mapping[str, float]
    """Share of instructions that became a row, of each way that fights."""
    arms: Sequence[ArmFigures]


def measure(plan: Plan, out: Path) -> Found:
    """Make rows, train and examine; whatever ``out`` holds is not made again.

    Raises:
        ValueError: a way came to fewer rows than are to be trained on.
    """
    home = out / "documents"
    home.mkdir(parents=True, exist_ok=True)
    items = documents_world.items(plan.each)
    seeds = range(plan.seeds)
    with ProcessPoolExecutor(_AT_ONCE, mp_context=get_context("spawn"), initializer=_quiet) as pool:
        first = pool.submit(_round_0, plan, home)
        asked = pool.map(_made, *zip(*[(AGENT, plan, "", seed, home) for seed in seeds], strict=True))
        target = first.result()
        fights = [(way, plan, target, seed, home) for seed in seeds for way in (ARENA, ARENA_OFF)]
        fought = pool.map(_made, *zip(*fights, strict=True))
        made = {(AGENT.name, seed): one for seed, one in zip(seeds, asked, strict=True)}
        made |= {(way.name, seed): one for (way, _, _, seed, _), one in zip(fights, fought, strict=True)}
        taught = {(arm, seed): _taught(arm, plan, seed, made) for seed in seeds for arm in ARMS}
        right = _trained(taught, target, plan, items, home, pool)
        untrained, before = pool.map(partial(_examined, items), (resolve_model("offline/small"), target))
    lost = {
        way.name: float(np.mean([len(made[way.name, seed].rows) / len(made[way.name, seed].asked) for seed in seeds]))
        for way in (ARENA, ARENA_OFF)
    }
    return Found(
        items=len(items),
        before=float(before.mean()),
        untrained=float(untrained.mean()),
        before_by_cell=_by_cell(before, items),
        lost=lost,
        arms=figures(taught, right, np.repeat(before, plan.seeds, axis=0), items, plan),
    )


def _round_0(plan: Plan, home: Path) -> str:
    """Folder of the target."""
    folder = home / f"target of {plan.first_rows} rows, {plan.first_levels}"
    if not (folder / "whole").is_file():
        torch.manual_seed(0)
        rows = documents_world.first_rows(plan.first_rows, plan.first_levels)
        model, tokenizer = fine_tune(resolve_model("offline/small"), rows, 0, _FIRST_EPOCHS)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        (folder / "whole").touch()
    return str(folder)


def _made(way: Way, plan: Plan, target: str, seed: int, home: Path) -> Made:
    """A run of the line, kept beside the target that fought in it."""
    count = plan.agent_documents if way == AGENT else plan.documents
    texts = documents_world.texts(count, 1 + seed)
    folder = (Path(target) if target else home) / f"{way.name}, {count} documents, seed {seed}"
    made = make(way, texts, target, 1 + seed, folder)
    print(f"{way.name}, seed {seed}: {len(made.rows):,} rows of {len(made.asked):,}, {made.calls:,} calls", flush=True)
    return made


def _examined(items: Sequence[Item], folder: str) -> NDArray[np.float64]:
    """[1, items]: 1 where the greedy answer of a model was right."""
    return _as_array([examine(*load(folder), [one.task for one in items], 0.0, LONGEST)])


def _taught(arm: str, plan: Plan, seed: int, made: Mapping[tuple[str, int], Made]) -> Taught:
    way, wanted = ARMS[arm], plan.rows
    if way is None:
        rows, calls = documents_world.own_questions(documents_world.texts(plan.documents, 1 + seed), seed), 0.0
    else:
        rows, calls = _rows_and_calls(made[way.name, seed])
    if len(rows) < plan.rows:
        raise ValueError(f"{arm}, seed {seed}: {len(rows)} rows, and {plan.rows} are wanted; give it more documents")
    if arm == SAME_CALLS:  # as many as there are, at the most: the table shows how many
        _, paid = _rows_and_calls(made[ARENA.name, seed])
        wanted = round(plan.rows * paid / calls)
    useful = None if way is None else _useful(made[way.name, seed])
    return Taught(rows=rows[:wanted], calls_per_row=calls, useful=useful)


def _useful(made: Made) -> float | None:
    """Of the rows of a whole run."""
    pairs = zip(made.rows, made.target_said, strict=True) if made.target_said else ()
    found = [
        documents_world.is_usable(row) and not documents_world.is_usable(replace(row, response=said))
        for row, said in pairs
    ]
    return fmean(found) if found else None


def _rows_and_calls(made: Made) -> tuple[list[Sample], float]:
    """Rows that ask nothing that is held out, and calls for each of them, over the whole run."""
    rows = [row for row in made.rows if not documents_world.is_held_out(row.instruction)]
    return rows, made.calls / max(1, len(rows))


def _trained(
    taught: Mapping[tuple[str, int], Taught],
    target: str,
    plan: Plan,
    items: Sequence[Item],
    home: Path,
    pool: ProcessPoolExecutor,
) -> dict[str, NDArray[np.float64]]:
    """Arm to [seeds, items]: 1 where the answer was right."""
    keys = [(arm, seed) for seed in range(plan.seeds) for arm in ARMS]  # whole rounds first, should it be stopped
    one = partial(_one, target, plan.steps, [item.task for item in items])

    def ask(portion: Sequence[tuple[str, int]]) -> list[object]:
        return list(pool.map(one, [list(taught[key].rows) for key in portion], [seed for _, seed in portion]))

    found: list[Any] = ask_once(
        home / "right.jsonl", keys, lambda key: f"{plan}, {key[0]}, seed {key[1]}", ask, portion_size=_AT_ONCE
    )
    by_key = dict(zip(keys, found, strict=True))
    return {arm: _as_array([by_key[arm, seed] for seed in range(plan.seeds)]) for arm in ARMS}


def _quiet() -> None:
    torch.set_num_threads(1)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]


def _one(target: str, steps: int, tasks: Sequence[Any], rows: Sequence[Sample], seed: int) -> str:
    """Train on the rows; per item whether the greedy answer was right."""
    torch.manual_seed(seed)
    model, tokenizer = fine_tune(target, rows, seed, steps=steps)
    return examine(model, tokenizer, tasks, 0.0, LONGEST)


def _as_array(runs: Sequence[str]) -> NDArray[np.float64]:
    return np.array([[int(one) for one in run] for run in runs], dtype=np.float64)


def _by_cell(right: NDArray[np.float64], items: Sequence[Item]) -> dict[tuple[str, int], float]:
    cells = dict.fromkeys((one.kind, one.level) for one in items)
    return {
        cell: float(right[:, [place for place, one in enumerate(items) if (one.kind, one.level) == cell]].mean())
        for cell in cells
    }


def _shares(taught: Sequence[Taught]) -> dict[tuple[str, int], float]:
    told = [documents_world.kind_and_level(row.instruction) for one in taught for row in one.rows]
    counts = Counter(one for one in told if one is not None)
    return {cell: count / len(told) for cell, count in counts.items()}


def _mean_of(shares: Sequence[float | None]) -> float | None:
    known = [one for one in shares if one is not None]
    return fmean(known) if len(known) == len(shares) else None


def _spread(shares: Mapping[tuple[str, int], float]) -> float:
    return exp(-sum(one * log(one) for one in shares.values()))


def figures(
    taught: Mapping[tuple[str, int], Taught],
    right: Mapping[str, NDArray[np.float64]],
    before: NDArray[np.float64],
    items: Sequence[Item],
    plan: Plan,
) -> list[ArmFigures]:
    """Each arm beside the target before, the documents' own questions and ``arena_instruct``.

    Args:
        taught: Arm and random seed to what was trained on.
        right: Arm to [seeds, items].
        before: [seeds, items], the target's own, the same for every seed.
        items: The held-out questions.
        plan: How many seeds there are.
    """
    again = {arm: bootstrap.crossed(one) for arm, one in right.items()}
    before_again = bootstrap.crossed(before)

    def over(arm: str, other: str) -> Interval:
        value = float(right[arm].mean() - right[other].mean())
        return bootstrap.interval(value, again[arm] - again[other])

    found = []
    for arm, one in right.items():
        runs = [taught[arm, seed] for seed in range(plan.seeds)]
        found.append(
            ArmFigures(
                arm=arm,
                rows=float(np.mean([len(run.rows) for run in runs])),
                calls_per_row=float(np.mean([run.calls_per_row for run in runs])),
                calls=float(np.mean([len(run.rows) * run.calls_per_row for run in runs])),
                usable=float(np.mean([documents_world.is_usable(row) for run in runs for row in run.rows])),
                exact=bootstrap.interval(float(one.mean()), again[arm]),
                over_before=bootstrap.interval(float(one.mean() - before.mean()), again[arm] - before_again),
                over_own=over(arm, OWN),
                arena_over=over(ARENA.name, arm),
                by_run=tuple(one.mean(axis=1)),
                by_cell=_by_cell(one, items),
                shares=_shares(runs),
                useful=_mean_of([run.useful for run in runs]),
                spread=float(np.mean([_spread(_shares([run])) for run in runs])),
            )
        )
    return found
