"""Named queries: all SQL stands in queries.sql, each under its name and a line that says what it is for."""

from __future__ import annotations

import functools
import re
import sqlite3
from collections.abc import Mapping
from importlib import resources
from typing import Any

_HEADING = re.compile(r"^-- (\w+) --$", re.MULTILINE)
_PART = re.compile(r"\{(\w+)\}")


def parse_queries(text: str) -> Mapping[str, str]:
    """Read ``-- name --`` headings, each followed by a description line and one statement. Where ``{name}`` stands in
    one, the text under that name takes its place, which is no query by itself.

    Raises:
        ValueError: for a name that stands twice, a query without its description, or a part that is not there.
    """
    _, *parts = _HEADING.split(text)
    queries: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        description, _, statement = body.strip().partition("\n")
        if name in queries or not description.startswith("-- ") or not statement.strip():
            raise ValueError(f"query {name}: each name once, with one description line and one statement")
        queries[name] = statement.strip()
    shared = {part for statement in queries.values() for part in _PART.findall(statement)}
    return {name: _whole(name, queries) for name in queries if name not in shared}


def _whole(name: str, queries: Mapping[str, str]) -> str:
    def part(found: re.Match[str]) -> str:
        if found[1] not in queries:
            raise ValueError(f"query {name}: there is no part {found[1]!r}")
        return queries[found[1]]

    return _PART.sub(part, queries[name])


@functools.cache
def queries() -> Mapping[str, str]:
    """The queries of this package."""
    return parse_queries(resources.files(__package__).joinpath("queries.sql").read_text(encoding="utf-8"))


def execute(connection: sqlite3.Connection, name: str, **parameters: Any) -> sqlite3.Cursor:
    """Run one named query."""
    return connection.execute(queries()[name], parameters)
