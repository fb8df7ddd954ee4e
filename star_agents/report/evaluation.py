"""Scores of a benchmark as pictures: a radar over its categories (as the paper's Figure 4), and bars. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from star_agents.arena.bootstrap import Estimate
from star_agents.arena.grades import Standing
from star_agents.report.axes import Axis
from star_agents.report.drawing import LETTER, Drawing, Frame, Shape, circle, path, rect, shortened, text
from star_agents.report.rendering import render

TOP_SCORE = 10.0
RINGS = (2.0, 4.0, 6.0, 8.0, 10.0)
FEWEST_AXES = 3
"""Categories below which there is nothing to draw a radar of."""
COLOURED = 10
"""Models that are drawn in the radar, the best; each has a colour of its own."""
RADIUS = 170.0
ROW, GROUP_GAP, BAR_WIDTH = 16, 12, 420
MARGIN, LEGEND_ROW = 14, 18
LONGEST_NAME = 40
MOST_GROUPS = 80
"""Categories of which bars are drawn."""


def as_svg(drawing: Drawing) -> str:
    """A file of its own."""
    return render("evaluation.svg.jinja", drawing=drawing)


def radar(title: str, standings: Sequence[Standing], categories: Sequence[str]) -> Drawing | None:
    """A ring of categories, each model a line around it; ``None`` where there are too few to draw."""
    if len(categories) < FEWEST_AXES:
        return None
    shown = standings[:COLOURED]
    widest = LETTER * max(len(name) for name in categories)
    x, y = MARGIN + widest + RADIUS + 12, 60 + RADIUS + 12
    shapes: list[Shape] = [text("head", MARGIN, 24, title)]
    for ring in RINGS:
        corners = [_corner(x, y, place, len(categories), ring) for place in range(len(categories))]
        shapes.append(path("grid", _closed(corners)))
        shapes.append(text("tick", x + 4, y - RADIUS * ring / TOP_SCORE + 11, f"{ring:g}"))
    for place, name in enumerate(categories):
        end = _corner(x, y, place, len(categories), TOP_SCORE)
        shapes.append(path("grid", f"M{x:.1f} {y:.1f}L{end[0]:.1f} {end[1]:.1f}"))
        shapes.append(_axis_name(x, y, place, len(categories), name))
    for number, one in enumerate(shown):
        shapes += _model_line(x, y, one, categories, number)
    left = x + RADIUS + widest + 30
    for number, one in enumerate(shown):
        shapes += _legend(left, 60 + LEGEND_ROW * number, number, one)
    if len(standings) > len(shown):
        shapes.append(text("tick", left, 64 + LEGEND_ROW * len(shown), f"{len(standings) - len(shown)} more not drawn"))
    width = round(left + 18 + LETTER * max(len(_named(one)) for one in shown) + MARGIN)
    height = max(y + RADIUS + 34, 80 + LEGEND_ROW * (len(shown) + 1))
    return Drawing(title=title, width=width, height=round(height), shapes=shapes)


def _corner(x: float, y: float, place: int, places: int, value: float) -> tuple[float, float]:
    angle = 2 * math.pi * place / places
    length = RADIUS * max(0.0, min(value, TOP_SCORE)) / TOP_SCORE
    return x + length * math.sin(angle), y - length * math.cos(angle)


def _closed(corners: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in corners) + "Z"


def _axis_name(x: float, y: float, place: int, places: int, name: str) -> Shape:
    angle = 2 * math.pi * place / places
    at_x, at_y = x + (RADIUS + 12) * math.sin(angle), y - (RADIUS + 12) * math.cos(angle)
    sideways = math.sin(angle)
    if abs(sideways) < 0.1:
        return text("name", at_x, at_y + (10 if math.cos(angle) < 0 else 0), shortened(name, LONGEST_NAME), "middle")
    return text("name", at_x, at_y + 4, shortened(name, LONGEST_NAME), "start" if sideways > 0 else "end")


def _model_line(x: float, y: float, one: Standing, categories: Sequence[str], number: int) -> list[Shape]:
    """Around the ring, open where a category has no grade."""
    values = [one.by_category[name].value if name in one.by_category else None for name in categories]
    corners = [
        None if value is None else _corner(x, y, place, len(categories), value) for place, value in enumerate(values)
    ]
    parts, is_drawing = "", False
    for corner in [*corners, corners[0]]:
        if corner is not None:
            parts += f"{'L' if is_drawing else 'M'}{corner[0]:.1f} {corner[1]:.1f}"
        is_drawing = corner is not None
    shapes = [path(f"line m{number}", parts)] if parts else []
    for name, corner, value in zip(categories, corners, values, strict=True):
        if corner is not None and value is not None:
            shapes.append(circle(f"dot m{number}", *corner, 3, f"{one.model}, {name}: {value:.2f}"))
    return shapes


def _legend(left: float, y: float, number: int, one: Standing) -> list[Shape]:
    return [rect(f"bar m{number}", left, y - 9, 11, 11), text("name", left + 18, y + 1, _named(one))]


def _named(one: Standing) -> str:
    return f"{shortened(one.model, LONGEST_NAME)} {_number(one.score)}"


def bars(title: str, standings: Sequence[Standing], categories: Sequence[str]) -> Drawing:
    """A bar for each model with its 95 % interval, all together first and then by category."""
    groups = ["all", *categories[:MOST_GROUPS]] if len(categories) > 1 else ["all"]
    names = [shortened(one.model, LONGEST_NAME) for one in standings]
    left = (
        MARGIN
        + LETTER
        * max((len(name) for name in (*names, *(shortened(group, LONGEST_NAME) for group in groups))), default=0)
        + 10
    )
    height = (ROW * len(standings) + ROW + GROUP_GAP) * len(groups)
    frame = Frame(
        left=left,
        right=left + BAR_WIDTH,
        top=44,
        bottom=44 + height,
        across=Axis(0.0, _furthest(standings), 2.0),
        up=Axis(0.0, 1.0, 1.0),
    )
    shapes = [text("head", MARGIN, 24, title)]
    shapes += frame.foot("score, with its 95 % interval", frame.across.ticks(5), lines=True)
    y = frame.top
    for group in groups:
        shapes.append(text("group", MARGIN, y + 12, shortened(group, LONGEST_NAME)))
        y += ROW
        for number, one in enumerate(standings):
            found = one.score if group == "all" else one.by_category.get(group, Estimate(None))
            shapes += _bar(frame, y, names[number], number, found)
            y += ROW
        y += GROUP_GAP
    width = round(frame.right + LETTER * 8 + MARGIN)
    return Drawing(title=title, width=width, height=frame.bottom + 44, shapes=shapes)


def _furthest(standings: Sequence[Standing]) -> float:
    """10, unless a judge gave more."""
    ends = [one.score.value or 0.0 for one in standings]
    ends += [each.value or 0.0 for one in standings for each in one.by_category.values()]
    return max(TOP_SCORE, math.ceil(max(ends, default=0.0) / 2) * 2)


def _bar(frame: Frame, y: float, name: str, number: int, found: Estimate) -> list[Shape]:
    middle = y + ROW / 2
    shapes = [text("name", frame.left - 8, middle + 4, name, "end")]
    if found.value is None:
        return [*shapes, text("tick", frame.left + 6, middle + 4, "no grade")]
    says = f"{name}: {_number(found)}"
    css = f"bar m{number % COLOURED}"
    shapes.append(rect(css, frame.left, y + 2, frame.x(found.value) - frame.left, ROW - 4, says))
    if found.low is not None and found.high is not None:
        low, high = frame.x(max(found.low, 0.0)), frame.x(min(found.high, frame.across.high))
        shapes.append(path("interval", f"M{low:.1f} {middle:.1f}H{high:.1f}"))
        shapes += [path("interval", f"M{end:.1f} {middle - 3:.1f}V{middle + 3:.1f}") for end in (low, high)]
    return [*shapes, text("tick", frame.right + 6, middle + 4, _number(found))]


def _number(found: Estimate) -> str:
    return "–" if found.value is None else f"{found.value:.2f}"
