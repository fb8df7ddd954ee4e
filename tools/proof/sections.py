"""A section of the report: set-up in words, tables, plots; as Markdown, and kept. The one source of its figures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from proof.bootstrap import Interval

RESULTS = Path(__file__).with_name("RESULTS.md")
PROSE_ENDS = "\n## Figures"
"""What stands before this in RESULTS.md is written by hand."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A table of figures as they are shown."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lead: str = ""
    """A line above it, where a section has more than one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dots:
    """Estimates with their intervals, one line per label, on one axis."""

    title: str
    axis: str
    """What the axis measures, with its unit."""
    rows: tuple[tuple[str, tuple[Interval, ...]], ...]
    """Label, and an estimate per series."""
    series: tuple[str, ...] = ()
    """Names of the series where there is more than one."""
    marks: tuple[tuple[str, float], ...] = ()
    """Named values to compare with."""
    also: tuple[float, ...] = ()
    """Values that the axis has to reach."""
    digits: int = 1
    """Decimals of the figures beside the dots."""
    kind: Literal["dots"] = "dots"


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """One line of ``Lines``."""

    name: str
    values: tuple[float, ...]
    strong: bool = True
    """Whether it is one of those to look at; the others are drawn thin and grey."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lines:
    """Curves over a run, evenly spaced from its beginning to its end."""

    title: str
    axis: str
    """What goes up, with its unit."""
    across: str
    """What goes across."""
    length: float
    """Where the run ends, in units of ``across``."""
    curves: tuple[Curve, ...]
    marks: tuple[tuple[str, float], ...] = ()
    """Named heights to compare with."""
    also: tuple[float, ...] = ()
    """Heights that the axis has to reach."""
    turn: float | None = None
    """Where across the world changes."""
    parts: bool = False
    """Whether each value is the mean of a part of the run; it then stands in the middle of it."""
    kind: Literal["lines"] = "lines"


Plot = Dots | Lines


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """What one question came to."""

    job: str
    name: str
    """The marker that it stands under in RESULTS.md."""
    title: str
    """The set-up in words: rows, M, referee, random seeds, draws."""
    grids: tuple[Grid, ...]
    plots: tuple[Plot, ...] = ()
    made: str = ""
    """Versions and machine."""


_KEPT = TypeAdapter(dict[str, Section])


def percent(one: Interval) -> Interval:
    """The same in hundredths."""
    return Interval(100 * one.value, 100 * one.low, 100 * one.high)


def markdown(section: Section) -> str:
    """Title and tables."""
    parts = [section.title]
    for grid in section.grids:
        lines = [grid.head, ["---"] * len(grid.head), *grid.rows]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts += [grid.lead, table] if grid.lead else [table]
    return "\n\n".join(parts)


def put(section: Section, file: Path = RESULTS) -> None:
    """Replace what stands between the markers of the section, or add it at the end."""
    begin, end = f"<!-- {section.name} -->", f"<!-- end of {section.name} -->"
    block = f"{begin}\n### {markdown(section)}\n{end}"
    page = file.read_text(encoding="utf-8") if file.is_file() else "# Does it make better data?\n"
    if begin in page:
        page = re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: block, page, flags=re.DOTALL)
    else:
        page = f"{page.rstrip()}\n\n{block}\n"
    file.write_text(page, encoding="utf-8")


def prose(file: Path = RESULTS) -> str:
    """The part of RESULTS.md that is written by hand."""
    return file.read_text(encoding="utf-8").split(PROSE_ENDS, 1)[0] if file.is_file() else ""


def keep(sections: Iterable[Section], file: Path) -> None:
    """Put sections into ``file``; one of the same name is replaced where it stands."""
    found = {section.name: section for section in kept(file)} | {section.name: section for section in sections}
    fresh = file.with_suffix(".new")
    fresh.write_bytes(_KEPT.dump_json(found, indent=1))
    fresh.replace(file)


def kept(file: Path) -> Sequence[Section]:
    """Every section in ``file``, in the order in which they first came."""
    return list(_KEPT.validate_json(file.read_bytes()).values()) if file.is_file() else []
