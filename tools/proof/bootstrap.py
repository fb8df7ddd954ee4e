"""Paired bootstrap intervals. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 4_000


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % percentile interval."""

    value: float
    low: float
    high: float

    def show(self, digits: int = 2, *, percent: bool = False) -> str:
        """``0.81 [0.79, 0.83]``"""
        scale = 100 if percent else 1
        value, low, high = (f"{scale * one:.{digits}f}" for one in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"


def mean(values: NDArray[np.float64], seed: int = 0) -> Interval:
    """Mean over the first axis."""
    picks = _picks(len(values), seed)
    found = values[picks].mean(axis=1)
    return Interval(float(values.mean()), *_edges(found))


def ratio(values: NDArray[np.float64], others: NDArray[np.float64], seed: int = 0) -> Interval:
    """Ratio of two means whose entries belong together: the same entries are drawn for both."""
    picks = _picks(len(values), seed)
    found = values[picks].mean(axis=1) / others[picks].mean(axis=1)
    return Interval(float(values.mean() / others.mean()), *_edges(found))


def difference(values: NDArray[np.float64], others: NDArray[np.float64], seed: int = 0) -> Interval:
    """Difference of two means whose entries belong together."""
    return mean(values - others, seed)


def crossed(values: NDArray[np.float64], seed: int = 0) -> NDArray[np.float64]:
    """[RESAMPLES] means of ``values`` [runs, items], runs and items drawn again independently of each other.

    Matrices of one shape get the same draws, so that what is made of two of them, entry by entry, is paired.
    """
    weights = [_weights(count, seed + axis) for axis, count in enumerate(values.shape)]
    found: NDArray[np.float64] = ((weights[0] @ values) * weights[1]).sum(axis=1)
    return found


def interval(value: float, resampled: NDArray[np.float64]) -> Interval:
    """An estimate, and the edges of what was resampled for it."""
    return Interval(float(value), *_edges(resampled))


def _weights(count: int, seed: int) -> NDArray[np.float64]:
    """[RESAMPLES, count]: how often each entry was drawn, as a share."""
    return np.apply_along_axis(np.bincount, 1, _picks(count, seed), minlength=count) / count


def _picks(count: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))


def _edges(found: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)
