"""What outcomes add to the sums over all of them, gathered and then written once for all that are committed together.

Only what adds up in any order is gathered: counts, tries, and failures in the order in which they came.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import TypeVar

from star_agents.records.failures import Part, Tried
from star_agents.storage.failure_tallies import add_failures, add_tries
from star_agents.storage.recipe_tallies import Key, add

K = TypeVar("K")


class Sums:
    """Of some outcomes, in the transaction that writes them."""

    def __init__(self) -> None:
        self._counts: dict[Key, int] = {}
        self._tries: dict[tuple[Part, str], int] = {}
        self._failed: list[Tried] = []

    def count(self, counted: Mapping[Key, int]) -> None:
        """Add to the table of tallies."""
        _add_up(self._counts, counted)

    def tried(self, tried: Sequence[Tried]) -> None:
        """Add to the table of failures what one outcome tried."""
        for one in tried:
            self._tries[one.part, one.name] = self._tries.get((one.part, one.name), 0) + one.tries
            if one.failures:
                self._failed.append(one)

    def take_in(self, other: Sums) -> None:
        """Add what later ones do."""
        _add_up(self._counts, other._counts)
        _add_up(self._tries, other._tries)
        self._failed += other._failed

    def write(self, connection: sqlite3.Connection, *, at: float) -> None:
        """Write all of it, at a moment in seconds since 1970."""
        add(connection, {key: n for key, n in self._counts.items() if n})
        add_tries(connection, self._tries, at=at)
        for one in self._failed:
            add_failures(connection, one, at=at)


def _add_up(counts: dict[K, int], more: Mapping[K, int]) -> None:
    for key, n in more.items():  # A `Counter` does it three times as slowly.
        counts[key] = counts.get(key, 0) + n
