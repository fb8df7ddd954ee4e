"""The product's choice (Eq. 5 to 7, lazy judging) for many seeds at once. Method: sees gaps and verdicts.

``star_agents.recipes.choosing.Contest`` decides one seed at a time; a replay of 70,000 seeds wants the outcome of every
possible draw beforehand. A test holds that both say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """What becomes of each seed when the same pairs are drawn for all of them."""

    winner: NDArray[np.int8]
    """[seeds]: column of the chosen candidate; 0 is the base."""
    pi: Array
    """[seeds, M]: π of each drawn pair, every candidate judged."""
    judged: NDArray[np.int8]
    """[seeds]: verdicts that lazy judging pays for (two calls each, one per order)."""
    known: Flags
    """[seeds, M]: whether lazy judging comes to know π of the drawn pair: judged, the base again, or of no worth."""


def relative(gap: Array) -> Array:
    """Eq. 5 along the last axis: gap over the largest, 0 where a gap is not positive or missing."""
    positive = np.where(gap > 0, gap, 0.0)
    largest = positive.max(axis=-1, keepdims=True)
    shares: Array = np.divide(positive, largest, out=np.zeros_like(positive), where=largest > 0)
    return shares


def choose(gap: Array, verdict: Array, same: Flags, drawn: Sequence[int]) -> Chosen:
    """The outcome of each seed when the pairs in columns ``drawn`` are drawn in this order.

    Args:
        gap: [seeds, 1 + pairs], NaN where there is no score.
        verdict: π_llm of the same shape, 0.5 in column 0.
        same: Whether a candidate is the base sample again: a tie for which nobody is paid.
        drawn: M different columns, none of them 0.
    """
    columns = np.array([0, *drawn])
    gaps = np.where(np.isnan(gap[:, columns]), -np.inf, gap[:, columns])
    worth = relative(gap[:, columns])
    verdicts = np.where(same[:, columns], 0.5, verdict[:, columns])
    pi = worth * verdicts
    earlier = np.broadcast_to(-np.arange(len(columns), dtype=np.float64), pi.shape)
    best = np.ones_like(pi, dtype=bool)
    for key in (pi, verdicts, gaps, earlier):  # the base is the earliest of all
        top = np.where(best, key, -np.inf).max(axis=1, keepdims=True)
        best &= key == top
    place = np.where(pi.max(axis=1) > 0, best.argmax(axis=1), 0)
    judged = _lazily_judged(worth, verdicts, gaps)
    return Chosen(
        winner=columns[place].astype(np.int8),
        pi=pi[:, 1:],
        judged=(judged & ~same[:, columns[1:]]).sum(axis=1).astype(np.int8),
        known=judged | (worth[:, 1:] <= 0),
    )


def _lazily_judged(worth: Array, verdict: Array, gap: Array) -> Flags:
    """[seeds, M]: who is judged, in falling rank until no open candidate can win."""
    order = 1 + np.lexsort((-gap[:, 1:], -worth[:, 1:]), axis=1)  # stable, so ties stay in order of drawing
    rows = np.arange(len(worth))
    lead_pi, lead_verdict = worth[:, 0] * 0.5, np.full(len(worth), 0.5)
    judged, going = np.zeros(worth.shape, dtype=bool), np.ones(len(worth), dtype=bool)
    for step in range(order.shape[1]):
        at = order[:, step]
        one, said = worth[rows, at], verdict[rows, at]
        going &= (one > 0) & ((one > lead_pi) | ((one == lead_pi) & (lead_verdict < 1)))
        judged[rows, at] = going
        # A later candidate never wins a full tie: its gap is no larger and it was drawn later.
        leads = going & ((one * said > lead_pi) | ((one * said == lead_pi) & (said > lead_verdict)))
        lead_pi, lead_verdict = np.where(leads, one * said, lead_pi), np.where(leads, said, lead_verdict)
    return judged[:, 1:]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcomes:
    """The outcome of every ordered draw of M pairs, for every seed."""

    index: dict[tuple[int, ...], int]
    """Columns in order of drawing, to the place along the first axis below."""
    winner: NDArray[np.int8]
    """[draws, seeds]"""
    pi: NDArray[np.float32]
    """[draws, seeds, M]"""
    judged: NDArray[np.int8]
    """[draws, seeds]"""
    known: Flags
    """[draws, seeds, M]"""


def every_draw(gap: Array, verdict: Array, same: Flags, m: int) -> Outcomes:
    """Work out all K! / (K - M)! draws."""
    draws = list(permutations(range(1, gap.shape[1]), m))
    found = [choose(gap, verdict, same, drawn) for drawn in draws]
    return Outcomes(
        index={drawn: place for place, drawn in enumerate(draws)},
        winner=np.stack([one.winner for one in found]),
        pi=np.stack([one.pi for one in found]).astype(np.float32),
        judged=np.stack([one.judged for one in found]),
        known=np.stack([one.known for one in found]),
    )
