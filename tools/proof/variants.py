"""Other ways to join gap and verdict than Eq. 7: what does the product's rule cost? Method: sees gaps and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from proof.outcomes import relative

Array = NDArray[np.float64]
Rule = Callable[[Array, Array], Array]
"""``(gaps, verdicts) -> rank``, all [seeds, 1 + M], the base in column 0; the highest rank wins, the base on a tie."""


def product(gaps: Array, verdicts: Array) -> Array:
    """Eq. 7: π_llm · π_dual. (The product breaks ties more finely; over these tables that is the same row or text.)"""
    return relative(gaps) * verdicts


def win_only(gaps: Array, verdicts: Array) -> Array:
    """Eq. 7 among those that beat the base; a tie is not enough, and a base that is beaten never stays."""
    return _among_winners(relative(gaps), verdicts)


def win_first(gaps: Array, verdicts: Array) -> Array:
    """The verdict first; the gap, of whatever sign, only decides among those that beat the base."""
    filled = np.where(np.isnan(gaps), -np.inf, gaps)
    return _among_winners(1 + np.argsort(np.argsort(filled, axis=1), axis=1).astype(np.float64), verdicts)


def half_weight(gaps: Array, verdicts: Array) -> Array:
    """π_llm · (1 + π_dual) / 2 where the gap is positive: a small gap costs half at most."""
    worth = relative(gaps)
    return np.where(worth > 0, (1 + worth) / 2, 0.0) * verdicts


def _among_winners(worth: Array, verdicts: Array) -> Array:
    rank = np.where(verdicts > 0.5, worth, 0.0)
    rank[:, 0] = 0.0
    return rank


RULES: Mapping[str, Rule] = {
    "Eq. 7": product,
    "(1 + π_dual) / 2": half_weight,
    "Eq. 7, a tie keeps the base": win_only,
    "verdict first, then gap": win_first,
}


def choose(
    rule: Rule, gap: Array, verdict: Array, same: NDArray[np.bool_], drawn: NDArray[np.int64]
) -> NDArray[np.int64]:
    """[seeds]: column that ``rule`` takes; ``drawn`` is [seeds, M]."""
    columns = np.hstack([np.zeros((len(drawn), 1), dtype=np.int64), drawn])
    verdicts = np.where(same, 0.5, verdict)
    rank = rule(np.take_along_axis(gap, columns, axis=1), np.take_along_axis(verdicts, columns, axis=1))
    taken: NDArray[np.int64] = columns[np.arange(len(columns)), rank.argmax(axis=1)]
    return taken
