"""Axes of round numbers; pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

BINS = 48
"""At most so many across a chart; their width is a round number."""
FENCE = 4.0
"""Interquartile ranges beyond the quartiles where a chart ends, so that a few odd rows do not flatten the picture."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of round numbers in equal bins; ``low`` is a multiple of ``step``, so a bin begins at 0."""

    low: float
    high: float
    step: float

    @classmethod
    def over(cls, values: Sequence[float], *, also: float | None = None) -> Axis:
        """The axis on which nearly all ``values`` lie, and ``also``; there is at least one value."""
        ascending = sorted(values)
        low, high = ascending[0], ascending[-1]
        lower, upper = ascending[len(ascending) // 4], ascending[3 * len(ascending) // 4]
        if (reach := FENCE * (upper - lower)) > 0:
            low, high = max(low, lower - reach), min(high, upper + reach)
        if also is not None:
            low, high = min(low, also), max(high, also)
        step = _round_step(max((high - low) / BINS, abs(high) * 1e-6, 1e-6))
        return cls(_steps_below(low, step) * step, (_steps_below(high, step) + 1) * step, step)

    @property
    def length(self) -> float:
        """From its beginning to its end."""
        return self.high - self.low

    @property
    def bins(self) -> int:
        """How many there are."""
        return round(self.length / self.step)

    def bin_of(self, value: float) -> int | None:
        """Where the value belongs; ``None`` outside."""
        index = _steps_below(value, self.step) - _steps_below(self.low, self.step)
        return index if 0 <= index < self.bins else None

    def ticks(self, about: int) -> list[float]:
        """Round numbers on the axis."""
        step = _round_step(self.length / about)
        first = math.ceil(self.low / step - 1e-9)
        return [step * index for index in range(first, math.floor(self.high / step + 1e-9) + 1)]

    def number(self, value: float) -> str:
        """A number with the digits that matter on this axis."""
        return number(value, self.length)


def nice_axis(low: float, high: float) -> Axis:
    """The axis from the round number at or below ``low`` to the one at or above ``high``."""
    step = _round_step(max(high - low, 1e-3) / 5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Axis(first * step, max(last, first + 1) * step, step)


def number(value: float, scale: float) -> str:
    """A number with the digits that matter on a scale of that size."""
    digits = max(0, 2 - math.floor(math.log10(scale)))
    text = f"{value:,.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:,.0f}"
    return "0" if text in ("-0", "") else text.replace("-", "−")


def _steps_below(value: float, step: float) -> int:
    """Whole steps from 0 up to the value; a value that is a step but for rounding counts as one."""
    return math.floor(value / step + 1e-9)


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 2.5 and 5 times a power of ten that is not below ``least``."""
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= least * (1 - 1e-9))
