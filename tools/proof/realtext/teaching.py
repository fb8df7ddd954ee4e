"""The small model before and after training on each arm's rows: loss on answers that people prefer, and obedience."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from proof import bootstrap
from proof.bootstrap import Interval
from proof.kept import ask_once
from proof.realtext import checkers, sft
from proof.realtext.sft import Pupil
from star_agents.records import Sample

Values = NDArray[np.float64]
Choice = Callable[[str, int], Sequence[Sample]]
"""The rows that an arm takes with a random seed."""
BEFORE = "nothing"
"""The arm that trains on no rows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """What is trained on, how often, and what is asked afterwards."""

    name: str
    arms: tuple[str, ...]
    choose: Choice
    epochs: int
    seeds: int
    preferred: Sequence[Sample]
    """Held-out questions with the answers that people prefer."""
    checks: Sequence[checkers.Checkable]


@dataclass(frozen=True, kw_only=True, slots=True)
class Taught:
    """One arm beside random rows; intervals over runs and items, paired."""

    arm: str
    tokens: float
    """Mean per row, prompt included."""
    loss: Interval
    """On the preferred answers: nats per token, mean over answers."""
    loss_over_random: Interval
    passed: Interval
    """Share of the checkable instructions."""
    passed_over_random: Interval
    by_kind: Mapping[str, float]
    words: float
    """Mean length of the answers to the checkable instructions."""
    by_run: tuple[float, ...]
    """Loss of each run."""


def teach(lesson: Lesson, folder: Path, file: Path) -> dict[str, list[Any]]:
    """Train and examine; runs that ``file`` holds are not made again. Arm to its runs, seed by seed."""
    keys = [(arm, seed) for seed in range(lesson.seeds) for arm in lesson.arms]  # whole rounds, should it be stopped
    asked = [(BEFORE, 0), *keys]

    def ask(portion: Sequence[tuple[str, int]]) -> list[object]:
        return [_one(lesson, folder, arm, seed) for arm, seed in portion]

    answers = ask_once(file, asked, lambda key: f"{lesson.name}, {key[0]}, seed {key[1]}", ask, portion_size=1)
    found: dict[str, list[Any]] = {}
    for (arm, _), one in zip(asked, answers, strict=True):
        found.setdefault(arm, []).append(one)
    return found


def _one(lesson: Lesson, folder: Path, arm: str, seed: int) -> dict[str, object]:
    began = time.process_time()
    torch.manual_seed(seed)
    pupil = sft.load(folder)
    rows = [] if arm == BEFORE else lesson.choose(arm, seed)
    tokens = sft.fine_tune(pupil, rows, epochs=lesson.epochs, seed=seed) if rows else 0
    return {
        "rows": len(rows),
        "tokens": tokens,
        "losses": sft.mean_losses(pupil, lesson.preferred),
        **_obedience(pupil, lesson.checks),
        "cpu_s": round(time.process_time() - began),
    }


def _obedience(pupil: Pupil, checks: Sequence[checkers.Checkable]) -> dict[str, object]:
    texts = sft.answers(pupil, [one.instruction for one in checks])
    passed = "".join(str(int(one.passes(text))) for one, text in zip(checks, texts, strict=True))
    words = sum(len(checkers.words(text)) for text in texts) / len(texts)
    return {"passed": passed, "words": round(words, 1), "first": texts[:2]}


def figures(found: Mapping[str, Sequence[Any]], checks: Sequence[checkers.Checkable]) -> list[Taught]:
    """Each arm, the untrained model first; its one run stands for as many as the others have."""
    runs = max(map(len, found.values()))
    full = {arm: [*some] * runs if arm == BEFORE else list(some) for arm, some in found.items()}
    losses = {arm: np.array([one["losses"] for one in some]) for arm, some in full.items()}
    passed = {
        arm: np.array([[int(mark) for mark in one["passed"]] for one in some], dtype=np.float64)
        for arm, some in full.items()
    }
    kinds = np.array([one.rule.kind for one in checks])
    return [
        Taught(
            arm=arm,
            tokens=sum(one["tokens"] for one in some) / max(1, sum(one["rows"] for one in some)),
            loss=_crossed(losses[arm]),
            loss_over_random=_crossed(losses[arm] - losses["random"]),
            passed=_crossed(passed[arm]),
            passed_over_random=_crossed(passed[arm] - passed["random"]),
            by_kind={kind: float(passed[arm][:, kinds == kind].mean()) for kind in dict.fromkeys(kinds.tolist())},
            words=sum(one["words"] for one in some) / len(some),
            by_run=tuple(losses[arm].mean(axis=1)),
        )
        for arm, some in full.items()
    ]


def _crossed(values: Values) -> Interval:
    return bootstrap.interval(float(values.mean()), bootstrap.crossed(values))
