"""Ours beside the paper's: means over questions and trainings with intervals, and where the order differs. Pure.

The score of an arm on a benchmark is the mean over its trainings and all graded turns; its average is the plain mean of
the three, as in the paper. Intervals are of 95 %, from a bootstrap that draws questions and trainings anew, each by
themselves. All arms get the same draws of questions, so that the difference of two is paired.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from star_agents.arena.bootstrap import Estimate, Floats, estimate, in_words, ratio, times_drawn
from star_agents.arena.grades import Turn
from star_agents.arena.ratings import RESAMPLES
from star_agents.engine.reproduction.papers import Paper

_SEED_OF_TRAININGS = 1_000
"""Of the draws of trainings, apart from those of questions."""
Runs = Sequence[Mapping[Turn, float | None]]
"""For each training of an arm, what it got for each turn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmScore:
    """What an arm came to."""

    arm: str
    trainings: int
    by_benchmark: Mapping[str, Estimate]
    average: Estimate
    unreadable: int
    """Judgements without a grade, which are in no mean."""
    resampled: Floats
    """(resamples,): its average."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "arm": self.arm,
            "trainings": self.trainings,
            **{name: one._asdict() for name, one in self.by_benchmark.items()},
            "average": self.average._asdict(),
            "unreadable": self.unreadable,
        }


def score(arm: str, runs: Mapping[str, Runs], questions: Mapping[str, Sequence[str]]) -> ArmScore:
    """What an arm came to.

    Args:
        arm: Its name.
        runs: By benchmark.
        questions: Of each benchmark, in one order for all arms.
    """
    found: dict[str, Estimate] = {}
    resampled, values = [], []
    for place, (name, order) in enumerate(questions.items()):
        totals, counts = _by_question(runs[name], order)
        draws = _resampled(totals, counts, seed=place)
        both = np.array([totals.sum(), counts.sum()])
        # One question is drawn as itself every time: that is no certainty.
        whole = estimate(lambda sums: ratio(sums[..., 0], sums[..., 1]), both, draws)
        found[name] = whole if len(order) > 1 else Estimate(whole.value)
        resampled.append(ratio(draws[:, 0], draws[:, 1]))
        values.append(whole.value)
    average = np.mean(resampled, axis=0)
    is_known = all(value is not None for value in values)
    value = float(np.mean([value for value in values if value is not None])) if is_known else np.nan
    return ArmScore(
        arm=arm,
        trainings=max((len(some) for some in runs.values()), default=0),
        by_benchmark=found,
        average=_percentiles(value, average),
        unreadable=sum(one is None for some in runs.values() for run in some for one in run.values()),
        resampled=average,
    )


def _by_question(runs: Runs, order: Sequence[str]) -> tuple[Floats, Floats]:
    """(trainings, questions) each: the sum over graded turns, and how many there are."""
    place = {question: number for number, question in enumerate(order)}
    totals, counts = np.zeros((len(runs), len(order))), np.zeros((len(runs), len(order)))
    for row, run in enumerate(runs):
        for (question, _), grade in run.items():
            if grade is not None and question in place:
                totals[row, place[question]] += grade
                counts[row, place[question]] += 1
    return totals, counts


def _resampled(totals: Floats, counts: Floats, seed: int) -> Floats:
    """(resamples, 2): sums of grades, and how many, with questions and trainings drawn anew."""
    trainings, questions = totals.shape
    if not totals.size:
        return np.full((RESAMPLES, 2), np.nan)
    of_questions = _drawn(questions, seed)
    of_trainings = _drawn(trainings, _SEED_OF_TRAININGS)
    sums = [((of_trainings @ one) * of_questions).sum(axis=1) for one in (totals, counts)]
    return np.stack(sums, axis=1)


def _drawn(number: int, seed: int) -> Floats:
    return np.concatenate(list(times_drawn(number, RESAMPLES, seed, some=RESAMPLES)))


def _percentiles(value: float, resampled: Floats) -> Estimate:
    """A figure with the interval of its resamples."""
    return estimate(lambda one: one[..., 0], np.array([value]), resampled[:, None])


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Two arms, the one that the paper has above the other first."""

    above: str
    below: str
    paper: float
    """By how much, in the paper."""
    ours: Estimate

    @property
    def agrees(self) -> bool:
        """Whether ours has them in the same order."""
        return (self.ours.value or 0.0) > 0

    @property
    def is_clear(self) -> bool:
        """Whether the interval of the difference leaves 0 out."""
        low, high = self.ours.low, self.ours.high
        return low is not None and high is not None and (low > 0 or high < 0)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        told = {"above": self.above, "below": self.below, "paper": round(self.paper, 2), "ours": self.ours._asdict()}
        return {**told, "agrees": self.agrees, "is_clear": self.is_clear}


def comparisons(scores: Sequence[ArmScore], paper: Paper) -> list[Comparison]:
    """Every two arms of which the paper has one above the other."""
    by_arm = {one.arm: one for one in scores if one.average.value is not None}
    ranked = sorted((name for name in by_arm if name in paper.averages), key=lambda name: -paper.averages[name])
    found = []
    for above, below in combinations(ranked, 2):
        one, other = by_arm[above], by_arm[below]
        apart = (one.average.value or 0.0) - (other.average.value or 0.0)
        ours = _percentiles(apart, one.resampled - other.resampled)
        margin = paper.averages[above] - paper.averages[below]
        found.append(Comparison(above=above, below=below, paper=margin, ours=ours))
    return found


def sentences(scores: Sequence[ArmScore], paper: Paper) -> Iterator[str]:
    """What the table says: both orders, and each pair that ours has the other way round."""
    known = [one for one in scores if one.average.value is not None and one.arm in paper.averages]
    if len(known) < 2:
        return
    names = {one.arm for one in known}
    yield f"order of the paper: {' < '.join(name for name in _ascending(paper.averages) if name in names)}"
    yield f"order here: {' < '.join(one.arm for one in sorted(known, key=lambda one: one.average.value or 0.0))}"
    pairs = comparisons(scores, paper)
    same = [one for one in pairs if one.agrees]
    clear = sum(one.is_clear for one in same)
    yield f"of {len(pairs)} pairs of arms {len(same)} stand as in the paper, {clear} of them clear of chance"
    others = [one for one in pairs if not one.agrees]
    for one in others:
        if one.is_clear:
            told = f"the paper has {one.above} above {one.below} by {one.paper:.2f}"
            yield f"differs, clear of chance: {told}; here the difference is {in_words(one.ours, signed=True)}"
    if unsure := [one for one in others if not one.is_clear]:
        listed = "; ".join(f"{one.above} less {one.below} {in_words(one.ours, signed=True)}" for one in unsure)
        yield f"differs, and may be chance: {listed}"


def _ascending(averages: Mapping[str, float]) -> list[str]:
    return sorted(averages, key=lambda name: averages[name])
