"""The page of rounds: how strong each target became, what it learned from, and at what cost. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from star_agents.report.axes import Axis, nice_axis
from star_agents.report.drawing import Drawing, Frame, Shape, circle, path, text
from star_agents.report.rendering import render

STEP_WIDTH = 92
HEIGHT = 260
FEWEST_PLACES = 7
"""Of a picture, so that its label has room."""
LEFT, RIGHT, TOP, BOTTOM = 56, 24, 20, 60
END = 5
"""Half the width of the stroke that ends an interval."""
REFRESH_S = 10
"""Seconds after which a page of rounds at work is read anew."""


def rounds_page(summary: Mapping[str, Any], name: str, remarks: Sequence[str], *, is_at_work: bool = False) -> str:
    """The whole page.

    Args:
        summary: As ``engine.campaign.summary`` makes it.
        name: Of the folder.
        remarks: What a person should know besides, a sentence each.
        is_at_work: Whether it is going to be written again.
    """
    rated = [one for one in summary["steps"] if one["rating"] is not None]
    return render(
        "rounds.html.jinja",
        title=f"Rounds: {name}",
        summary=summary,
        ratings=ratings_by_step(rated, summary["anchor"]) if rated else None,
        rated=rated,
        remarks=remarks,
        refresh=REFRESH_S if is_at_work else None,
    )


def ratings_by_step(steps: Sequence[Mapping[str, Any]], anchor: str) -> Drawing:
    """Each target's rating with its interval, in the order in which they were trained."""
    values = [
        one["rating"][end] for one in steps for end in ("rating", "low", "high") if one["rating"][end] is not None
    ]
    places = max(len(steps), FEWEST_PLACES)
    width = LEFT + RIGHT + STEP_WIDTH * places
    frame = Frame(
        left=LEFT,
        right=width - RIGHT,
        top=TOP,
        bottom=HEIGHT - BOTTOM,
        across=Axis(0.0, float(places), 1.0),
        up=nice_axis(min(values, default=0.0), max(values, default=1.0)),
    )
    shapes: list[Shape] = [*frame.levels(frame.up.ticks(5), frame.up.number)]
    points = [
        (frame.x(at + 0.5), frame.y(one["rating"]["rating"]))
        for at, one in enumerate(steps)
        if one["rating"]["rating"] is not None
    ]
    if len(points) > 1:
        shapes.append(path("way", "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)))
    for at, one in enumerate(steps):
        shapes += _target(frame, frame.x(at + 0.5), one)
    label = f"rating after each step in Elo points, {anchor} = 1000, with its 95 % interval"
    shapes.append(text("name", (frame.left + frame.right) / 2, HEIGHT - 12, label, "middle"))
    return Drawing(title=f"Ratings of {len(steps)} targets", width=width, height=HEIGHT, shapes=shapes)


def _target(frame: Frame, x: float, one: Mapping[str, Any]) -> list[Shape]:
    """A point between the ends of its interval; where an end is open, the line goes on to the edge."""
    rating = one["rating"]
    shapes = [text("tick", x, frame.bottom + 16, one["name"], "middle")]
    if rating["rating"] is None:
        return [*shapes, text("tick", x, frame.bottom - 6, rating["standing"], "middle")]
    low = frame.bottom if rating["low"] is None else frame.y(rating["low"])
    high = frame.top if rating["high"] is None else frame.y(rating["high"])
    ends = [y for y, end in ((low, rating["low"]), (high, rating["high"])) if end is not None]
    return [
        *shapes,
        path("interval", f"M{x:.1f} {low:.1f}V{high:.1f}"),
        *(path("interval", f"M{x - END:.1f} {y:.1f}H{x + END:.1f}") for y in ends),
        circle("point", x, frame.y(rating["rating"]), 4, f"{one['name']}: {rating['rating']:.0f}"),
    ]
