"""What people said of rows, in a table of its own to which only is added.

It belongs to what a row says and not to its place, so that it holds where a seed is worked once more and its row comes
again; a row that says something else is another row.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from star_agents.records import Row
from star_agents.records.reviews import Review
from star_agents.storage.connection import STORE_FILE, connect, store_errors
from star_agents.storage.known_rows import row_digest
from star_agents.storage.lock import FolderLock
from star_agents.storage.sql import execute
from star_agents.text.plain_data import from_json, to_json, writable

ANY = 2**63 - 1
"""No review has a larger number."""
OfSeed = Mapping[bytes, Review]
"""The reviews that count of one seed's rows, by the digest of what the row says."""


def add_review(folder: Path, seed_id: str, row: Row, review: Review) -> None:
    """Keep a review, durably.

    Raises:
        StoreLocked: a daemon or a run works on the folder.
        StoreError: it cannot be written.
    """
    path = folder / STORE_FILE
    lock = FolderLock.acquire(folder)
    try:
        with store_errors(path), closing(connect(path)) as connection:
            execute(
                connection,
                "add_review",
                seed_id=seed_id,
                digest=row_digest(row),
                verdict=review.verdict,
                data=None if review.data is None else to_json(dict(review.data)),
                reviewer=writable(review.reviewer),
                at=review.at,
            )
    finally:
        lock.release()


def newest_review(connection: sqlite3.Connection) -> int:
    """The number of the newest review; 0: there is none."""
    return int(execute(connection, "newest_review").fetchone()[0])


def reviews(connection: sqlite3.Connection, newest: int = ANY) -> dict[str, dict[bytes, Review]]:
    """The reviews that count, by seed: of each row the newest, unless it was withdrawn; or those that counted when one
    was the newest."""
    found: dict[str, dict[bytes, Review]] = {}
    for seed_id, digest, *columns in execute(connection, "reviews_that_count", newest=newest):
        found.setdefault(seed_id, {})[digest] = _review(*columns)
    return found


def reviews_of_row(connection: sqlite3.Connection, seed_id: str, row: Row) -> list[Review]:
    """Everything that was ever said of a row, newest first."""
    return [_review(*row) for row in execute(connection, "reviews_of_row", seed_id=seed_id, digest=row_digest(row))]


def count_reviews(connection: sqlite3.Connection) -> Counter[str]:
    """Reviews that count, by verdict."""
    return Counter(dict(execute(connection, "count_reviews").fetchall()))


def _review(verdict: str, data: str | None, reviewer: str, at: float) -> Review:
    return Review(verdict=verdict, reviewer=reviewer, at=at, data=None if data is None else from_json(data))  # type: ignore[arg-type]
