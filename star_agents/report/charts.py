"""Histograms and densities: pure functions from numbers to drawings."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from star_agents.report.axes import Axis, number
from star_agents.report.drawing import Drawing, Frame, Shape, path, rect, share, text

WIDTH, HEIGHT = 400, 250
LEFT, RIGHT, TOP, BOTTOM = 42, 12, 14, 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """One distribution."""

    name: str
    css: str
    """Class that colours it."""
    values: Sequence[float]


def histogram(label: str, axis: Axis, series: Sequence[Series], *, mark: float) -> Drawing:
    """Distributions over one another, as shares of their rows, with a line at ``mark``."""
    shares = [_shares(axis, one.values) for one in series]
    top = max(max(each) for each in shares) or 1.0
    frame = _frame(axis, Axis(0.0, top * 1.05, top))
    shapes = [*frame.levels(frame.up.ticks(4), share), *frame.foot(label, axis.ticks(6))]
    shapes += [_outline(frame, each, one.css) for one, each in zip(series, shares, strict=True)]
    if axis.low <= mark <= axis.high:
        shapes.append(frame.upright("mark", frame.x(mark)))
    shapes += [*_hover(frame, series, shares), *_legend(series)]
    return _drawing(f"Histogram of {label}: " + ", ".join(one.name for one in series), shapes)


def distribution(label: str, low: float, high: float, counts: Sequence[int]) -> Drawing:
    """Values by bins of equal width, as shares of all."""
    axis = Axis(low, high, (high - low) / len(counts))
    shares = [count / max(sum(counts), 1) for count in counts]
    top = max(shares) or 1.0
    frame = _frame(axis, Axis(0.0, top * 1.05, top))
    series = [Series(name="share", css="chosen", values=())]
    shapes = [*frame.levels(frame.up.ticks(4), share), *frame.foot(label, axis.ticks(6))]
    shapes += [_outline(frame, shares, "chosen"), *_hover(frame, series, [shares])]
    return _drawing(f"Histogram of {label}", shapes)


def density(axis: Axis, large: Sequence[float], small: Sequence[float]) -> Drawing:
    """Rows by IFD of the large model (across) and of the small one (up), darker where there are more."""
    found = Counter((axis.bin_of(x), axis.bin_of(y)) for x, y in zip(large, small, strict=True))
    cells = {(x, y): count for (x, y), count in found.items() if x is not None and y is not None}
    most = max(cells.values(), default=1)
    frame = _frame(axis, axis)
    width, height = frame.width / axis.bins, frame.height / axis.bins
    label = "IFD of the large model (up: of the small one)"
    shapes = [*frame.levels(axis.ticks(4), axis.number), *frame.foot(label, axis.ticks(6))]
    for (x, y), count in sorted(cells.items()):
        place = frame.left + x * width, frame.bottom - (y + 1) * height
        shade = 0.12 + 0.88 * math.sqrt(count / most)
        shapes.append(rect("cell", *place, width, height, f"rows: {count:,}", opacity=shade))
    shapes.append(path("mark", f"M{frame.left} {frame.bottom}L{frame.right} {frame.top}"))
    shapes.append(text("tick", frame.left + 8, frame.top + 12, "gap above 0"))
    return _drawing("Density of rows by the IFDs of both models; the diagonal is gap 0", shapes)


def outside(axis: Axis, values: Sequence[float]) -> int:
    """How many values a chart on this axis leaves out."""
    return sum(1 for value in values if axis.bin_of(value) is None)


def _frame(across: Axis, up: Axis) -> Frame:
    return Frame(left=LEFT, right=WIDTH - RIGHT, top=TOP, bottom=HEIGHT - BOTTOM, across=across, up=up)


def _drawing(title: str, shapes: Sequence[Shape]) -> Drawing:
    return Drawing(title=title, width=WIDTH, height=HEIGHT, shapes=shapes)


def _shares(axis: Axis, values: Sequence[float]) -> list[float]:
    found = Counter(axis.bin_of(value) for value in values)
    return [found[index] / max(len(values), 1) for index in range(axis.bins)]


def _outline(frame: Frame, shares: Sequence[float], css: str) -> Shape:
    """A histogram's outline, filled."""
    ends = (frame.x(frame.across.low + index * frame.across.step) for index in range(1, len(shares) + 1))
    steps = (f"V{frame.y(each):.1f}H{end:.1f}" for each, end in zip(shares, ends, strict=True))
    return path(css, f"M{frame.left} {frame.bottom}{''.join(steps)}V{frame.bottom}Z")


def _hover(frame: Frame, series: Sequence[Series], shares: Sequence[Sequence[float]]) -> list[Shape]:
    """What a pointer that rests on a bin is told."""
    axis, width = frame.across, frame.width / frame.across.bins
    shapes = []
    for index in range(axis.bins):
        low = axis.low + index * axis.step
        facts = ", ".join(f"{one.name} {each[index]:.1%}" for one, each in zip(series, shares, strict=True))
        says = f"{number(low, axis.step)} to {number(low + axis.step, axis.step)}: {facts}"
        shapes.append(rect("hover", frame.left + index * width, frame.top, width, frame.height, says))
    return shapes


def _legend(series: Sequence[Series]) -> list[Shape]:
    shapes: list[Shape] = []
    for index, one in enumerate(series if len(series) > 1 else ()):
        y = TOP + 4 + 16 * index
        shapes.append(rect(one.css, WIDTH - RIGHT - 12, y, 10, 10))
        shapes.append(text("name", WIDTH - RIGHT - 17, y + 9, one.name, "end"))
    return shapes
