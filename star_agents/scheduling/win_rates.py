"""Who is the best, if anybody is: shares of wins with their intervals, and the one that is clear of all the rest."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import NamedTuple

Z = 1.959963984540054
"""Standard normal quantile of a two-sided 95 % interval."""


class WinRate(NamedTuple):
    """How often answers were chosen."""

    wins: int
    answers: int
    rate: float | None
    """``None`` without an answer."""
    low: float
    high: float
    """Ends of the 95 % interval; 0 and 1 without an answer."""


def win_rate(wins: int, answers: int) -> WinRate:
    """The share of wins with its interval (``share_interval``)."""
    if answers <= 0:
        return WinRate(0, 0, None, 0.0, 1.0)
    share = wins / answers
    return WinRate(wins, answers, share, *share_interval(share, answers))


def share_interval(share: float | None, n: int) -> tuple[float, float]:
    """Wilson's score interval (Wilson 1927, eq. 4 as in Brown, Cai and DasGupta 2001); 0 to 1 of no values.

    It holds for few values and for shares of 0 and 1, where the textbook interval (p ± z·σ) has no width. Of values
    between 0 and 1 it is too wide, never too narrow: with one mean none vary more than zeros and ones.
    """
    if share is None or n <= 0:
        return 0.0, 1.0
    z2 = Z * Z / n
    middle = (share + z2 / 2) / (1 + z2)
    reach = Z / (1 + z2) * sqrt(share * (1 - share) / n + z2 / (4 * n))
    # Exactly 0 and 1 at the ends, where the sum would leave a trace of rounding.
    return (middle - reach if share > 0 else 0.0), (middle + reach if share < 1 else 1.0)


def leader(rates: Mapping[str, WinRate]) -> str | None:
    """The one whose interval lies above that of every other that has answered; ``None`` where chance may order them.

    Two intervals that do not meet are a difference at about p < 0.006. That leaves room for looking at many, and for
    answers that compete: where two meet in every seed and one of them always wins, it still is p < 0.05. A single one
    that answers is the best of nothing.
    """
    tried = sorted((rate for rate in rates.items() if rate[1].answers), key=lambda item: -item[1].low)
    if len(tried) < 2 or tried[0][1].low <= max(rate.high for _, rate in tried[1:]):
        return None
    return tried[0][0]
