"""Ratings of an arena as one picture: each player with its interval, and who won how often against whom. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from star_agents.arena.ratings import Rating, Ratings
from star_agents.report.axes import Axis, nice_axis
from star_agents.report.drawing import LETTER, Drawing, Frame, Shape, circle, path, rect, shortened, text
from star_agents.report.rendering import render

ROW = 26
CELL = 46
RATINGS_WIDTH = 380
TOP, BOTTOM, MARGIN = 54, 44, 14
LONGEST_NAME = 40
END = 4
"""Half the height of the stroke that ends an interval."""
MOST_COLUMNS = 24
"""Players of the matrix; the strongest, where there are more."""


def ratings_svg(ratings: Ratings) -> str:
    """A file of its own."""
    return render("ratings.svg.jinja", drawing=ratings_drawing(ratings))


def ratings_drawing(ratings: Ratings) -> Drawing:
    """Players from above in the order of the leaderboard; beside each who it met."""
    players = ratings.players
    names = [shortened(one.player, LONGEST_NAME) for one in players]
    left = MARGIN + 24 + LETTER * max((len(name) for name in names), default=0) + 10
    bottom = TOP + ROW * len(players)
    frame = Frame(
        left=left, right=left + RATINGS_WIDTH, top=TOP, bottom=bottom, across=_axis(players), up=Axis(0.0, 1.0, 1.0)
    )
    matrix = frame.right + 40
    columns = players[:MOST_COLUMNS]
    label = f"rating, {shortened(ratings.anchor, LONGEST_NAME)} = {ratings.anchor_rating:g}, with its 95 % interval"
    shapes = [*frame.foot(label, frame.across.ticks(6), lines=True)]
    shapes += [text("name", left - 10, _middle(row) + 4, f"{row + 1}  {name}", "end") for row, name in enumerate(names)]
    shapes += [shape for row, one in enumerate(players) for shape in _interval(frame, one, row)]
    shapes.append(text("name", matrix, TOP - 30, "share of points won, row against column"))
    shapes += [
        text("tick", matrix + CELL * (column + 0.5), TOP - 8, str(column + 1), "middle")
        for column in range(len(columns))
    ]
    for row, one in enumerate(players):
        for column, other in enumerate(columns):
            shapes += _cell(ratings, one, other, matrix + CELL * column, TOP + ROW * row)
    title = f"Ratings of {len(players)} players over {ratings.battles:,} battles and {ratings.prompts:,} prompts"
    shapes.append(text("head", MARGIN, 22, title))
    width = round(matrix + max(CELL * len(columns), LETTER * 40) + MARGIN)
    return Drawing(title=title, width=width, height=bottom + BOTTOM, shapes=shapes)


def _middle(row: int) -> float:
    return TOP + ROW * (row + 0.5)


def _axis(players: Sequence[Rating]) -> Axis:
    """Over all ratings and the ends of their intervals."""
    values = [value for one in players for value in (one.rating, one.low, one.high) if value is not None]
    return nice_axis(min(values, default=0.0), max(values, default=1.0))


def _interval(frame: Frame, one: Rating, row: int) -> list[Shape]:
    """A point between the ends of its interval; where an end is open, the line goes on to the edge."""
    y = _middle(row)
    if one.rating is None:
        return [text("tick", frame.left + 6, y + 4, one.standing)]
    low = frame.left if one.low is None else frame.x(one.low)
    high = frame.right if one.high is None else frame.x(one.high)
    ends = [x for x, end in ((low, one.low), (high, one.high)) if end is not None]
    says = f"{one.player}: {one.rating:.0f}"
    return [
        path("interval", f"M{low:.1f} {y:.1f}H{high:.1f}"),
        *(path("interval", f"M{x:.1f} {y - END:.1f}V{y + END:.1f}") for x in ends),
        circle("point", frame.x(one.rating), y, 4, says),
    ]


def _cell(ratings: Ratings, one: Rating, other: Rating, x: float, y: float) -> list[Shape]:
    met = ratings.meetings.get(one.player, {}).get(other.player, 0)
    if not met:
        return [rect("none", x + 1, y + 1, CELL - 2, ROW - 2)]
    won = ratings.points[one.player][other.player] / met
    says = f"{one.player} against {other.player}: {ratings.points[one.player][other.player]:g} of {met:,}"
    css = "better" if won >= 0.5 else "worse"
    return [
        rect(css, x + 1, y + 1, CELL - 2, ROW - 2, says, opacity=abs(won - 0.5) * 1.5 + 0.08),
        text("name", x + CELL / 2, y + ROW / 2 + 4, f"{100 * won:.0f}", "middle"),
    ]
