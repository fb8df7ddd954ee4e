"""The probability of every pair over a run (the paper's Figure 5) as inline SVG; pure.

The pairs that matter now have colours and names at the end of their lines; the rest is grey, so that a hundred pairs
are still one picture. A colour goes by when its pair came, and then by its name: neither who leads nor a pair that
joins later changes it, so that two reports of one folder can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from star_agents.report.charts import Axis, nice_axis

WIDTH, HEIGHT = 880, 340
LEFT, RIGHT, TOP, BOTTOM = 46, 150, 12, 40
COLOURED = 10
"""Colours, and pairs with their name at the end of the line."""
LOOKS = 2 * COLOURED
"""Pairs that can be told apart: every colour once as a whole line and once dashed."""
DRAWN = 200
"""Pairs that are drawn at all."""
POINTS = 300
"""Points of a line: as many as the width can show."""
POINTS_GREY = 60
LABEL_HEIGHT = 14
LONGEST_NAME = 20


class Edit(NamedTuple):
    """A change of agents.yaml."""

    seq: int
    """The newest outcome when it came into force."""
    says: str


class Moment(NamedTuple):
    """The probabilities that were in force after one outcome."""

    seq: int
    probabilities: Mapping[str, float]


def curves(moments: Sequence[Moment], edits: Sequence[Edit] = ()) -> str:
    """The chart; there are at least two moments."""
    ranked, looks = rank(moments), _looks(moments)
    shown = ranked[: LOOKS if len(ranked) <= LOOKS else COLOURED]
    across = Axis(float(moments[0].seq), float(max(moments[-1].seq, moments[0].seq + 1)), 1.0)
    up = _up([value for one in moments for value in one.probabilities.values()])
    grey = [_line(pair, moments, across, up, "grey", POINTS_GREY) for pair in ranked[len(shown) : DRAWN]]
    coloured = [_line(pair, moments, across, up, looks[pair], POINTS) for pair in shown]
    marks = [_edit(edit, across) for edit in edits]
    # The first of the ranking is drawn last, above the others.
    parts = [_grid(up), _bottom(across), *marks, *grey, *coloured[::-1]]
    parts.append(_names(ranked[:COLOURED], looks, moments[-1], up))
    label = "Probability of each pair over the outcomes"
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def rank(moments: Sequence[Moment]) -> list[str]:
    """Every pair that ever had a probability: those of today by what they have, then those that are gone."""
    now = moments[-1].probabilities
    ever = {pair: None for one in moments for pair in one.probabilities}
    return sorted(ever, key=lambda pair: (-now.get(pair, -1.0), pair))


def _looks(moments: Sequence[Moment]) -> dict[str, str]:
    """CSS classes of every pair, in the order in which they came and then by name."""
    first: dict[str, int] = {}
    for number, one in enumerate(moments):
        for pair in one.probabilities:
            first.setdefault(pair, number)
    came = sorted(first, key=lambda pair: (first[pair], pair))
    return {pair: f"c{n % COLOURED}{' dashed' if n % LOOKS >= COLOURED else ''}" for n, pair in enumerate(came)}


def _edit(edit: Edit, across: Axis) -> str:
    x = _x(across, min(max(edit.seq, across.low), across.high))
    return f'<path class="edit" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"><title>{escape(edit.says)}</title></path>'


def thin(moments: Sequence[Moment], most: int) -> list[Moment]:
    """About ``most`` of them, evenly spaced; the first and the last are there."""
    if len(moments) <= most:
        return list(moments)
    step = (len(moments) - 1) / (most - 1)
    return [moments[round(step * index)] for index in range(most)]


def _up(values: Sequence[float]) -> Axis:
    """From 0, unless all lie so close together that nothing could be seen then."""
    low, high = min(values), max(values)
    return nice_axis(low if low > high / 2 else 0.0, high)


def _line(pair: str, moments: Sequence[Moment], across: Axis, up: Axis, css: str, most: int) -> str:
    """The path of one pair, broken where it was not configured."""
    path, pen = [], "M"
    for one in thin(moments, most):
        if pair in one.probabilities:
            path.append(f"{pen}{_x(across, one.seq):.1f} {_y(up, one.probabilities[pair]):.1f}")
            pen = "L"
        else:
            pen = "M"
    now = moments[-1].probabilities.get(pair)
    says = f"{pair}: {now:.1%}" if now is not None else f"{pair}: not in use any more"
    return f'<path class="curve {css}" d="{"".join(path)}"><title>{escape(says)}</title></path>'


def _names(pairs: Sequence[str], looks: Mapping[str, str], last: Moment, up: Axis) -> str:
    """Names at the ends of the lines, moved apart where lines end close together."""
    shown = [pair for pair in pairs if pair in last.probabilities]
    places = _apart([_y(up, last.probabilities[pair]) + 4 for pair in shown])
    parts = []
    for pair, y in zip(shown, places, strict=True):
        name = pair if len(pair) <= LONGEST_NAME else f"{pair[: LONGEST_NAME - 1]}…"
        says = f"{name} {last.probabilities[pair]:.1%}"
        parts.append(f'<text class="{looks[pair]}" x="{WIDTH - RIGHT + 8}" y="{y:.1f}">{escape(says)}</text>')
    return "".join(parts)


def _apart(places: Sequence[float]) -> list[float]:
    """The same ascending places, at least a line of text apart and not below the chart."""
    found: list[float] = []
    for place in places:
        found.append(max(place, found[-1] + LABEL_HEIGHT) if found else max(place, TOP + 4.0))
    lowest = HEIGHT - BOTTOM + 4.0
    for index in range(len(found) - 1, -1, -1):
        found[index] = min(found[index], lowest)
        lowest = found[index] - LABEL_HEIGHT
    return found


def _grid(up: Axis) -> str:
    parts = []
    for tick in up.ticks(5):
        y = _y(up, tick)
        parts.append(
            f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
            f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{100 * tick:.4g}%</text>'
        )
    return "".join(parts)


def _bottom(across: Axis) -> str:
    base = HEIGHT - BOTTOM
    parts = [f'<path class="axis" d="M{LEFT} {base}H{WIDTH - RIGHT}"/>']
    ticks = [tick for tick in across.ticks(7) if tick == round(tick)]
    parts += [
        f'<text class="tick" x="{_x(across, tick):.1f}" y="{base + 16}" text-anchor="middle">{tick:,.0f}</text>'
        for tick in ticks
    ]
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="name" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">outcomes</text>')
    return "".join(parts)


def _x(axis: Axis, value: float) -> float:
    return LEFT + (value - axis.low) / (axis.high - axis.low) * (WIDTH - LEFT - RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - (value - axis.low) / (axis.high - axis.low) * (HEIGHT - TOP - BOTTOM)
