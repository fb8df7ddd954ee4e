"""What the loops found, as lines to read and as rows of one table in RESULTS.md."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from chaos_lib.loops import LOOPS, Result
from star_agents.storage.connection import connect

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "tools" / "bench" / "RESULTS.md"
MARKS = ("<!-- chaos:begin -->", "<!-- chaos:end -->")
HEADING = "## Kill it anywhere (`tools/chaos`)"
HEAD = ("| | N | violations | at 95 % | seen | seed, commit |", "|---|---|---|---|---|---|")
REMARK = (
    "SQLite {sqlite}, `synchronous={synchronous}`. *At 95 %* is the rule of three: where N rounds show no violation, "
    "at most 3/N of all rounds would."
)
_KEY = re.compile(r"<!-- (\S+) --> \|$")
_SYNCHRONOUS = ("OFF", "NORMAL", "FULL", "EXTRA")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One loop, once."""

    name: str
    rounds: int
    seed: int
    result: Result

    @property
    def bound(self) -> str:
        """The rule of three."""
        return f"< {300 / self.rounds:.2g} %" if not self.result.violations else "–"

    def __str__(self) -> str:
        loop, result = LOOPS[self.name], self.result
        return (
            f"{self.name}: {loop.what}: N = {self.rounds:,} {loop.unit}, seed {self.seed}, commit {commit()}, "
            f"SQLite {sqlite3.sqlite_version}, synchronous {synchronous()}: "
            f"{len(result.violations)} violations (at 95 %: {self.bound}); {result.counted}"
        )

    def markdown(self) -> str:
        """As a row of the table."""
        loop, result = LOOPS[self.name], self.result
        mark = "0" if not result.violations else f"**{len(result.violations)}**"
        return (
            f"| {loop.what} | {self.rounds:,} {loop.unit} | {mark} | {self.bound} | {result.counted} "
            f"| {self.seed}, {commit()} <!-- {self.name} --> |"
        )


def commit() -> str:
    """What was measured; a plus stands for changes that are not committed."""
    try:
        told = subprocess.run(["git", "describe", "--always", "--dirty=+"], cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return "unknown"
    return told.stdout.strip() or "unknown"


def synchronous() -> str:
    """How a store syncs, asked of one."""
    with tempfile.TemporaryDirectory() as folder, closing(connect(Path(folder) / "store")) as connection:
        (number,) = connection.execute("PRAGMA synchronous").fetchone()
    return _SYNCHRONOUS[number]


def write(row: Row, results: Path = RESULTS) -> None:
    """Replace a loop's row between the marks, or add it; what stands around it stays."""
    text = results.read_text("utf-8") if results.exists() else "# Measured\n"
    if MARKS[0] not in text:
        text = f"{text.rstrip()}\n\n{HEADING}\n\n{MARKS[0]}\n{MARKS[1]}\n"
    before, _, rest = text.partition(MARKS[0])
    old, _, after = rest.partition(MARKS[1])
    kept = {found[1]: line for line in old.splitlines() if (found := _KEY.search(line)) and found[1] in LOOPS}
    kept[row.name] = row.markdown()
    remark = REMARK.format(sqlite=sqlite3.sqlite_version, synchronous=synchronous())
    section = "\n".join((remark, "", *HEAD, *(kept[name] for name in LOOPS if name in kept)))
    results.write_text(f"{before}{MARKS[0]}\n{section}\n{MARKS[1]}{after}", "utf-8")
