"""The plots of a section as drawings of the product's own reports, coloured by the page's CSS. Pure.

One narrow format for all, so that a phone shows it in full; what a dot says in figures stands at the end of its line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proof.bootstrap import Interval
from proof.sections import Curve, Dots, Lines, Plot
from star_agents.report.axes import Axis, nice_axis
from star_agents.report.drawing import LETTER, Drawing, Frame, Shape, circle, path, text

WIDTH = 400
TEXT = 17
"""Height of a line of text."""
BELOW = 38
"""Room for the numbers and the name below a frame."""
PITCH = 15
"""From one dot to the next."""
BESIDE = 12
"""Letters of a label that stands beside its dot and not above it."""
CURVES_HEIGHT = 200
FLAT = Axis(0.0, 1.0, 1.0)
"""The axis up where nothing is measured along it."""
STRONG = 6
"""Colours with dashes or shapes that can be told apart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Labels, dots and figures beside one another; labels stand above their dots where they are long."""

    above: bool
    left: float
    right: float
    """Where the dots begin and end."""
    axis: Axis


def draw(plots: Sequence[Plot]) -> list[Drawing]:
    """The plots in order; those that measure the same share axis, margins and colours, so that panels compare."""
    return [_draw(one, [other for other in plots if other.axis == one.axis]) for one in plots]


def _draw(plot: Plot, alike: Sequence[Plot]) -> Drawing:
    """One plot among those that measure the same."""
    axis = _axis(alike)
    if isinstance(plot, Dots):
        return _dots(plot, _columns([one for one in alike if isinstance(one, Dots)], axis))
    names = dict.fromkeys(curve.name for one in alike if isinstance(one, Lines) for curve in one.curves if curve.strong)
    return _lines(plot, axis, {name: f"s{number % STRONG}" for number, name in enumerate(names)})


def _axis(plots: Sequence[Plot]) -> Axis:
    """Over all that is drawn; curves begin at 0, unless they all lie so far above it that nothing could be seen."""
    values = [value for plot in plots for value in (*(mark for _, mark in plot.marks), *plot.also)]
    for plot in plots:
        if isinstance(plot, Dots):
            values += [end for _, found in plot.rows for one in found for end in (one.low, one.value, one.high)]
        else:
            values += [value for curve in plot.curves for value in curve.values]
    low, high = min(values), max(values)
    if any(isinstance(plot, Lines) for plot in plots):
        return nice_axis(0.0 if 0 < low <= high / 2 else low, high)
    margin = 0.04 * (high - low) or 1.0
    return Axis(low - margin, high + margin, margin)


def _columns(plots: Sequence[Dots], axis: Axis) -> Columns:
    """Room for the longest label, and for the longest figures."""
    longest = max(len(label) for plot in plots for label, _ in plot.rows)
    figures = max(len(one.show(plot.digits)) for plot in plots for _, found in plot.rows for one in found)
    above = longest > BESIDE
    left, right = 12 if above else 14 + LETTER * longest, WIDTH - 14 - LETTER * figures
    return Columns(above=above, left=left, right=right, axis=axis)


def _dots(plot: Dots, columns: Columns) -> Drawing:
    above = columns.above
    top = TEXT * (len(plot.series) + len(plot.marks)) + 8.0
    height = sum(PITCH * len(found) + (TEXT if above else 4) for _, found in plot.rows)
    frame = _frame(columns.left, columns.right, top, top + height + 2, columns.axis)
    shapes = [*frame.foot(plot.axis, columns.axis.ticks(4), lines=True), *_names_of(plot.series)]
    for at, (name, value) in enumerate(plot.marks, start=len(plot.series) + 1):
        shapes += _mark(frame, f"{name} {value:.{plot.digits}f}", value, TEXT * at - 3)
    y = top
    for label, found in plot.rows:
        y += TEXT if above else 4
        shapes.append(text("name", 6, y - 4 if above else y + 12, label))
        for number, one in enumerate(found):
            shapes += _dot(one, frame, y + 8, number, f"{label}: {one.show(plot.digits)}")
            shapes.append(text("figure", WIDTH - 4, y + 12, one.show(plot.digits), "end"))
            y += PITCH
    return _drawing(plot, frame.bottom + BELOW, shapes)


def _dot(one: Interval, frame: Frame, y: float, number: int, says: str) -> list[Shape]:
    """A shape on its interval."""
    low, high = frame.x(one.low), frame.x(one.high)
    interval = path(f"interval s{number}", f"M{low:.1f} {y - 4}v8m0-4H{high:.1f}m0-4v8", says)
    return [interval, _symbol(frame.x(one.value), y, number, says)]


def _symbol(x: float, y: float, number: int, says: str = "") -> Shape:
    """A circle, a diamond or a square, by the number of the series."""
    css = f"dot s{number}"
    if number % 3 == 0:
        return circle(css, x, y, 3.6, says)
    corners = (
        f"M{x:.1f} {y - 4.5}l4.5 4.5l-4.5 4.5l-4.5-4.5Z"
        if number % 3 == 1
        else f"M{x - 3.2:.1f} {y - 3.2}h6.4v6.4h-6.4Z"
    )
    return path(css, corners, says)


def _names_of(series: Sequence[str]) -> list[Shape]:
    """What each symbol is."""
    lines = [10 + TEXT * number for number in range(len(series))]
    symbols = [_symbol(11, y, number) for number, y in enumerate(lines)]
    return symbols + [text("name", 21, y + 4, name) for y, name in zip(lines, series, strict=True)]


def _mark(frame: Frame, says: str, value: float, y: float) -> list[Shape]:
    """A dashed line down the frame, and what it is beside its upper end."""
    x = frame.x(value)
    beside = text("tick", x + 5, y, says) if x < WIDTH / 2 else text("tick", x - 5, y, says, "end")
    return [frame.upright("mark", x, begin=y - 9), beside]


def _lines(plot: Lines, up: Axis, colours: Mapping[str, str]) -> Drawing:
    top = 10.0 + TEXT
    frame = _frame(46, WIDTH - 14, top, top + CURVES_HEIGHT, Axis(0.0, plot.length, plot.length), up)
    strong = sorted((one for one in plot.curves if one.strong), key=lambda one: -one.values[-1])
    shapes = frame.foot(plot.across, frame.across.ticks(4), lines=True)
    shapes += [*frame.levels(up.ticks(4), up.number), text("name", 6, 14, plot.axis)]
    if plot.turn is not None:
        shapes += _mark(frame, "the turn", plot.turn, top + 10)
    shapes += [_curve(one, frame, "grey", parts=plot.parts) for one in plot.curves if not one.strong]
    shapes += [path("mark", f"M{frame.left} {frame.y(at):.1f}H{frame.right}") for _, at in plot.marks]
    shapes += [_curve(one, frame, colours[one.name], parts=plot.parts) for one in strong[::-1]]
    keys = [(f"curve {colours[one.name]}", one.name, one.values[-1]) for one in strong]
    keys += [("mark", name, value) for name, value in plot.marks]
    first = frame.bottom + 3 * TEXT
    shapes.append(text("tick", frame.right, first, "at the end", "end"))
    for place, key in enumerate(keys, start=1):
        shapes += _key(frame, first + TEXT * place, *key)
    return _drawing(plot, first + TEXT * len(keys) + 8, shapes)


def _key(frame: Frame, y: float, css: str, name: str, value: float) -> list[Shape]:
    """A line of the legend, and where its curve ends."""
    return [
        path(css, f"M6 {y - 4}h32"),
        text("name", 46, y, name),
        text("figure", frame.right, y, f"{value:.1f}", "end"),
    ]


def _curve(one: Curve, frame: Frame, css: str, *, parts: bool) -> Shape:
    steps = len(one.values) if parts else max(len(one.values) - 1, 1)
    places = [frame.left + frame.width * (at + parts / 2) / steps for at in range(len(one.values))]
    points = (f"{x:.1f} {frame.y(value):.1f}" for x, value in zip(places, one.values, strict=True))
    return path(f"curve {css}", f"M{'L'.join(points)}", one.name)


def _frame(left: float, right: float, top: float, bottom: float, across: Axis, up: Axis = FLAT) -> Frame:
    return Frame(left=left, right=right, top=top, bottom=bottom, across=across, up=up)


def _drawing(plot: Plot, height: float, shapes: Sequence[Shape]) -> Drawing:
    return Drawing(title=f"{plot.title}: {plot.axis}", width=WIDTH, height=height, shapes=shapes)
