"""Figures as rows of a table in RESULTS.md; each subcommand replaces its own rows and leaves the others."""

from __future__ import annotations

import platform
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[1] / "RESULTS.md"
KEY = re.compile(r"<!-- (\S+) --> \|$")
HEAD = ("| | measured | target |", "|---|---|---|")


@dataclass(frozen=True, kw_only=True)
class Section:
    """A table and where it stands."""

    name: str
    """Of its marks."""
    heading: str
    order: tuple[str, ...]
    """Subcommands as their rows stand below one another."""

    @property
    def marks(self) -> tuple[str, str]:
        """What stands before and after it."""
        return f"<!-- {self.name}:begin -->", f"<!-- {self.name}:end -->"


CALLS = Section(
    name="calls",
    heading="## Calls (`tools/bench/calls`)",
    order=(
        "cpu",
        "translated",
        "peers",
        "peers_translated",
        "throughput",
        "memory",
        "memory_translated",
        "faults",
        "lag",
        "soak",
        "deployments",
        "budget",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    key: str
    """``SUBCOMMAND.NAME``; a newer row replaces the older one of the same key."""
    what: str
    measured: str
    """The ratio first."""
    target: str
    holds: bool | None = None
    """``None``: there is no target."""

    def __str__(self) -> str:
        mark = {True: "", False: " **missed**", None: ""}[self.holds]
        return f"| {self.what} | {self.measured} | {self.target}{mark} <!-- {self.key} --> |"


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """Median in bold, and every value where there are several."""
    median = f"**{statistics.median(values):{form}}**"
    return median if len(values) == 1 else f"{median} ({', '.join(f'{value:{form}}' for value in sorted(values))})"


def ratios(ones: Sequence[float], others: Sequence[float]) -> list[float]:
    """Round by round, so that a machine whose speed drifts favours neither."""
    return [one / other for one, other in zip(ones, others, strict=True)]


def write(rows: Sequence[Row], remarks: Sequence[str], section: Section = CALLS, results: Path = RESULTS) -> None:
    """Replace a subcommand's rows between the marks, or add the section; what stands around it stays."""
    text, (begin, end) = results.read_text("utf-8") if results.exists() else "# Measured\n", section.marks
    if begin not in text:
        text = f"{text.rstrip()}\n\n{section.heading}\n\n{begin}\n{end}\n"
    before, _, rest = text.partition(begin)
    old, _, after = rest.partition(end)
    kept = {found[1]: line for line in old.splitlines() if (found := KEY.search(line))}
    redone = {_part(row.key) for row in rows}
    kept = {key: line for key, line in kept.items() if _part(key) not in redone}
    kept |= {row.key: str(row) for row in rows}
    lines = [kept[key] for key in sorted(kept, key=lambda key: section.order.index(_part(key)))]
    table = "\n".join((*remarks, "", *HEAD, *lines))
    results.write_text(f"{before}{begin}\n{table}\n{end}{after}", "utf-8")


def _part(key: str) -> str:
    return key.partition(".")[0]


def machine() -> str:
    """What this ran on, without its name."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, Python {platform.python_version()}"
