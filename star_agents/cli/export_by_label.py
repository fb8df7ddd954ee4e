"""`export` by a label: at most so many rows of each value, as many of each, or a file for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from star_agents.cli.tables import print_table
from star_agents.errors import UsageError
from star_agents.storage.outgoing.result_rows import Row
from star_agents.storage.outgoing.row_labels import Cap, Values, without_provenance, write_groups
from star_agents.text.printing import say

_SHOWN = 20
"""Values that a table shows."""


def label_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options of `export` that go by a label."""
    for decorate in (
        click.option("--seed", "label_seed", default=0, show_default=True, help="Another number keeps other rows."),
        click.option("--group", metavar="LABEL", help="A file for each value of a label, as out-VALUE.jsonl."),
        click.option("--balance", metavar="LABEL", help="As many rows of each value of a label as of the rarest one."),
        click.option("--at-most", metavar="N|SHARE", help="With --by: most rows of one value: 50; 0.1 or 10% of all."),
        click.option("--by", metavar="LABEL", help="A label of rows: type, skill, document, rounds, writer, pair, ..."),
    ):
        function = decorate(function)
    return function


@dataclass
class ByLabel:
    """What is left out by a label, and how the rest is divided.

    Attributes:
        left_out: Rows by value, once they were gone through.
    """

    cap_by: str = ""
    cap: Cap | None = None
    group: str = ""
    seed: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    _values: Values | None = None
    _most: int = 0

    @classmethod
    def of(
        cls, by: str | None, at_most: str | None, balance: str | None, group: str | None, seed: int
    ) -> ByLabel | None:
        """As the options say; ``None`` where nothing goes by a label. Raises UsageError where they do not fit."""
        if (by is None) != (at_most is None):
            raise UsageError("--by and --at-most go together: --by type --at-most 50")
        if by is not None and balance is not None:
            raise UsageError("--balance leaves out rows by itself: give either it, or --by with --at-most")
        if by is None and balance is None and group is None:
            return None
        cap = Cap(balanced=True) if balance is not None else Cap.parse(at_most) if at_most is not None else None
        return cls(cap_by=by or balance or "", cap=cap, group=group or "", seed=seed)

    def count(self, rows: Callable[[], Iterator[Row]]) -> None:
        """Count what there is, before anything is written. Raises UsageError where no row has the label."""
        if self.cap is not None:
            self._values = Values.counted(rows(), self.cap_by, self.seed)
            self._most = self.cap.of(self._values.counts, self.cap_by) if self._values.keys else 0

    def kept(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The rows that stay, with their provenance."""
        if self._values is None or not self._values.keys:
            return rows
        return self._values.capped(rows, self._most, self.left_out)

    def write_groups(
        self, rows: Callable[..., Iterator[Row]], path: Path, skipped: Counter[str], *, provenance: bool
    ) -> dict[str, tuple[Path, int]]:
        """A file for each value; path and rows by value. They are read twice, and what is ``skipped`` counts once.
        Raises UsageError."""
        groups = Values.counted(self.kept(rows()), self.group, self.seed)
        self.left_out.clear()
        return write_groups(self.kept(rows(skipped=skipped)), groups, path, provenance=provenance)

    @property
    def reason(self) -> str:
        """Why rows were left out; empty where none was."""
        return self.cap.reason(self._most, self.cap_by) if self.cap is not None and self.left_out else ""

    def show(self) -> None:
        """Print what was left out, value by value."""
        if self._values is None or not self.left_out:
            return
        counts = self._values.counts
        rows = [
            [value, f"{count:,}", f"{count - self.left_out[value]:,}", f"{self.left_out[value]:,}"]
            for value, count in list(counts.items())[:_SHOWN]
        ]
        print_table(f"left out: {self.reason}", [self.cap_by, "rows", "written", "left out"], rows)
        if (more := len(counts) - _SHOWN) > 0:
            say(f"  and {more:,} more values")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        counts = {} if self._values is None else self._values.counts
        return {
            "by": self.cap_by or None,
            "at_most": self._most if self._values is not None else None,
            "group": self.group or None,
            "seed": self.seed,
            "rows": counts,
            "left_out": dict(self.left_out),
        }


def stripped(rows: Iterator[Row], *, provenance: bool) -> Iterator[Row]:
    """The rows, without where they come from unless that is wanted."""
    return rows if provenance else map(without_provenance, rows)
