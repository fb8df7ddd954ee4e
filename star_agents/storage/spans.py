"""Finished seeds divided among those who read them side by side: by their places in the queue."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from star_agents.storage.sql import execute

_LAST = 2**63 - 1
"""The largest place that SQLite gives."""


class Span(NamedTuple):
    """Seeds by their places in the queue."""

    after: int = 0
    up_to: int = _LAST
    """The place of its last one; what is queued meanwhile belongs to the last of all spans."""


WHOLE = Span()


def spans(connection: sqlite3.Connection, *, most: int, seeds: int) -> list[Span]:
    """Divide the queue into spans of as many finished seeds each.

    Args:
        connection: Of the store.
        most: So many spans at most.
        seeds: A span has so many finished seeds at least, unless it is the only one.
    """
    (finished,) = execute(connection, "count_finished").fetchone()
    count = max(1, min(most, finished // seeds))
    offsets = [finished * number // count - 1 for number in range(1, count)]
    borders = [execute(connection, "place_of_finished", offset=offset).fetchone()[0] for offset in offsets]
    return [Span(after, up_to) for after, up_to in zip([0, *borders], [*borders, _LAST], strict=True)]
