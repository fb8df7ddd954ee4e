"""A piece of an export: the rows of a span of seeds, as they stand in the file, made by whichever process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from star_agents.errors import StarAgentsError
from star_agents.records.reviews import ReviewsUse
from star_agents.storage.formats.row_writing import write_piece
from star_agents.storage.outgoing.export import EVERYTHING, Wanted, dataset_rows
from star_agents.storage.outgoing.result_rows import Row
from star_agents.storage.reader import StoreReader
from star_agents.storage.reviews import ANY
from star_agents.storage.spans import WHOLE, Span


@dataclass(kw_only=True)
class Written:
    """What became of the seeds of a piece."""

    rows: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    """What was left out, by reason (``dataset_rows``)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """Which rows, as ``dataset_rows`` takes it."""

    folder: Path
    """Of the store."""
    suffix: str
    """Of the file: one of ``row_writing.IN_PIECES``."""
    format: str
    newest_review: int = ANY
    """Reviews that came later are not in force, so that the same ones are in all pieces."""
    provenance: bool = True
    reasoning: bool = False
    wanted: Wanted = EVERYTHING
    reviews: ReviewsUse = "follow"
    span: Span = WHOLE

    def write(self, handle: BinaryIO) -> Written:
        """Write the rows.

        Raises:
            StoreError: the store cannot be read.
            UsageError: a row has no place in the format.
            OSError: they cannot be written.
        """
        written = Written()
        with StoreReader(self.folder) as reader:
            write_piece(handle, self._rows(reader, written), self.suffix)
        return written

    def _rows(self, reader: StoreReader, written: Written) -> Iterator[Row]:
        for row in dataset_rows(
            reader,
            self.format,
            provenance=self.provenance,
            reasoning=self.reasoning,
            wanted=self.wanted,
            skipped=written.skipped,
            reviews=self.reviews,
            newest_review=self.newest_review,
            span=self.span,
        ):
            written.rows += 1
            yield row


@dataclass(frozen=True, slots=True)
class Job:
    """A piece, and the descriptor of the file that it is written to."""

    piece: Piece
    descriptor: int
    path: str
    """Of the whole file, for messages."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it: what was written, or why it was not."""

    written: Written | None
    error: StarAgentsError | None = None
