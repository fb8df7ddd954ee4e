"""Named queries: all SQL stands in queries.sql, each under its name and a line that says what it is for."""

from __future__ import annotations

import functools
import re
import sqlite3
from collections.abc import Mapping
from importlib import resources
from typing import Any

_HEADING = re.compile(r"^-- (\w+) --$", re.MULTILINE)


def parse_queries(text: str) -> Mapping[str, str]:
    """Read ``-- name --`` headings, each followed by a description line and one statement.

    Raises:
        ValueError: for a name that stands twice, or a query without its description.
    """
    _, *parts = _HEADING.split(text)
    queries: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        description, _, statement = body.strip().partition("\n")
        if name in queries or not description.startswith("-- ") or not statement.strip():
            raise ValueError(f"query {name}: each name once, with one description line and one statement")
        queries[name] = statement.strip()
    return queries


@functools.cache
def queries() -> Mapping[str, str]:
    """The queries of this package."""
    return parse_queries(resources.files(__package__).joinpath("queries.sql").read_text(encoding="utf-8"))


def execute(connection: sqlite3.Connection, name: str, **parameters: Any) -> sqlite3.Cursor:
    """Run one named query."""
    return connection.execute(queries()[name], parameters)
