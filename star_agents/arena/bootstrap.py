"""Prompts drawn with replacement, and what sums over them come to then. Pure.

All that belongs to one prompt stays together: a prompt that suits one model, or one judge, shows in everything over it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from star_agents.scheduling.win_rates import win_rate

Floats = npt.NDArray[np.float64]
CELLS = 20_000_000
"""Numbers that resampling holds at once, at the most: 160 MB."""
OUTSIDE = 0.025
"""Share of the resamples beyond either end of an interval."""


class Estimate(NamedTuple):
    """A figure with its 95 % interval."""

    value: float | None
    """``None`` where nothing stands behind it."""
    low: float | None = None
    """Ends of the interval; ``None``: open, since more than 2.5 % of the resamples have no value."""
    high: float | None = None


def in_words(one: Estimate, *, percent: bool = False, signed: bool = False) -> str:
    """``6.31 (5.80 to 6.84)``, or ``6.31`` where there is no interval; ``–`` of nothing."""
    if one.value is None:
        return "–"

    def shown(value: float | None) -> str:
        if value is None:
            return "open"
        return f"{100 * value:.1f}" if percent else f"{value:+.2f}" if signed else f"{value:.2f}"

    ends = "" if one.low is None and one.high is None else f" ({shown(one.low)} to {shown(one.high)})"
    return f"{shown(one.value)}{' %' if percent else ''}{ends}"


def times_drawn(prompts: int, resamples: int, seed: int, *, some: int) -> Iterator[Floats]:
    """How often each prompt is drawn in each resample of as many prompts: (up to ``some``, prompts) at a time."""
    rng = np.random.default_rng(seed)
    for begin in range(0, resamples, some):
        number = min(some, resamples - begin)
        drawn = rng.integers(0, prompts, (number, prompts)) + np.arange(number)[:, None] * prompts
        counts = np.bincount(drawn.ravel(), minlength=number * prompts)
        yield counts.reshape(number, prompts).astype(np.float64)


def resampled_sums(sums: Floats, resamples: int, seed: int = 0, *, cells: int = CELLS) -> Floats:
    """Sums over prompts drawn with replacement.

    Args:
        sums: (prompts, columns): what each prompt adds.
        resamples: How many.
        seed: Of the random numbers.
        cells: Numbers that are held at once, about.

    Returns:
        (resamples, columns).
    """
    prompts, columns = sums.shape
    if not prompts:
        return np.zeros((resamples, columns))
    some = max(1, min(resamples, cells // prompts))
    return np.concatenate([times @ sums for times in times_drawn(prompts, resamples, seed, some=some)])


def estimate(of: Callable[[Floats], Any], total: Floats, resampled: Floats) -> Estimate:
    """A figure of sums with its percentile interval.

    Args:
        of: Makes (..., columns) of sums to (...) of figures; NaN where there is none.
        total: (columns,) of all prompts.
        resampled: (resamples, columns).
    """
    value = float(of(total))
    if np.isnan(value):
        return Estimate(None)
    found: Floats = np.asarray(of(resampled), dtype=np.float64)
    low = np.sort(np.where(np.isnan(found), -np.inf, found))
    high = np.sort(np.where(np.isnan(found), np.inf, found))
    outside = int(OUTSIDE * len(found))
    return Estimate(value, _finite(low[outside]), _finite(high[len(found) - 1 - outside]))


def _finite(end: float) -> float | None:
    return float(end) if np.isfinite(end) else None


def share_estimate(part: int, whole: int, total: Floats, resampled: Floats) -> Estimate:
    """The share of one column in another.

    A bootstrap of a share of 0 or 1 has no width however few there are, so the interval is at least Wilson's.

    Args:
        part: Column of what is counted.
        whole: Column of what it is a share of.
        total: As for ``estimate``.
        resampled: Likewise.
    """
    found = estimate(lambda sums: ratio(sums[..., part], sums[..., whole]), total, resampled)
    if found.value is None:
        return found
    wilson = win_rate(round(total[part]), round(total[whole]))
    low = None if found.low is None else min(found.low, wilson.low)
    return Estimate(found.value, low, None if found.high is None else max(found.high, wilson.high))


def ratio(part: Floats, whole: Floats) -> Floats:
    """One by the other, NaN where that is 0."""
    found: Floats = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) != 0)
    return found
