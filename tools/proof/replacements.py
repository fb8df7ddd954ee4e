"""What might stand in the place of Eq. 7: rules that put the verdict first. Method: sees gaps and verdicts.

Each is a ``Rule`` of ``variants``; the base stands in column 0 with its verdict of 0.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from proof.outcomes import relative
from proof.variants import Array, Rule, product, win_first

DUAL, REFEREE = "Eq. 7 (dual)", "referee only"


def referee_only(gaps: Array, verdicts: Array) -> Array:
    """The first drawn that beats the base, else the base: ``selection: referee``."""
    del gaps
    return verdicts


def gap_among_equals(gaps: Array, verdicts: Array) -> Array:
    """The verdict, and the gap among all that have the same; the base is one of those that tie with it."""
    return 2 * verdicts + _place(gaps)


def gap_among_equals_with_margin(margin: float, gaps: Array, verdicts: Array) -> Array:
    """The same, but who ties with the base has to beat its gap by ``margin`` times the spread of this seed's gaps."""
    ties = verdicts == 0.5
    spread = np.nanstd(gaps, axis=1, keepdims=True)
    beats = gaps > gaps[:, :1] + margin * spread
    held_back = ties & ~beats
    held_back[:, 0] = False
    return np.where(held_back, 0.0, gap_among_equals(gaps, verdicts))


def shrunk(weight: float, gaps: Array, verdicts: Array) -> Array:
    """π_llm · (1 - weight + weight · π_dual): Eq. 7 with the gap shrunk towards the same for all."""
    return verdicts * (1 - weight + weight * relative(gaps))


def over_base(weight: float, gaps: Array, verdicts: Array) -> Array:
    """π_llm · (1 + weight · d), d the gap over the base's in [-1, 1] by the widest difference of this seed."""
    return verdicts * (1 + weight * _over_base(gaps))


def added(weight: float, gaps: Array, verdicts: Array) -> Array:
    """The gap and ``weight`` times the verdict, added up, the gap in units of the spread of all gaps."""
    rank: Array = np.where(np.isnan(gaps), -np.inf, gaps / np.nanstd(gaps) + weight * verdicts)
    return rank


def combined(weights: Array, gaps: Array, verdicts: Array) -> Array:
    """A weighted sum of ``features``."""
    rank: Array = features(gaps, verdicts) @ weights
    return rank


def features(gaps: Array, verdicts: Array) -> Array:
    """[seeds, 1 + M, 8]: what a learned combination goes by."""
    over, worth = _over_base(gaps), relative(gaps)
    base = np.zeros_like(verdicts)
    base[:, 0] = 1.0
    beats, loses = (verdicts > 0.5).astype(np.float64), (verdicts < 0.5).astype(np.float64)
    filled = np.nan_to_num(gaps).clip(-1, 1)
    return np.stack([base, beats, loses, filled, worth, over, beats * over, (1 - beats) * over], axis=-1)


def _over_base(gaps: Array) -> Array:
    over = gaps - gaps[:, :1]
    widest = np.nan_to_num(np.abs(over)).max(axis=1, keepdims=True)
    shares: Array = np.divide(over, widest, out=np.zeros_like(over), where=widest > 0)
    return np.where(np.isnan(over), -1.0, shares)


def _place(gaps: Array) -> Array:
    """Place by gap within a seed, in [0, 1): equal gaps have the same, so that the earlier of them wins."""
    filled = np.where(np.isnan(gaps), -np.inf, gaps)
    place: Array = (filled[:, :, None] > filled[:, None, :]).sum(axis=2) / gaps.shape[1]
    return place


REPLACEMENTS: Mapping[str, Rule] = {
    DUAL: product,
    REFEREE: referee_only,
    "verdict first, gap among winners": win_first,
    "verdict first, gap among equals": gap_among_equals,
    "the same, a tie by half a spread": partial(gap_among_equals_with_margin, 0.5),
    "the same, a tie by a whole spread": partial(gap_among_equals_with_margin, 1.0),
    "gap shrunk to 3/4": partial(shrunk, 0.75),
    "gap shrunk to 1/2": partial(shrunk, 0.5),
    "gap shrunk to 1/4": partial(shrunk, 0.25),
    "gap over the base's, weight 1": partial(over_base, 1.0),
    "gap over the base's, weight 1/2": partial(over_base, 0.5),
    "gap over the base's, weight 1/4": partial(over_base, 0.25),
    "gap and verdict added, weight 1": partial(added, 1.0),
    "gap and verdict added, weight 2": partial(added, 2.0),
    "gap and verdict added, weight 4": partial(added, 4.0),
}
