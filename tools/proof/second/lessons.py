"""Does a harder question pay where the examination is as hard? A target trained on each arm's rows. Figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from proof import bootstrap
from proof.arms import choose_all
from proof.bank import SHIPPED, Line
from proof.bankruns import columns, of_columns
from proof.bootstrap import Interval
from proof.choices import draws
from proof.generation import load, prompt_of, respond
from proof.kept import ask_once
from proof.replacements import DUAL, REFEREE
from proof.second import pool, tasks
from proof.second.families import FAMILIES
from proof.second.tasks import Task
from proof.table import Table
from proof.tune import fine_tune
from proof.variants import Rule, choose
from star_agents.records import KEEP, Sample

LEVELS = ("ordinary", "hard")
"""Of the examination: questions like those of the seeds, and such questions as a coach rewrites them."""
M = 3
Columns = NDArray[np.int64]
SHIPS, SHIPS_PLAINLY = "as shipped", "as shipped, nothing rewritten"
ORACLE, ORACLE_PLAINLY = "oracle, rewritten first", "oracle, nothing rewritten"


def examination(each: int) -> dict[str, list[Task]]:
    """Held-out questions, ``each`` of every family at every level, no two the same."""
    rng = Random("second:examination")
    found: dict[str, list[Task]] = {level: [] for level in LEVELS}
    for family in FAMILIES:
        seen: set[str] = set()
        while len(seen) < each:
            task = tasks.draw(rng, family, rng.choice(tasks.ORDINARY), "test")
            if task.question not in seen:
                seen.add(task.question)
                found["ordinary"].append(task)
                found["hard"].append(tasks.stretch(task, rng))
    return found


def arms(table: Table, referee: str, rules: Mapping[str, Rule], seed: int) -> dict[str, Columns]:
    """Name of an arm to the column that it takes of each row, with one random seed."""
    keeping = [at for at, pair in enumerate(table.candidates.pairs, start=1) if pair.instruction == KEEP]
    plain, drawn = of_columns(table, keeping), draws(table, M, seed)
    operations = pool.operations(table.candidates)

    def selected(selection: Any) -> Columns:
        taken = choose_all(selection, drawn, table.scores, table.verdicts[referee], table.same, seed)
        return np.array([one.column for one in taken])

    def shipped(of: Table, line: Line = SHIPPED) -> Columns:
        return columns(of, referee, M, line, seed, embedder="hashing")

    found = {
        "seeds": selected("base"),
        REFEREE: selected("referee"),
        DUAL: selected("dual"),
        SHIPS: shipped(table),
        SHIPS_PLAINLY: np.array([0, *keeping])[shipped(plain)],
        ORACLE: _best(table, drawn, operations),
        ORACLE_PLAINLY: np.array([0, *keeping])[_best(plain, draws(plain, M, seed), operations[:, [0, *keeping]])],
    }
    verdict = table.verdicts[referee]
    return found | {name: choose(rule, table.scores.gap, verdict, table.same, drawn) for name, rule in rules.items()}


def _best(table: Table, drawn: Columns, operations: Columns) -> Columns:
    """By the checker: right and well put, then right, and among equals the one that asks for most; the base first."""
    places = np.hstack([np.zeros((len(drawn), 1), dtype=np.int64), drawn])
    worth = 100 * (table.usable.astype(np.int64) + table.well_put) + operations
    taken: Columns = places[np.arange(len(places)), np.take_along_axis(worth, places, axis=1).argmax(axis=1)]
    return taken


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """Every run of one arm."""

    usable: float
    well_put: float
    rewritten: float
    """Shares of the rows trained on."""
    right: dict[str, NDArray[np.float64]]
    """By level [runs, items]: 1 where the greedy answer was right."""


def teach(
    table: Table,
    folder: str,
    rules: Mapping[str, Rule],
    referee: str,
    seeds: Sequence[int],
    exam: Mapping[str, Sequence[Task]],
    file: Path,
) -> dict[str, Lesson]:
    """Train the target on every arm's rows, once per random seed, and examine it.

    Args:
        table: The candidates.
        folder: Of the target.
        rules: Other rules of choice, each an arm more.
        referee: Who judges.
        seeds: Random seeds, of the draws and of the training.
        exam: Held-out questions by level.
        file: Where every run is kept; those that it holds are not trained again.
    """
    questions = [task for level in LEVELS for task in exam[level]]
    runs: dict[str, list[Any]] = {}
    for seed in seeds:  # whole rounds first, should it be stopped
        for arm, taken in arms(table, referee, rules, seed).items():
            key = f"{len(table.usable)} rows, {len(questions)} items, {referee}, {arm}, seed {seed}"
            ask = partial(_one, table, folder, taken, questions, seed)
            runs.setdefault(arm, []).append(ask_once(file, [key], str, ask, portion_size=1)[0])
    return {arm: _lesson(found) for arm, found in runs.items()}


def _one(
    table: Table, folder: str, taken: Columns, questions: Sequence[Task], seed: int, _: Sequence[str]
) -> list[object]:
    """Train on the chosen rows; shares of them, and per question whether the answer was right."""
    rows = [row[column] for row, column in zip(table.candidates.rows, taken, strict=True)]
    at = np.arange(len(taken)), taken
    asked = (row[0].instruction for row in table.candidates.rows)
    rewritten = np.mean([one.instruction != own for one, own in zip(rows, asked, strict=True)])
    torch.manual_seed(seed)
    right = examine(*fine_tune(folder, rows, seed), questions)
    return [[float(table.usable[at].mean()), float(table.well_put[at].mean()), float(rewritten), right]]


def examine(model: Any, tokenizer: Any, questions: Sequence[Task]) -> str:
    """``1`` for each right greedy answer, ``0`` for each other."""
    texts = respond(model, tokenizer, [prompt_of(Sample(instruction=task.question)) for task in questions])
    return "".join(str(int(tasks.check(task, text))) for task, text in zip(questions, texts, strict=True))


def before(folder: str, exam: Mapping[str, Sequence[Task]]) -> dict[str, float]:
    """Share of right answers by level, without any training."""
    model = load(folder)
    return {level: examine(*model, exam[level]).count("1") / len(exam[level]) for level in LEVELS}


def _lesson(runs: Sequence[Any]) -> Lesson:
    usable, well_put, rewritten = np.mean([run[:3] for run in runs], axis=0).tolist()
    right = np.array([[int(one) for one in run[3]] for run in runs], dtype=np.float64)
    halves = np.split(right, len(LEVELS), axis=1)
    return Lesson(usable=usable, well_put=well_put, rewritten=rewritten, right=dict(zip(LEVELS, halves, strict=True)))


def share(lesson: Lesson, level: str) -> Interval:
    """Right answers at one level; over runs and items."""
    right = lesson.right[level]
    return bootstrap.interval(float(right.mean()), bootstrap.crossed(right))


def over(lesson: Lesson, other: Lesson, level: str) -> Interval:
    """The difference of two arms at one level, runs and items paired."""
    difference = lesson.right[level] - other.right[level]
    return bootstrap.interval(float(difference.mean()), bootstrap.crossed(difference))
