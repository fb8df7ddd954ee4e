"""Figures as rows of one table in RESULTS.md; each subcommand replaces its own rows and leaves the others."""

from __future__ import annotations

import platform
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[1] / "RESULTS.md"
HEADING = "## Calls (`tools/bench/calls`)"
MARKS = ("<!-- calls:begin -->", "<!-- calls:end -->")
KEY = re.compile(r"<!-- (\S+) --> \|$")
ORDER = ("cpu", "peers", "throughput", "memory", "faults", "lag", "soak", "deployments", "budget")
HEAD = ("| | measured | target |", "|---|---|---|")


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


def write(rows: Sequence[Row], remarks: Sequence[str], results: Path = RESULTS) -> None:
    """Replace a subcommand's rows between the marks, or add the section; what stands around it stays."""
    text = results.read_text("utf-8") if results.exists() else "# Measured\n"
    if MARKS[0] not in text:
        text = f"{text.rstrip()}\n\n{HEADING}\n\n{MARKS[0]}\n{MARKS[1]}\n"
    before, _, rest = text.partition(MARKS[0])
    old, _, after = rest.partition(MARKS[1])
    kept = {found[1]: line for line in old.splitlines() if (found := KEY.search(line))}
    redone = {_part(row.key) for row in rows}
    kept = {key: line for key, line in kept.items() if _part(key) not in redone}
    kept |= {row.key: str(row) for row in rows}
    lines = [kept[key] for key in sorted(kept, key=lambda key: ORDER.index(_part(key)))]
    section = "\n".join((*remarks, "", *HEAD, *lines))
    results.write_text(f"{before}{MARKS[0]}\n{section}\n{MARKS[1]}{after}", "utf-8")


def _part(key: str) -> str:
    return key.partition(".")[0]


def machine() -> str:
    """What this ran on, without its name."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, Python {platform.python_version()}"
