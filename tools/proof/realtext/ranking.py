"""How well each measure ranks what was compared: pairs, strata of pairs, and answers to other questions. Figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proof.bootstrap import Interval
from proof.realtext.concordance import between_groups, concordant, within_pairs
from proof.realtext.data import Pair
from proof.realtext.halves import Half
from proof.realtext.losses import Losses
from proof.realtext.measures import GAP, LENGTH, all_measures
from star_agents.config.sections import ScoreMode
from star_agents.records import Sample

Values = NDArray[np.float64]
Key = tuple[str, ScoreMode]
SIMILAR = 0.3
"""Lengths are similar where the logarithms of their tokens differ by less: one is at most 1.35 times the other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranked:
    """Pairs with a preferred answer whose answers both have every measure; [pairs] each."""

    pairs: tuple[Pair, ...]
    better: Mapping[Key, Values]
    worse: Mapping[Key, Values]
    left_out: int
    """Preferred by a majority, but an answer holds no words."""

    def part(self, holds: NDArray[np.bool_] | Sequence[bool]) -> Ranked:
        """Those for which it holds."""
        chosen = np.array(holds, dtype=bool)
        return Ranked(
            pairs=tuple(pair for pair, one in zip(self.pairs, chosen, strict=True) if one),
            better={key: values[chosen] for key, values in self.better.items()},
            worse={key: values[chosen] for key, values in self.worse.items()},
            left_out=0,
        )

    def half(self, half: Half) -> Ranked:
        """The pairs of one half."""
        return self.part([pair.half == half for pair in self.pairs])

    @property
    def unanimous(self) -> Ranked:
        """Pairs on which all judges agree."""
        return self.part([pair.is_unanimous for pair in self.pairs])

    @property
    def of_similar_length(self) -> Ranked:
        """See ``SIMILAR``."""
        key: Key = (LENGTH, "perplexity_ratio")
        return self.part(np.abs(np.log(self.better[key] / self.worse[key])) < SIMILAR)

    @property
    def questions(self) -> list[str]:
        """Of each pair."""
        return [pair.asked.question for pair in self.pairs]

    def right(self, key: Key) -> Values:
        """1, ½ or 0 per pair."""
        return concordant(self.better[key], self.worse[key])

    def auc(self, key: Key) -> Interval:
        """The chance that the preferred answer has the larger value."""
        return within_pairs(self.right(key), self.questions)

    def over(self, key: Key, other: Key) -> Interval:
        """By how much one measure ranks better than another, on the same pairs."""
        return within_pairs(self.right(key) - self.right(other), self.questions)


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """Every measure of each sample."""

    place: Mapping[Sample, int]
    values: Mapping[Key, Values]

    @classmethod
    def of(cls, samples: Sequence[Sample], small: Losses, large: Losses) -> Known:
        """From losses in the order of the samples."""
        return cls(place={one: at for at, one in enumerate(samples)}, values=all_measures(small, large))

    def at(self, samples: Sequence[Sample]) -> dict[Key, Values]:
        """Of these, in order."""
        places = [self.place[one] for one in samples]
        return {key: values[places] for key, values in self.values.items()}

    def ranked(self, pairs: Sequence[Pair]) -> Ranked:
        """The pairs that have a preferred answer."""
        decided = [pair for pair in pairs if pair.preferred is not None]
        better = self.at([pair.sample(pair.preferred or 0) for pair in decided])
        worse = self.at([pair.sample(1 - (pair.preferred or 0)) for pair in decided])
        key: Key = (GAP, "score_eos")
        known = np.isfinite(better[key]) & np.isfinite(worse[key])
        whole = Ranked(pairs=tuple(decided), better=better, worse=worse, left_out=0)
        found = whole.part(known)
        return Ranked(
            pairs=found.pairs, better=found.better, worse=found.worse, left_out=len(decided) - len(found.pairs)
        )

    def tells_aligned(self, pairs: Sequence[tuple[Sample, Sample]], key: Key) -> tuple[Interval, Interval]:
        """The chance that an answer to its own question lies above one to another: of the same question, and of any."""
        good, bad = (self.at([pair[at] for pair in pairs])[key] for at in (0, 1))
        same = within_pairs(concordant(good, bad), [pair[0].question for pair in pairs])
        return same, between_groups(good, bad)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """A weighted sum of measures, of which a logistic regression says who is preferred."""

    keys: tuple[Key, ...]
    weights: Values
    """Per standard deviation of the difference between the two answers."""
    scales: Values

    def right(self, ranked: Ranked) -> Values:
        """1, ½ or 0 per pair."""
        found: Values = 0.5 + 0.5 * np.sign(_differences(ranked, self.keys) / self.scales @ self.weights)
        return found

    def auc(self, ranked: Ranked) -> Interval:
        """As of one measure."""
        return within_pairs(self.right(ranked), ranked.questions)


def fit(ranked: Ranked, keys: Sequence[Key], *, ridge: float = 1.0, rounds: int = 30) -> Fitted:
    """By Newton's method, without a constant: who stands first means nothing.

    Args:
        ranked: Pairs to fit.
        keys: Measures; of lengths the logarithm counts.
        ridge: Strength of the penalty on squared weights.
        rounds: Steps at the most.
    """
    given = _differences(ranked, keys)
    scales = given.std(axis=0)
    given = given / scales
    weights = np.zeros(len(keys))
    for _ in range(rounds):
        chance = 1 / (1 + np.exp(-(given @ weights)))
        slope = given.T @ (1 - chance) - ridge * weights
        curvature = (given * (chance * (1 - chance))[:, None]).T @ given + ridge * np.eye(len(keys))
        step = np.linalg.solve(curvature, slope)
        weights = weights + step
        if math.sqrt(float(step @ step)) < 1e-9:
            break
    return Fitted(keys=tuple(keys), weights=weights, scales=scales)


def _differences(ranked: Ranked, keys: Sequence[Key]) -> Values:
    """[pairs, keys]: better less worse."""
    columns = [
        np.log(ranked.better[key] / ranked.worse[key]) if key[0] == LENGTH else ranked.better[key] - ranked.worse[key]
        for key in keys
    ]
    return np.stack(columns, axis=1)
