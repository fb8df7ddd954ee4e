"""Which rows each arm takes: one of several answers to each question, or so many rows of a pool.

The scripted referee reads what most people said of two answers, and gets it right with 70 in 100.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

from proof.realtext.data import Pair
from proof.realtext.measures import GAP, LENGTH, LOG_RATIO
from star_agents.config.sections import ScoreMode
from star_agents.records import Sample

Values = NDArray[np.float64]
RIGHT = 0.7
MODE: ScoreMode = "score_eos"
"""As shipped."""
BY_MEASURE = {"longest": LENGTH, "highest IFD": "IFD of the small model", "gap": GAP, "log-ratio": LOG_RATIO}
RELATIVE_GAP = "gap, relative (π_dual)"
RANDOM, DUAL, PEOPLE = "random", "dual", "people"
ROW_ARMS = (RANDOM, *BY_MEASURE)
ANSWER_ARMS = (*ROW_ARMS, DUAL, PEOPLE)
"""*Dual* is the relative gap, not below 0, times the referee's share of verdicts (Eq. 5 to 7)."""


def as_shipped(
    samples: Sequence[Sample], found: Mapping[tuple[str, ScoreMode], Values]
) -> dict[str, dict[Sample, float]]:
    """Every measure, as shipped, of each sample."""
    return {name: dict(zip(samples, found[name, mode].tolist(), strict=True)) for name, mode in found if mode == MODE}


def rows(values: Mapping[str, Mapping[Sample, float]], arm: str, count: int, seed: int) -> list[Sample]:
    """The ``count`` rows that an arm takes of those that have every measure."""
    pool = usable(values)
    if arm == RANDOM:
        return Random(f"rows {seed}").sample(pool, count)
    measure = values[BY_MEASURE[arm]]
    return sorted(pool, key=lambda sample: -measure[sample])[:count]


def usable(values: Mapping[str, Mapping[Sample, float]]) -> list[Sample]:
    """Samples whose every measure is a finite number."""
    first = next(iter(values.values()))
    return [sample for sample in first if all(np.isfinite(one[sample]) for one in values.values())]


def answers(pairs: Sequence[Pair], values: Mapping[str, Mapping[Sample, float]], arm: str, seed: int) -> list[Sample]:
    """The answer that an arm takes to each question that has at least two which every measure knows."""
    pool, rng = set(usable(values)), Random(f"answers {seed}")
    verdicts = shares(pairs, lambda pair: _read(pair, rng))
    people = people_say(pairs)
    chosen = []
    for candidates in candidates_of(pairs).values():
        known = [sample for sample in candidates if sample in pool]
        rng.shuffle(known)  # of equals the first one is taken
        if len(known) > 1:
            chosen.append(max(known, key=lambda sample: _worth(arm, sample, values, verdicts, people, rng)))
    return chosen


def candidates_of(pairs: Sequence[Pair]) -> dict[str, list[Sample]]:
    """The different answers to each question, in the order in which they come."""
    found: dict[str, dict[Sample, None]] = defaultdict(dict)
    for pair in pairs:
        for place in (0, 1):
            found[pair.asked.question].setdefault(pair.sample(place))
    return {question: list(samples) for question, samples in found.items()}


def shares(pairs: Sequence[Pair], verdict: Callable[[Pair], tuple[float, float]]) -> dict[Sample, float]:
    """The mean over each answer's pairs of what a judge gave it, from 0 to 1."""
    found: dict[Sample, list[float]] = defaultdict(list)
    for pair in pairs:
        for place, value in enumerate(verdict(pair)):
            found[pair.sample(place)].append(value)
    return {sample: sum(each) / len(each) for sample, each in found.items()}


def people_say(pairs: Sequence[Pair]) -> dict[Sample, float]:
    """Each answer's share of its judges' votes, a tie one half."""
    return shares(pairs, _votes)


def best_answers(pairs: Sequence[Pair]) -> list[Sample]:
    """To each question the answer that people prefer, where a majority prefers any answer to another in words."""
    people = people_say(pairs)
    wins = {pair.sample(pair.preferred) for pair in pairs if pair.preferred is not None}
    best = (
        max(
            (one for one in candidates if one in wins and (one.response or "").strip()),
            key=people.__getitem__,
            default=None,
        )
        for candidates in candidates_of(pairs).values()
    )
    return [sample for sample in best if sample is not None]


def _worth(
    arm: str,
    sample: Sample,
    values: Mapping[str, Mapping[Sample, float]],
    verdicts: Mapping[Sample, float],
    people: Mapping[Sample, float],
    rng: Random,
) -> tuple[float, float]:
    if arm == RANDOM:
        return rng.random(), 0.0
    if arm == DUAL:
        return max(0.0, values[RELATIVE_GAP][sample]) * verdicts[sample], verdicts[sample]
    return (people[sample] if arm == PEOPLE else values[BY_MEASURE[arm]][sample]), 0.0


def _votes(pair: Pair) -> tuple[float, float]:
    first = sum({1: 1.0, 2: 0.0}.get(vote, 0.5) for vote in pair.votes) / len(pair.votes)
    return first, 1 - first


def _read(pair: Pair, rng: Random) -> tuple[float, float]:
    if pair.preferred is None:
        return 0.5, 0.5
    is_right = rng.random() < RIGHT
    return (1.0, 0.0) if (pair.preferred == 0) == is_right else (0.0, 1.0)
