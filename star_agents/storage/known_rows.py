"""Which rows are in the dataset, by what they say: none is there twice.

As in ``near_texts``, look-up and insert stand in the transaction of the outcome.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from star_agents.records import Outcome, Row
from star_agents.storage.near_texts import NearTexts
from star_agents.storage.row_vectors import KnownVectors
from star_agents.storage.sql import execute
from star_agents.text.content_hash import digest


def row_digest(row: Row) -> bytes:
    """What a row is known again by: its shape and all that it says; not its labels."""
    return bytes.fromhex(digest([row.shape, row.data])[:32])


class RowPlace(NamedTuple):
    """Where a row is found."""

    seed_id: str
    place: int
    """Among the rows that the seed's outcome gave."""


class KnownRows:
    """The rows that a store has admitted, in a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def find(self, digest: bytes) -> RowPlace | None:
        """Where a row that says the same is."""
        row = execute(self._connection, "find_row", digest=digest).fetchone()
        return None if row is None else RowPlace(*row)

    def add(self, digest: bytes, seed_id: str, place: int) -> None:
        """Let a row be found from now on."""
        execute(self._connection, "add_row_digest", digest=digest, seed_id=seed_id, place=place)


class Known:
    """What was admitted before; ``before``: the outcome whose place another takes."""

    def __init__(self, connection: sqlite3.Connection, before: Outcome | None = None) -> None:
        self.texts, self.rows, self.vectors = NearTexts(connection), KnownRows(connection), KnownVectors(connection)
        self.before = before
