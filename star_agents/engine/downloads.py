"""The dataset as one file in pieces, made while it is sent: no file lies about, and memory stays the same."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from star_agents.errors import StoreError, UsageError
from star_agents.storage.formats.row_writing import json_line
from star_agents.storage.outgoing.export import dataset_rows, rejected_rows, write_export
from star_agents.storage.outgoing.result_rows import Row
from star_agents.storage.reader import StoreReader

PIECE_ROWS = 100
PIECE_BYTES = 1 << 18


def pieces(reader: StoreReader, *, format: str, file: str, which: str, provenance: bool) -> Iterator[bytes]:
    """Yield the bytes of a file, as `export` would write it.

    Args:
        reader: The store; read page by page, in no transaction that lasts.
        format: Columns of the rows, one of ``storage.outgoing.export.FORMATS``.
        file: ``jsonl``, ``json`` or ``parquet``.
        which: ``dataset``, or ``rejected`` for the seeds that were dropped.
        provenance: Whether each row of the dataset says where it comes from.

    Raises:
        StoreError: the store cannot be read, or there is no room for a parquet file, which is made whole before it is
            sent.
    """
    rows = rejected_rows(reader) if which == "rejected" else dataset_rows(reader, format, provenance=provenance)
    return as_file(rows, file)


def as_file(rows: Iterator[Row], file: str) -> Iterator[bytes]:
    """Yield the bytes of a ``jsonl``, ``json`` or ``parquet`` file of rows. Raises StoreError as ``pieces`` does."""
    if file == "parquet":
        return _parquet(rows)
    return _json(rows) if file == "json" else _json_lines(rows)


def _json_lines(rows: Iterator[Row]) -> Iterator[bytes]:
    while some := list(itertools.islice(rows, PIECE_ROWS)):
        yield b"".join(map(json_line, some))


def _json(rows: Iterator[Row]) -> Iterator[bytes]:
    begin = b"[\n"
    while some := list(itertools.islice(rows, PIECE_ROWS)):
        yield begin + b",\n".join(json_line(row).rstrip() for row in some)
        begin = b",\n"
    yield b"[]\n" if begin == b"[\n" else b"\n]\n"


def _parquet(rows: Iterable[Row]) -> Iterator[bytes]:
    """Its table of contents stands at the end and its types follow from all rows, so it is written first."""
    with tempfile.TemporaryDirectory(prefix="star_agents-") as folder:
        path = Path(folder) / "dataset.parquet"
        try:
            write_export(rows, path)
        except UsageError as error:
            raise StoreError(f"the download cannot be prepared: {error}") from None
        with path.open("rb") as handle:
            while piece := handle.read(PIECE_BYTES):
                yield piece
