"""Rows into a file, all or nothing: the file appears under its name only when it is whole and on disk."""

from __future__ import annotations

import csv
import io
import itertools
import os
import pickle
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from star_agents.errors import UsageError
from star_agents.limits.machine import limit_met
from star_agents.storage.formats.formula_cells import FormulaGuard
from star_agents.text.plain_data import json_bytes, json_text, writable

Row = Mapping[str, Any]
_CR_LF = "\r\n"
_BATCH_ROWS = 1024
"""Rows held in memory at once."""
_BUFFER_BYTES = 1 << 18
_COPIED_BYTES = 1 << 20
IN_PIECES = (".jsonl", ".json")
"""Kinds of files whose rows can be written apart from each other."""
_JSON_BEGIN, _JSON_BETWEEN = b"[\n", b",\n"
_JSON_END = {_JSON_BEGIN: b"[]\n", _JSON_BETWEEN: b"\n]\n"}
"""By what would stand before a further element: of an empty array, and of another."""


def write_rows(path: Path, rows: Iterable[Row], *, guard: FormulaGuard | None = None) -> int:
    """Write rows as the suffix says (.jsonl, .json, .csv, .parquet); return how many. Never holds all of them.

    Args:
        path: The file.
        rows: What it gets.
        guard: Keeps spreadsheets from running cells of .csv as formulas; one that is on unless given.

    Raises:
        UsageError: when the suffix is unknown or the file cannot be written.
    """
    write = writer_for(path)
    count = 0

    def counted() -> Iterator[Row]:
        nonlocal count
        for row in rows:
            count += 1
            yield row

    with atomic_file(path) as handle:
        if write is _write_csv:
            _write_csv(handle, counted(), guard)
        else:
            write(handle, counted())
    return count


def writer_for(path: Path) -> Callable[[BinaryIO, Iterable[Row]], None]:
    """What writes rows in the format that the suffix names. Raises UsageError for an unknown one."""
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise UsageError(f"{path}: unknown kind of file {path.suffix!r}; use one of {', '.join(_WRITERS)}")
    return write


def write_piece(handle: BinaryIO, rows: Iterable[Row], suffix: str) -> None:
    """Write a part of the rows of a file whose kind is one of ``IN_PIECES``."""
    if suffix == ".json":
        _write_elements(handle, rows, b"")
    else:
        _write_json_lines(handle, rows)


def join_pieces(handle: BinaryIO, pieces: Iterable[BinaryIO], suffix: str) -> None:
    """Write the file that pieces make up, in their order, and close them, so that their room on disk is free."""
    before = _JSON_BEGIN
    for piece in pieces:
        with piece:
            if not piece.seek(0, os.SEEK_END):
                continue
            piece.seek(0)
            if suffix == ".json":
                handle.write(before)
            shutil.copyfileobj(piece, handle, _COPIED_BYTES)
            before = _JSON_BETWEEN
    if suffix == ".json":
        handle.write(_JSON_END[before])


def json_line(row: Row) -> bytes:
    """One row of a JSON lines file."""
    return json_bytes(row) + b"\n"


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes its name, synced to disk, only when the block ends well. Missing folders are made.

    Raises:
        UsageError: when it cannot be written.
    """
    # Its name is no longer than others: a file may have the longest name that the file system takes.
    draft = path.with_name(f".{secrets.token_hex(8)}.part")
    make_folder_of(path)
    with write_errors(path):
        try:
            with draft.open("xb", buffering=_BUFFER_BYTES) as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn what the system refuses into a UsageError that names the file."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {limit_met(error) or error.strerror or error}") from error


def make_folder_of(path: Path) -> None:
    """Make the folder of a file where it is missing. Raises UsageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UsageError(f"{path}: cannot be written: {error.filename or path.parent} is a file, no folder") from error
    except OSError as error:
        why = error.strerror or error
        raise UsageError(f"{path}: the folder {path.parent} cannot be made: {why} (name another one)") from error


def sync_folder(folder: Path) -> None:
    """Make names that were given in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_json_lines(handle: BinaryIO, rows: Iterable[Row]) -> None:
    handle.writelines(map(json_line, rows))


def _write_json(handle: BinaryIO, rows: Iterable[Row]) -> None:
    handle.write(_JSON_END[_write_elements(handle, rows, _JSON_BEGIN)])


def _write_elements(handle: BinaryIO, rows: Iterable[Row], before: bytes) -> bytes:
    """Write the elements of a JSON array behind what stands before them; what stands before the next one."""
    for row in rows:
        handle.write(before + json_bytes(row))
        before = _JSON_BETWEEN
    return before


class _LineFeeds:
    """Ends each row with a line feed alone. The csv module (until Python 3.13) puts a cell with a carriage return in
    quotes only where rows end with one; out of quotes it would end the row."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text

    def write(self, row: str) -> None:
        """Write one row, which ends in ``_CR_LF``."""
        self._text.write(f"{row.removesuffix(_CR_LF)}\n")


def _write_csv(handle: BinaryIO, rows: Iterable[Row], guard: FormulaGuard | None = None) -> None:
    guard = guard or FormulaGuard()
    columns: dict[str, None] = {}
    with _spooled(rows, lambda batch: columns.update(dict.fromkeys(name for row in batch for name in row))) as batches:
        text = io.TextIOWrapper(handle, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(_LineFeeds(text), lineterminator=_CR_LF)
        writer.writerow([guard(writable(name)) for name in columns])
        for batch in batches:
            writer.writerows([_cell(row.get(name), guard) for name in columns] for row in batch)
        text.detach()


def _write_parquet(handle: BinaryIO, rows: Iterable[Row]) -> None:
    from star_agents.storage.formats.parquet_files import ColumnTypes, write_parquet  # noqa: PLC0415  loads pyarrow

    columns = ColumnTypes()
    with _spooled(rows, columns.add) as batches:
        write_parquet(handle, batches, columns)


def _cell(value: Any, guard: FormulaGuard) -> str:
    if value is None:
        return ""
    return guard(writable(value)) if isinstance(value, str) else json_text(value)


@contextmanager
def _spooled(
    rows: Iterable[Row], see: Callable[[list[dict[str, Any]]], None]
) -> Iterator[Iterator[list[dict[str, Any]]]]:
    """Show all rows to ``see`` in batches, then give them out again: formats with a header need to know it first."""
    with tempfile.TemporaryFile() as spool:
        waiting = iter(rows)
        count = 0
        while batch := [dict(row) for row in itertools.islice(waiting, _BATCH_ROWS)]:
            see(batch)
            pickle.dump(batch, spool)
            count += 1
        spool.seek(0)
        yield (pickle.load(spool) for _ in range(count))


_WRITERS: dict[str, Callable[[BinaryIO, Iterable[Row]], None]] = {
    ".jsonl": _write_json_lines,
    ".json": _write_json,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}
