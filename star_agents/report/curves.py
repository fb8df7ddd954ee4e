"""The probability of every pair over a run (the paper's Figure 5) as a drawing; pure.

The pairs that matter now have colours and names at the end of their lines; the rest is grey, so that a hundred pairs
are still one picture. A colour goes by when its pair came, and then by its name: neither who leads nor a pair that
joins later changes it, so that two reports of one folder can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from star_agents.report.axes import Axis, nice_axis
from star_agents.report.drawing import Drawing, Frame, Shape, path, share, shortened, text

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


def curves(moments: Sequence[Moment], edits: Sequence[Edit] = (), *, of: str = "pair") -> Drawing:
    """The chart of each pair, or whatever else is drawn from; there are at least two moments."""
    ranked, looks = rank(moments), _looks(moments)
    shown = ranked[: LOOKS if len(ranked) <= LOOKS else COLOURED]
    frame = Frame(
        left=LEFT,
        right=WIDTH - RIGHT,
        top=TOP,
        bottom=HEIGHT - BOTTOM,
        across=Axis(float(moments[0].seq), float(max(moments[-1].seq, moments[0].seq + 1)), 1.0),
        up=_up([value for one in moments for value in one.probabilities.values()]),
    )
    grey = [_line(pair, moments, frame, "grey", POINTS_GREY) for pair in ranked[len(shown) : DRAWN]]
    coloured = [_line(pair, moments, frame, looks[pair], POINTS) for pair in shown]
    whole = [tick for tick in frame.across.ticks(7) if tick == round(tick)]
    shapes = [*frame.levels(frame.up.ticks(5), share), *frame.foot("outcomes", whole)]
    shapes += [_edit(edit, frame) for edit in edits]
    # The first of the ranking is drawn last, above the others.
    shapes += [*grey, *coloured[::-1], *_names(ranked[:COLOURED], looks, moments[-1], frame)]
    return Drawing(title=f"Probability of each {of} over the outcomes", width=WIDTH, height=HEIGHT, shapes=shapes)


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


def _edit(edit: Edit, frame: Frame) -> Shape:
    return frame.upright("edit", frame.x(min(max(edit.seq, frame.across.low), frame.across.high)), edit.says)


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


def _line(pair: str, moments: Sequence[Moment], frame: Frame, css: str, most: int) -> Shape:
    """The path of one pair, broken where it was not configured."""
    points, pen = [], "M"
    for one in thin(moments, most):
        if pair in one.probabilities:
            points.append(f"{pen}{frame.x(one.seq):.1f} {frame.y(one.probabilities[pair]):.1f}")
            pen = "L"
        else:
            pen = "M"
    now = moments[-1].probabilities.get(pair)
    says = f"{pair}: {now:.1%}" if now is not None else f"{pair}: not in use any more"
    return path(f"curve {css}", "".join(points), says)


def _names(pairs: Sequence[str], looks: Mapping[str, str], last: Moment, frame: Frame) -> list[Shape]:
    """Names at the ends of the lines, moved apart where lines end close together."""
    shown = [pair for pair in pairs if pair in last.probabilities]
    places = _apart([frame.y(last.probabilities[pair]) + 4 for pair in shown])
    shapes = []
    for pair, y in zip(shown, places, strict=True):
        name = shortened(pair, LONGEST_NAME)
        shapes.append(text(looks[pair], frame.right + 8, y, f"{name} {last.probabilities[pair]:.1%}"))
    return shapes


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
