"""What a chart is made of: shapes with their places, coloured by the page's CSS and written by a template. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from star_agents.report.axes import Axis

LETTER = 6.6
"""About the width of a letter."""
TICK_DOWN, NAME_DOWN = 15, 34
"""From a frame to the numbers and to the name below it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """An element of a drawing."""

    tag: Literal["path", "rect", "circle", "text"]
    css: str
    """Classes that colour it."""
    at: Mapping[str, str] = field(default_factory=dict[str, str])
    """SVG's attributes of its place and form."""
    says: str = ""
    """The text of a text; of any other shape, what a pointer that rests on it is told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """A picture; what comes later lies above."""

    title: str
    """For those who cannot see it."""
    width: int
    height: float
    shapes: Sequence[Shape]


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """Where values are drawn, and the axes across and up."""

    left: float
    right: float
    top: float
    bottom: float
    across: Axis
    up: Axis

    @property
    def width(self) -> float:
        """From left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From top to bottom."""
        return self.bottom - self.top

    def x(self, value: float) -> float:
        """Where a value lies from left to right."""
        return self.left + (value - self.across.low) / self.across.length * self.width

    def y(self, value: float) -> float:
        """Where a value lies from bottom to top."""
        return self.bottom - (value - self.up.low) / self.up.length * self.height

    def levels(self, ticks: Sequence[float], says: Callable[[float], str]) -> list[Shape]:
        """Lines across with their numbers on the left."""
        return [
            shape
            for y, tick in zip(map(self.y, ticks), ticks, strict=True)
            for shape in (
                path("grid", f"M{self.left:.1f} {y:.1f}H{self.right:.1f}"),
                text("tick", self.left - 6, y + 4, says(tick), "end"),
            )
        ]

    def foot(self, label: str, ticks: Sequence[float], *, lines: bool = False) -> list[Shape]:
        """The axis below: its numbers, what they are, and where wanted ``lines`` up from them."""
        shapes = [path("axis", f"M{self.left:.1f} {self.bottom:.1f}H{self.right:.1f}")]
        for x, tick in zip(map(self.x, ticks), ticks, strict=True):
            if lines:
                shapes.append(self.upright("grid", x))
            shapes.append(text("tick", x, self.bottom + TICK_DOWN, self.across.number(tick), "middle"))
        middle = max((self.left + self.right) / 2, 4 + LETTER * len(label) / 2)
        return [*shapes, text("name", middle, self.bottom + NAME_DOWN, label, "middle")]

    def upright(self, css: str, x: float, says: str = "", *, begin: float | None = None) -> Shape:
        """A line from the bottom to the top, or to where it shall begin."""
        return path(css, f"M{x:.1f} {self.top if begin is None else begin:.1f}V{self.bottom:.1f}", says)


def path(css: str, data: str, says: str = "") -> Shape:
    """A path with this data."""
    return Shape(tag="path", css=css, at={"d": data}, says=says)


def rect(
    css: str, x: float, y: float, width: float, height: float, says: str = "", *, opacity: float | None = None
) -> Shape:
    """A rectangle, filled with an ``opacity`` from 0 to 1 where the CSS does not say it."""
    places = {"x": x, "y": y, "width": width, "height": height}
    at = {name: f"{value:.1f}" for name, value in places.items()}
    if opacity is not None:
        at["fill-opacity"] = f"{opacity:.2f}"
    return Shape(tag="rect", css=css, at=at, says=says)


def circle(css: str, x: float, y: float, radius: float, says: str = "") -> Shape:
    """A circle about a point."""
    return Shape(tag="circle", css=css, at={"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": f"{radius:.1f}"}, says=says)


def text(css: str, x: float, y: float, says: str, anchor: Literal["start", "middle", "end"] = "start") -> Shape:
    """A line of text that begins at, lies about or ends at a point."""
    return Shape(tag="text", css=css, at={"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor}, says=says)


def share(value: float) -> str:
    """A round share as an axis shows it."""
    return f"{100 * value:.4g}%"


def shortened(name: str, longest: int) -> str:
    """A name of so many characters at the most, its end replaced by ``…`` where it is longer."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
