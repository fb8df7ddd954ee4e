"""What a pool turned to as a picture: a line for each arm with its share then and now, and beside it how often the
target lost there, with its interval. Pure, from the summary's ``turns``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from star_agents.report.axes import Axis, nice_axis
from star_agents.report.drawing import LETTER, Drawing, Frame, Shape, circle, path, share, shortened, text

ROW = 20
PANEL = 260
TOP, BOTTOM, MARGIN, BETWEEN = 30, 44, 8, 30
LONGEST_NAME = 44
END = 3
"""Half the height of the stroke that ends an interval."""
SHOWN = 24
"""Arms, the most changed."""
COUNTED = "lost"
"""The measure that is shown beside the shares."""
Data = Mapping[str, Any]


def drawing(turns: Data) -> Drawing | None:
    """Groups first, then the arms that changed most, or of a column what was counted most; ``None`` where there is
    nothing to be drawn."""
    groups, rows = turns["groups"], turns["rows"][:SHOWN]
    told = [*groups, *rows]
    has_shares = turns["is_pool"] and any(one["share_at_start"] is not None for one in told)
    has_counts = COUNTED in turns["all"]["measures"]
    if not told or not (has_shares or has_counts):
        return None
    folder = _shared_folder([one["name"] for one in rows])
    names = [shortened(one["name"].removeprefix(folder), LONGEST_NAME) for one in told]
    left = MARGIN + LETTER * max(map(len, names)) + 10
    bottom = TOP + ROW * len(told)
    shapes = [text("name", left - 8, _middle(row) + 4, name, "end") for row, name in enumerate(names)]
    right = left
    if has_shares:
        shapes += _shares(_frame(left, bottom, _axis(told)), told)
        right = left + PANEL
    if has_counts:
        begin = left + (PANEL + BETWEEN if has_shares else 0)
        shapes += _counts(_frame(begin, bottom, Axis(0.0, 1.0, 0.25)), told, turns["all"])
        right = begin + PANEL
    title = f"{len(rows)} of {len(rows) + len(turns['rows'][SHOWN:])}, the most changed first"
    return Drawing(title=title, width=round(right + 60), height=bottom + BOTTOM, shapes=shapes)


def _frame(left: float, bottom: float, across: Axis) -> Frame:
    return Frame(left=left, right=left + PANEL, top=TOP, bottom=bottom, across=across, up=Axis(0.0, 1.0, 1.0))


def _axis(told: Sequence[Data]) -> Axis:
    return nice_axis(0.0, max([one[name] or 0.0 for one in told for name in ("share", "share_at_start")]))


def _shares(frame: Frame, told: Sequence[Data]) -> list[Shape]:
    """From the share at the start, a stroke, to the share now, a point."""
    ticks = frame.across.ticks(5)
    shapes = [text("head", frame.left, TOP - 14, "share at the start (stroke) and now (point)")]
    shapes += [*_uprights(frame, ticks), *_foot(frame, ticks)]
    for row, one in enumerate(told):
        now, start = one["share"], one["share_at_start"]
        if now is None or start is None:
            continue
        y, x, begin = _middle(row), frame.x(now), frame.x(start)
        css = "rise" if now >= start else "fall"
        says = f"{one['name']}: {start:.1%} at the start, {now:.1%} now"
        shapes.append(path(f"interval {css}", f"M{begin:.1f} {y:.1f}H{x:.1f}"))
        shapes.append(path(f"interval {css}", f"M{begin:.1f} {y - END:.1f}V{y + END:.1f}"))
        shapes.append(circle(f"point {css}", x, y, 3.5, says))
    return shapes


def _counts(frame: Frame, told: Sequence[Data], of_all: Data) -> list[Shape]:
    """Each rate between the ends of its interval; dashed: of all together."""
    ticks = frame.across.ticks(4)
    shapes = [text("head", frame.left, TOP - 14, "target lost, with the 95 % interval")]
    shapes += [*_uprights(frame, ticks), *_foot(frame, ticks)]
    if (mean := of_all["measures"][COUNTED]["all"]["mean"]) is not None:
        shapes.append(frame.upright("mark", frame.x(mean), f"of all: {mean:.0%}"))
    for row, one in enumerate(told):
        found = one["measures"].get(COUNTED, {"all": {"n": 0}})["all"]
        y = _middle(row)
        if not found["n"]:
            continue
        low, high = frame.x(found["low"]), frame.x(found["high"])
        says = f"{one['name']}: {found['mean']:.0%} of {found['n']:,}, {found['low']:.0%} to {found['high']:.0%}"
        shapes.append(path("interval", f"M{low:.1f} {y:.1f}H{high:.1f}"))
        shapes += [path("interval", f"M{x:.1f} {y - END:.1f}V{y + END:.1f}") for x in (low, high)]
        shapes.append(circle("point", frame.x(found["mean"]), y, 3.5, says))
        shapes.append(text("tick", frame.right + 8, y + 4, f"of {found['n']:,}"))
    return shapes


def _uprights(frame: Frame, ticks: Sequence[float]) -> list[Shape]:
    return [frame.upright("grid", frame.x(tick)) for tick in ticks]


def _foot(frame: Frame, ticks: Sequence[float]) -> list[Shape]:
    axis = path("axis", f"M{frame.left:.1f} {frame.bottom:.1f}H{frame.right:.1f}")
    return [axis, *(text("tick", frame.x(tick), frame.bottom + 15, share(tick), "middle") for tick in ticks)]


def _shared_folder(names: Sequence[str]) -> str:
    """The folder that all lie in, with its slash: a line has room for a short name."""
    folders = {name.rpartition("/")[0] for name in names}
    (shared,) = folders if len(folders) == 1 else ("",)
    return f"{shared}/" if shared else ""


def _middle(row: int) -> float:
    return TOP + ROW * (row + 0.5)
