"""Columns that are called otherwise than `seed_rows` knows them, under the names that it reads."""

from __future__ import annotations

from collections.abc import Mapping

from star_agents.errors import Problem
from star_agents.storage.formats.row_fields import Row
from star_agents.storage.incoming.seed_rows import READ_BY_NAME, set_aside

_SHOWN = 20


class ColumnMap:
    """Renames the columns of rows, and knows which of those that it names it has met.

    A column of the row's own that would be taken for one that is named, or for another form of row, keeps its value
    under a name beside it, as ``beside_instruction``, which no agent sees. A row without any of the columns that are
    named is read as it stands: `add` sends rows in our own names.

    Args:
        columns: Our name to theirs.
    """

    def __init__(self, columns: Mapping[str, str]) -> None:
        self._columns = dict(columns)
        self._met: set[str] = set()
        self._others: dict[str, None] = {}

    def renamed(self, row: Row) -> Row:
        """The row under our names."""
        here = {ours: theirs for ours, theirs in self._columns.items() if theirs in row}
        self._met.update(here.values())
        if not here:
            if len(self._others) < _SHOWN:
                self._others.update(dict.fromkeys(str(name) for name in row))
            return row
        taken = set(here.values())
        rest = {name: value for name, value in row.items() if name not in taken}
        clashing = {name for name in rest if name in READ_BY_NAME and READ_BY_NAME[name] in (None, *self._columns)}
        return {
            **{set_aside(name, row) if name in clashing else name: value for name, value in rest.items()},
            **{ours: row[theirs] for ours, theirs in here.items()},
        }

    def problems(self, where: str) -> list[Problem]:
        """One for each column that is named and that no row had, if there were rows; ``where`` they came from."""
        if not (self._met or self._others):
            return []
        names = ", ".join(list(self._others)[:_SHOWN])
        found = f"; the first rows have {names}" if names else ""
        fix = f"write the name as it stands in the rows{found}"
        return [
            Problem(where=where, field=f"seeds.columns.{ours}", message=f"no row has a column {theirs!r}", fix=fix)
            for ours, theirs in self._columns.items()
            if theirs not in self._met
        ]
