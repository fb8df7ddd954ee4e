"""How often a measure ranks the better of two answers above the worse: AUC, with intervals over instructions. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from proof import bootstrap
from proof.bootstrap import RESAMPLES, Interval

Values = NDArray[np.float64]
MOST = 2_000
"""Resamples at once: of a matrix of instructions by instructions."""


def concordant(better: Values, worse: Values) -> Values:
    """1 where the better one has the larger value, ½ where both are equal, else 0."""
    found: Values = 0.5 + 0.5 * np.sign(better - worse)
    return found


def within_pairs(right: Values, instructions: Sequence[str]) -> Interval:
    """Share of pairs that are ranked as they should be.

    Args:
        right: [pairs], of ``concordant``, or differences of two such.
        instructions: Of each pair. They are drawn anew, each with all of its pairs.
    """
    total, count = _by_instruction(right, instructions)
    return bootstrap.ratio(total, count)


def between_groups(good: Values, bad: Values) -> Interval:
    """The chance that one of ``good`` lies above one of ``bad``, of any instructions: what a threshold can tell.

    Args:
        good, bad: [instructions] each; an instruction is drawn with what it has of both.
    """
    count = len(good)
    right = concordant(good[:, None], bad[None, :])
    weights = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), RESAMPLES) / count
    resampled = np.concatenate(
        [((part @ right) * part).sum(axis=1) for part in np.array_split(weights, -(-RESAMPLES // MOST))]
    )
    return bootstrap.interval(float(right.mean()), resampled)


def _by_instruction(values: Values, instructions: Sequence[str]) -> tuple[Values, Values]:
    """[instructions] each: sums of the values, and how many there are."""
    _, place = np.unique(np.array(instructions), return_inverse=True)
    return np.bincount(place, weights=values).astype(np.float64), np.bincount(place).astype(np.float64)
