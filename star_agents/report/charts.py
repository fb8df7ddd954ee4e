"""Histograms and densities as inline SVG: pure functions from numbers to markup, coloured by the page's CSS."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 400, 250
LEFT, RIGHT, TOP, BOTTOM = 42, 12, 14, 40
BINS = 48
"""At most so many across a chart; their width is a round number."""
FENCE = 4.0
"""Interquartile ranges beyond the quartiles where a chart ends, so that a few odd rows do not flatten the picture."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """One distribution."""

    name: str
    css: str
    """Class that colours it."""
    values: Sequence[float]


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
    def bins(self) -> int:
        """How many there are."""
        return round((self.high - self.low) / self.step)

    def bin_of(self, value: float) -> int | None:
        """Where the value belongs; ``None`` outside."""
        index = _steps_below(value, self.step) - _steps_below(self.low, self.step)
        return index if 0 <= index < self.bins else None

    def ticks(self, about: int) -> list[float]:
        """Round numbers on the axis."""
        step = _round_step((self.high - self.low) / about)
        first = math.ceil(self.low / step - 1e-9)
        return [step * index for index in range(first, math.floor(self.high / step + 1e-9) + 1)]


def nice_axis(low: float, high: float) -> Axis:
    """The axis from the round number at or below ``low`` to the one at or above ``high``."""
    step = _round_step(max(high - low, 1e-3) / 5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Axis(first * step, max(last, first + 1) * step, step)


def histogram(label: str, axis: Axis, series: Sequence[Series], *, mark: float) -> str:
    """Distributions over one another, as shares of their rows, with a line at ``mark``."""
    shares = [_shares(axis, one.values) for one in series]
    top = max(max(share) for share in shares) or 1.0
    parts = [_grid(Axis(0.0, top * 1.05, top), percent=True), _bottom(axis, label)]
    for one, share in zip(series, shares, strict=True):
        parts.append(_steps(axis, share, top * 1.05, one.css))
    parts += [_mark(axis, mark), _hover(axis, series, shares), _legend(series)]
    return _svg(f"Histogram of {label}: " + ", ".join(one.name for one in series), parts)


def density(axis: Axis, large: Sequence[float], small: Sequence[float]) -> str:
    """Rows by IFD of the large model (across) and of the small one (up), darker where there are more."""
    found = Counter((axis.bin_of(x), axis.bin_of(y)) for x, y in zip(large, small, strict=True))
    cells = {(x, y): count for (x, y), count in found.items() if x is not None and y is not None}
    most = max(cells.values(), default=1)
    width, height = _plot_width() / axis.bins, _plot_height() / axis.bins
    parts = [_grid(axis, percent=False), _bottom(axis, "IFD of the large model (up: of the small one)")]
    for (x, y), count in sorted(cells.items()):
        shade = 0.12 + 0.88 * math.sqrt(count / most)
        place = f'x="{LEFT + x * width:.1f}" y="{HEIGHT - BOTTOM - (y + 1) * height:.1f}"'
        parts.append(
            f'<rect class="cell" {place} width="{width:.1f}" height="{height:.1f}" fill-opacity="{shade:.2f}">'
            f"<title>rows: {count:,}</title></rect>"
        )
    diagonal = f"M{LEFT} {HEIGHT - BOTTOM}L{WIDTH - RIGHT} {TOP}"
    parts.append(f'<path class="mark" d="{diagonal}"/>')
    parts.append(f'<text class="tick" x="{LEFT + 8}" y="{TOP + 12}">gap above 0</text>')
    return _svg("Density of rows by the IFDs of both models; the diagonal is gap 0", parts)


def outside(axis: Axis, values: Sequence[float]) -> int:
    """How many values a chart on this axis leaves out."""
    return sum(1 for value in values if axis.bin_of(value) is None)


def _svg(title: str, parts: Sequence[str]) -> str:
    body = "".join(parts)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{body}</svg>'


def _shares(axis: Axis, values: Sequence[float]) -> list[float]:
    found = Counter(axis.bin_of(value) for value in values)
    return [found[index] / max(len(values), 1) for index in range(axis.bins)]


def _steps(axis: Axis, shares: Sequence[float], top: float, css: str) -> str:
    """A histogram's outline, filled."""
    base = HEIGHT - BOTTOM
    path = [f"M{LEFT} {base}"]
    for index, share in enumerate(shares):
        path.append(f"V{base - share / top * _plot_height():.1f}H{_x(axis, axis.low + (index + 1) * axis.step):.1f}")
    return f'<path class="{css}" d="{"".join(path)}V{base}Z"/>'


def _hover(axis: Axis, series: Sequence[Series], shares: Sequence[Sequence[float]]) -> str:
    """What a pointer that rests on a bin is told."""
    width = _plot_width() / axis.bins
    parts = []
    for index in range(axis.bins):
        low = axis.low + index * axis.step
        facts = ", ".join(f"{one.name} {share[index]:.1%}" for one, share in zip(series, shares, strict=True))
        text = f"{_number(low, axis.step)} to {_number(low + axis.step, axis.step)}: {facts}"
        parts.append(
            f'<rect class="hover" x="{LEFT + index * width:.1f}" y="{TOP}" width="{width:.1f}" '
            f'height="{_plot_height()}"><title>{escape(text)}</title></rect>'
        )
    return "".join(parts)


def _legend(series: Sequence[Series]) -> str:
    if len(series) < 2:
        return ""
    parts = []
    for index, one in enumerate(series):
        y = TOP + 4 + 16 * index
        parts.append(
            f'<rect class="{one.css}" x="{WIDTH - RIGHT - 12}" y="{y}" width="10" height="10"/>'
            f'<text class="name" x="{WIDTH - RIGHT - 17}" y="{y + 9}" text-anchor="end">{escape(one.name)}</text>'
        )
    return "".join(parts)


def _grid(axis: Axis, *, percent: bool) -> str:
    """Lines across the chart with their numbers on the left."""
    parts = []
    for tick in axis.ticks(4):
        y = HEIGHT - BOTTOM - (tick - axis.low) / (axis.high - axis.low) * _plot_height()
        text = f"{100 * tick:.3g}%" if percent else _number(tick, axis.high - axis.low)
        parts.append(
            f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
            f'<text class="tick" x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
        )
    return "".join(parts)


def _bottom(axis: Axis, label: str) -> str:
    """The horizontal axis: its numbers and what they are."""
    base = HEIGHT - BOTTOM
    parts = [f'<path class="axis" d="M{LEFT} {base}H{WIDTH - RIGHT}"/>']
    for tick in axis.ticks(6):
        text = _number(tick, axis.high - axis.low)
        parts.append(f'<text class="tick" x="{_x(axis, tick):.1f}" y="{base + 15}" text-anchor="middle">{text}</text>')
    middle = LEFT + _plot_width() / 2
    parts.append(f'<text class="name" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(label)}</text>')
    return "".join(parts)


def _mark(axis: Axis, value: float) -> str:
    if not axis.low <= value <= axis.high:
        return ""
    return f'<path class="mark" d="M{_x(axis, value):.1f} {TOP}V{HEIGHT - BOTTOM}"/>'


def _x(axis: Axis, value: float) -> float:
    return LEFT + (value - axis.low) / (axis.high - axis.low) * _plot_width()


def _plot_width() -> int:
    return WIDTH - LEFT - RIGHT


def _plot_height() -> int:
    return HEIGHT - TOP - BOTTOM


def _steps_below(value: float, step: float) -> int:
    """Whole steps from 0 up to the value; a value that is a step but for rounding counts as one."""
    return math.floor(value / step + 1e-9)


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 2.5 and 5 times a power of ten that is not below ``least``."""
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= least * (1 - 1e-9))


def _number(value: float, scale: float) -> str:
    """A number with the digits that matter on a scale of that size."""
    digits = max(0, 2 - math.floor(math.log10(scale)))
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:.0f}"
    return "0" if text in ("-0", "") else text.replace("-", "−")
