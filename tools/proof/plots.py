"""The plots of a section as inline SVG, coloured by the page's CSS. Pure.

One narrow format for all, so that a phone shows it in full; what a dot says in figures stands at the end of its line.
The axes are those of the product's own report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from proof.bootstrap import Interval
from proof.sections import Curve, Dots, Lines, Plot
from star_agents.report.charts import Axis, nice_axis

WIDTH = 400
TEXT, LETTER = 17, 6.6
"""Height of a line of text, and the width of a letter."""
PITCH = 15
"""From one dot to the next."""
BESIDE = 12
"""Letters of a label that stands beside its dot and not above it."""
CURVES_HEIGHT = 200
STRONG = 6
"""Colours with dashes or shapes that can be told apart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """Where the dots or curves are drawn, and the axis across it."""

    left: float
    right: float
    top: float
    bottom: float
    across: Axis

    def x(self, value: float) -> float:
        """From left to right."""
        return self.left + (value - self.across.low) / (self.across.high - self.across.low) * (self.right - self.left)

    def y(self, value: float, up: Axis) -> float:
        """From bottom to top."""
        return self.bottom - (value - up.low) / (up.high - up.low) * (self.bottom - self.top)


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Labels, dots and figures beside one another; labels stand above their dots where they are long."""

    above: bool
    left: float
    right: float
    """Where the dots begin and end."""
    axis: Axis


def draw(plots: Sequence[Plot]) -> list[str]:
    """The plots in order; those that measure the same share axis, margins and colours, so that panels compare."""
    return [_draw(one, [other for other in plots if other.axis == one.axis]) for one in plots]


def _draw(plot: Plot, alike: Sequence[Plot]) -> str:
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


def _dots(plot: Dots, columns: Columns) -> str:
    above = columns.above
    top = TEXT * (len(plot.series) + len(plot.marks)) + 8.0
    height = sum(PITCH * len(found) + (TEXT if above else 4) for _, found in plot.rows)
    box = Box(left=columns.left, right=columns.right, top=top, bottom=top + height + 2, across=columns.axis)
    parts = [_ticks_across(box, plot.axis), _names_of(plot.series)]
    for at, (name, value) in enumerate(plot.marks):
        parts.append(_mark(box, f"{name} {value:.{plot.digits}f}", value, TEXT * (len(plot.series) + at + 1) - 3))
    y = top
    for label, found in plot.rows:
        y += TEXT if above else 4
        parts.append(_text("name", 6, y - 4 if above else y + 12, label))
        for number, one in enumerate(found):
            parts.append(_dot(one, box, y + 8, number, f"{label}: {one.show(plot.digits)}"))
            parts.append(_text("figure", WIDTH - 4, y + 12, one.show(plot.digits), "end"))
            y += PITCH
    return _svg(f"{plot.title}: {plot.axis}", box.bottom + 2 * TEXT + 4, parts)


def _dot(one: Interval, box: Box, y: float, number: int, says: str) -> str:
    """A shape on its interval."""
    low, high = box.x(one.low), box.x(one.high)
    return (
        f'<g class="s{number}"><title>{escape(says)}</title>'
        f'<path class="interval" d="M{low:.1f} {y - 4}v8m0-4H{high:.1f}m0-4v8"/>'
        f"{_shape(box.x(one.value), y, number)}</g>"
    )


def _shape(x: float, y: float, number: int) -> str:
    if number % 3 == 0:
        return f'<circle class="dot" cx="{x:.1f}" cy="{y}" r="3.6"/>'
    turn = f' transform="rotate(45 {x:.1f} {y})"' if number % 3 == 1 else ""
    return f'<rect class="dot" x="{x - 3.2:.1f}" y="{y - 3.2}" width="6.4" height="6.4"{turn}/>'


def _names_of(series: Sequence[str]) -> str:
    """What each shape is."""
    lines = [10 + TEXT * number for number in range(len(series))]
    shapes = (f'<g class="s{number}">{_shape(11, y, number)}</g>' for number, y in enumerate(lines))
    return "".join(shapes) + "".join(_text("name", 21, y + 4, name) for y, name in zip(lines, series, strict=True))


def _mark(box: Box, says: str, value: float, y: float) -> str:
    """A dashed line down the box, and what it is beside its upper end."""
    x = box.x(value)
    anchor, shift = ("start", 5) if x < WIDTH / 2 else ("end", -5)
    return f'<path class="mark" d="M{x:.1f} {y - 9}V{box.bottom}"/>{_text("tick", x + shift, y, says, anchor)}'


def _lines(plot: Lines, up: Axis, colours: Mapping[str, str]) -> str:
    top, across = 10.0 + TEXT, Axis(0.0, plot.length, plot.length)
    box = Box(left=46, right=WIDTH - 14, top=top, bottom=top + CURVES_HEIGHT, across=across)
    strong = sorted((one for one in plot.curves if one.strong), key=lambda one: -one.values[-1])
    parts = [_ticks_across(box, plot.across), _ticks_up(box, up), _text("name", 6, 14, plot.axis)]
    if plot.turn is not None:
        parts.append(_mark(box, "the turn", plot.turn, top + 10))
    parts += [_curve(one, box, up, "grey", parts=plot.parts) for one in plot.curves if not one.strong]
    parts += [f'<path class="mark" d="M{box.left} {box.y(at, up):.1f}H{box.right}"/>' for _, at in plot.marks]
    parts += [_curve(one, box, up, colours[one.name], parts=plot.parts) for one in strong[::-1]]
    keys = [(f"curve {colours[one.name]}", one.name, one.values[-1]) for one in strong]
    keys += [("mark", name, value) for name, value in plot.marks]
    first = box.bottom + 3 * TEXT
    parts.append(_text("tick", box.right, first, "at the end", "end"))
    parts += [_key(box, first + TEXT * place, *key) for place, key in enumerate(keys, start=1)]
    return _svg(f"{plot.title}: {plot.axis}", first + TEXT * len(keys) + 8, parts)


def _key(box: Box, y: float, css: str, name: str, value: float) -> str:
    """A line of the legend, and where its curve ends."""
    stroke = f'<path class="{css}" d="M6 {y - 4}h32"/>'
    return stroke + _text("name", 46, y, name) + _text("figure", box.right, y, f"{value:.1f}", "end")


def _curve(one: Curve, box: Box, up: Axis, css: str, *, parts: bool) -> str:
    steps = len(one.values) if parts else max(len(one.values) - 1, 1)
    places = [box.left + (box.right - box.left) * (at + parts / 2) / steps for at in range(len(one.values))]
    points = (f"{x:.1f} {box.y(value, up):.1f}" for x, value in zip(places, one.values, strict=True))
    return f'<path class="curve {css}" d="M{"L".join(points)}"><title>{escape(one.name)}</title></path>'


def _ticks_across(box: Box, label: str) -> str:
    parts = [f'<path class="axis" d="M{box.left:.1f} {box.bottom}H{box.right:.1f}"/>']
    for tick in box.across.ticks(4):
        parts.append(f'<path class="grid" d="M{box.x(tick):.1f} {box.top}V{box.bottom}"/>')
        parts.append(_text("tick", box.x(tick), box.bottom + 15, _number(tick), "middle"))
    middle = max((box.left + box.right) / 2, 4 + LETTER * len(label) / 2)
    parts.append(_text("name", middle, box.bottom + 15 + TEXT, label, "middle"))
    return "".join(parts)


def _ticks_up(box: Box, up: Axis) -> str:
    parts = []
    for tick in up.ticks(4):
        parts.append(f'<path class="grid" d="M{box.left} {box.y(tick, up):.1f}H{box.right}"/>')
        parts.append(_text("tick", box.left - 6, box.y(tick, up) + 4, _number(tick), "end"))
    return "".join(parts)


def _text(css: str, x: float, y: float, says: str, anchor: str = "start") -> str:
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(says)}</text>'


def _number(value: float) -> str:
    text = f"{value:,.3f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text.replace("-", "−")


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    body = "".join(parts)
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">{body}</svg>'
