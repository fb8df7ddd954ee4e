"""The file that `score` reads: what it is, whether it is whole, and its rows as samples.

A file may be long: whatever reads it runs in a worker thread, and ends when the task that waits for it is cancelled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyio import from_thread

from star_agents.errors import Problem, SeedFileError, UsageError
from star_agents.records import Sample
from star_agents.storage.formats.row_reading import read_rows, scan_rows
from star_agents.storage.incoming.not_read import NotRead
from star_agents.storage.incoming.seed_rows import read_row, seed_from_row

BLOCK_BYTES = 1 << 20
PROBLEMS = 1000
"""Bad rows after which nobody needs to read on."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ScoreSource:
    """A .jsonl, .json, .csv or .parquet file of anybody's rows."""

    path: Path

    def state(self) -> tuple[int, int]:
        """Size and time of change, to see at the end that nobody wrote to it. Raises SeedFileError."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise self._unreadable(error) from error
        return found.st_size, found.st_mtime_ns

    def digest(self) -> str:
        """SHA-256 of the content: what scores belong to, whatever the file is called. Raises SeedFileError."""
        found = hashlib.sha256()
        try:
            with self.path.open("rb") as file:
                while block := file.read(BLOCK_BYTES):
                    from_thread.check_cancelled()
                    found.update(block)
        except OSError as error:
            raise self._unreadable(error) from error
        return f"sha256:{found.hexdigest()}"

    def check(self) -> tuple[int, frozenset[str], tuple[str, ...]]:
        """Read the file once, whole: how many rows and which columns it has, and what of them no model reads.

        Raises:
            SeedFileError: with the rows that cannot be read.
            UsageError: when there are none.
        """
        rows, columns, problems, not_read = 0, set[str](), list[Problem](), NotRead()
        for found in scan_rows(self.path):
            from_thread.check_cancelled()
            if isinstance(found, Problem):
                problems.append(found)
            else:
                rows += 1
                columns.update(found[1])
                not_read.add(read_row(found[1], found[0]))
            if len(problems) >= PROBLEMS:
                break
        if problems:
            raise SeedFileError(problems)
        if not rows:
            raise UsageError(f"{self.path} holds no rows")
        return rows, frozenset(columns), not_read.sentences()

    def rows(self) -> Iterator[tuple[str, Row]]:
        """Every row with its place. Raises SeedFileError."""
        for found in read_rows(self.path):
            from_thread.check_cancelled()
            yield found

    def _unreadable(self, error: OSError) -> SeedFileError:
        message = f"cannot be read: {error.strerror or error}"
        return SeedFileError([Problem(where=str(self.path), field="", message=message, fix="check the path")])


def sample_of(row: Row, where: str) -> Sample | str:
    """The row's sample, or why it has none."""
    try:
        content = seed_from_row(row, source=where).content
    except SeedFileError as error:
        return f"unreadable row: {error.problems[0].field}: {error.problems[0].message}"
    return content if isinstance(content, Sample) else "a document has no response to score"
