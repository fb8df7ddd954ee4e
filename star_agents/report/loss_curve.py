"""The losses of a training over its steps, as one picture. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from star_agents.report.axes import Axis, nice_axis, number
from star_agents.report.curves import POINTS
from star_agents.report.drawing import Drawing, Frame, Shape, circle, path, text
from star_agents.report.rendering import render

WIDTH, HEIGHT = 720, 320
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 48, 44
LEGEND = 110
Curve = Sequence[tuple[int, float]]
"""Step and value, the steps ascending."""


def loss_svg(title: str, series: Mapping[str, Curve]) -> str:
    """A file of its own.

    Args:
        title: Above the picture.
        series: Name to what was measured; the first is a line, another one points as well. One value at least.
    """
    return render("curve.svg.jinja", drawing=loss_drawing(title, series))


def loss_drawing(title: str, series: Mapping[str, Curve]) -> Drawing:
    """As ``loss_svg``, before it is written."""
    every = [point for curve in series.values() for point in curve]
    values = [value for _, value in every]
    steps = [step for step, _ in every]
    frame = Frame(
        left=LEFT,
        right=WIDTH - RIGHT,
        top=TOP,
        bottom=HEIGHT - BOTTOM,
        across=Axis(float(min(0, *steps)), float(max(1, *steps)), 1.0),
        up=nice_axis(min(values), max(values)),
    )
    whole = [tick for tick in frame.across.ticks(8) if tick == round(tick)]
    levels = frame.levels(frame.up.ticks(5), lambda tick: number(tick, frame.up.length))
    shapes = [*levels, *frame.foot("step", whole), text("head", LEFT, 20, title)]
    for place, (name, curve) in enumerate(series.items()):
        shapes += _curve(frame, f"c{place}", _thin(curve), with_points=place > 0)
        x = frame.right - LEGEND * (len(series) - place)
        shapes += [circle(f"p{place}", x, 34, 4), text("name", x + 9, 38, name)]
    return Drawing(title=title, width=WIDTH, height=HEIGHT, shapes=shapes)


def _curve(frame: Frame, css: str, curve: Curve, *, with_points: bool) -> list[Shape]:
    places = [(frame.x(step), frame.y(value)) for step, value in curve]
    if not places:
        return []
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    points = places if with_points or len(places) == 1 else []
    return [path(css, f"M{line}"), *(circle(f"p{css[1:]}", x, y, 3) for x, y in points)]


def _thin(curve: Curve) -> Curve:
    """About as many points as the width can show; the first and the last are there."""
    if len(curve) <= POINTS:
        return curve
    step = (len(curve) - 1) / (POINTS - 1)
    return [curve[round(step * index)] for index in range(POINTS)]
