"""Grades of a benchmark as scores: means with intervals, by turn and by category, and how repeats differ. Pure.

The score of MT-bench is the plain mean over all graded turns, without weights for categories; a turn whose judgement
cannot be read is in no mean, and is counted. Of several repeats the median of each turn counts. Intervals are of 95 %,
from a bootstrap over questions: both turns of a question stay together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median, stdev
from typing import Any, NamedTuple

import numpy as np

from star_agents.arena.bootstrap import Estimate, Floats, estimate, ratio, resampled_sums
from star_agents.arena.mt_bench import HIGHEST, LOWEST
from star_agents.arena.ratings import RESAMPLES
from star_agents.records import Flat


@dataclass(frozen=True, kw_only=True, slots=True)
class Grade(Flat):
    """What a judge gave for one turn."""

    model: str
    question: str
    category: str
    turn: int
    """1 or 2."""
    repeat: int = 1
    score: float | None = None
    """``None``: what the judge wrote holds no number that can be read."""


Turn = tuple[str, int]
"""Question and turn."""


def medians(grades: Iterable[Grade]) -> dict[Turn, float]:
    """The median over repeats of each turn of one model, of those that could be read."""
    found: defaultdict[Turn, list[float]] = defaultdict(list)
    for one in grades:
        if one.score is not None:
            found[one.question, one.turn].append(one.score)
    return {turn: median(scores) for turn, scores in found.items()}


def mean_estimate(values: Mapping[Turn, float], *, resamples: int = RESAMPLES) -> Estimate:
    """The mean over turns with its interval, which is open on both sides where it stands on one question alone.

    Args:
        values: A number for each turn: a score, or the difference of two.
        resamples: Of the bootstrap over questions.
    """
    by_question: defaultdict[str, list[float]] = defaultdict(list)
    for (question, _), value in values.items():
        by_question[question].append(value)
    sums = np.array([[sum(some), len(some)] for some in by_question.values()], dtype=np.float64).reshape(-1, 2)
    found = estimate(_mean, sums.sum(axis=0), resampled_sums(sums, resamples))
    # Drawn again and again, one question is always itself: that is no certainty.
    return found if len(sums) > 1 else Estimate(found.value)


def _mean(sums: Floats) -> Floats:
    return ratio(sums[..., 0], sums[..., 1])


class Repeats(NamedTuple):
    """How far the same benchmark came out differently each time."""

    means: tuple[float | None, ...]
    """The score of each repeat by itself, in their order; ``None`` where nothing of it could be read."""
    spread: float | None
    """Standard deviation between them; ``None`` of fewer than two."""
    between: float | None
    """Mean over turns of the standard deviation between repeats of one turn; ``None`` where none was graded twice."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What one model came to."""

    model: str
    score: Estimate
    by_turn: Mapping[int, Estimate]
    by_category: Mapping[str, Estimate]
    by_difficulty: Mapping[str, Estimate]
    """The easiest first; empty where questions say nothing of it."""
    graded: int
    """Judgements with a grade, every repeat's."""
    unreadable: int
    """Judgements without a grade that can be read."""
    missing: int
    """Judgements that there are not: the turn, or its judgement, could not be had, or not yet."""
    outside: int
    """Grades beyond 1 to 10, which count as they are, as in FastChat."""
    repeats: Repeats | None = None
    """``None`` where nothing was repeated."""
    notes: Mapping[str, int] = field(default_factory=dict[str, int])
    """What else is to be known of its answers, such as how many were cut."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "model": self.model,
            "score": self.score._asdict(),
            "by_turn": {str(turn): one._asdict() for turn, one in self.by_turn.items()},
            "by_category": {name: one._asdict() for name, one in self.by_category.items()},
            "by_difficulty": {name: one._asdict() for name, one in self.by_difficulty.items()},
            "graded": self.graded,
            "unreadable": self.unreadable,
            "missing": self.missing,
            "outside_1_to_10": self.outside,
            "repeats": None if self.repeats is None else self.repeats._asdict(),
            **self.notes,
        }


def standing(
    model: str,
    grades: Sequence[Grade],
    categories: Sequence[str],
    *,
    expected: int,
    repeats: int = 1,
    difficulties: Mapping[str, str] | None = None,
    notes: Mapping[str, int] | None = None,
    resamples: int = RESAMPLES,
) -> Standing:
    """What one model came to.

    Args:
        model: Whose grades these are.
        grades: One for each judgement.
        categories: Those to tell apart, in their order.
        expected: Judgements that there are to be in all.
        repeats: How often the benchmark is done.
        difficulties: Of questions that say it.
        notes: As ``Standing`` keeps them.
        resamples: Of the bootstrap.
    """
    of_category = {one.question: one.category for one in grades}
    values = medians(grades)
    level_of = difficulties or {}
    levels = sorted(set(level_of.values()), key=lambda level: (len(level), level))
    unread = sum(one.score is None for one in grades)
    scores = [one.score for one in grades if one.score is not None]

    def over(wanted: Callable[[Turn], bool]) -> Estimate:
        return mean_estimate({turn: value for turn, value in values.items() if wanted(turn)}, resamples=resamples)

    def in_category(name: str) -> Estimate:
        return over(lambda turn: of_category[turn[0]] == name)

    def in_turn(number: int) -> Estimate:
        return over(lambda turn: turn[1] == number)

    def in_level(name: str) -> Estimate:
        return over(lambda turn: level_of.get(turn[0]) == name)

    return Standing(
        model=model,
        score=over(lambda turn: True),
        by_turn={turn: in_turn(turn) for turn in sorted({one.turn for one in grades})},
        by_category={name: in_category(name) for name in categories},
        by_difficulty={level: in_level(level) for level in levels},
        graded=len(scores),
        unreadable=unread,
        missing=max(0, expected - len(grades)),
        outside=sum(not LOWEST <= one <= HIGHEST for one in scores),
        repeats=repeats_of(grades, repeats) if repeats > 1 else None,
        notes=notes or {},
    )


def repeats_of(grades: Sequence[Grade], repeats: int) -> Repeats:
    """How far repeats of one model's benchmark differ."""
    by_repeat: dict[int, list[float]] = {number: [] for number in range(1, repeats + 1)}
    by_turn: defaultdict[Turn, list[float]] = defaultdict(list)
    for one in grades:
        if one.score is not None and one.repeat in by_repeat:
            by_repeat[one.repeat].append(one.score)
            by_turn[one.question, one.turn].append(one.score)
    means = tuple(fmean(scores) if scores else None for scores in by_repeat.values())
    known = [one for one in means if one is not None]
    within = [stdev(scores) for scores in by_turn.values() if len(scores) > 1]
    return Repeats(means, stdev(known) if len(known) > 1 else None, fmean(within) if within else None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One model's grades against another's on the same turns."""

    model: str
    against: str
    turns: int
    """That both have a grade for."""
    questions: int
    difference: Estimate
    """Mean of the first's grade minus the second's, paired by turn."""
    by_category: Mapping[str, Estimate]
    better: int
    """Turns in which the first has more; the others are ``worse`` or equal."""
    worse: int

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        low, high = self.difference.low, self.difference.high
        return low is not None and high is not None and (low > 0 or high < 0)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "model": self.model,
            "against": self.against,
            "turns": self.turns,
            "questions": self.questions,
            "difference": self.difference._asdict(),
            "by_category": {name: one._asdict() for name, one in self.by_category.items()},
            "better": self.better,
            "worse": self.worse,
            "is_clear": self.is_clear,
        }


def change(
    model: tuple[str, Mapping[Turn, float]],
    against: tuple[str, Mapping[Turn, float]],
    category_of: Mapping[str, str],
    *,
    resamples: int = RESAMPLES,
) -> Change:
    """How far one model's grades lie from another's, over the turns that both have.

    Args:
        model: Its name, and the grade of each turn: ``medians``.
        against: Likewise.
        category_of: Of each question.
        resamples: Of the bootstrap over questions.
    """
    (name, values), (other, others) = model, against
    apart = {turn: value - others[turn] for turn, value in values.items() if turn in others}
    categories = dict.fromkeys(category_of[question] for question, _ in apart)

    def in_category(wanted: str) -> Estimate:
        some = {turn: value for turn, value in apart.items() if category_of[turn[0]] == wanted}
        return mean_estimate(some, resamples=resamples)

    return Change(
        model=name,
        against=other,
        turns=len(apart),
        questions=len({question for question, _ in apart}),
        difference=mean_estimate(apart, resamples=resamples),
        by_category={one: in_category(one) for one in categories},
        better=sum(value > 0 for value in apart.values()),
        worse=sum(value < 0 for value in apart.values()),
    )
