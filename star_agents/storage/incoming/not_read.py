"""What of the rows of a file or request no agent will see: counted by name, told once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from star_agents.storage.incoming.seed_rows import RowReading

NAMES_SHOWN = 30
KEPT_BESIDE = "these columns are kept, but no model sees them"


@dataclass(frozen=True, slots=True)
class NotRead:
    """How many rows hold each thing that is not read."""

    beside: Counter[str] = field(default_factory=Counter[str])
    """Columns that are kept with the seed."""
    left_out: Counter[str] = field(default_factory=Counter[str])
    """Parts of columns that are not kept either."""

    def add(self, reading: RowReading) -> None:
        """Count one row."""
        self.beside.update(reading.beside)
        self.left_out.update(reading.left_out)

    def sentences(self) -> tuple[str, ...]:
        """One for columns, one for parts; none where everything is read."""
        found = (
            (KEPT_BESIDE, self.beside),
            ("these parts are neither read nor kept", self.left_out),
        )
        return tuple(f"{what}: {_listed(rows)}" for what, rows in found if rows)


def _listed(rows: Mapping[str, int]) -> str:
    shown = [f"{name} ({_rows(count)})" for name, count in list(rows.items())[:NAMES_SHOWN]]
    return ", ".join([*shown, *_more(len(rows) - NAMES_SHOWN)])


def _more(count: int) -> Iterable[str]:
    return (f"and {count:,} more",) if count > 0 else ()


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
