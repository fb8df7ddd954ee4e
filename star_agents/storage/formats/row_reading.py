"""Rows of a file with their places: JSON lines, JSON, CSV and Parquet, read as they are asked for.

A file of any length is in memory a row, a block or a Parquet batch at a time; only a .json file that is one object
spread over several lines is read whole. Text is UTF-8, with or without a byte order mark, and may be packed by gzip or
Zstandard, whatever the file is called. What cannot be read becomes a Problem in place of its row, so that one pass
tells everything that is wrong with a file.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from star_agents.errors import Problem, SeedFileError
from star_agents.storage.formats.delimited_rows import scan_delimited
from star_agents.storage.formats.json_rows import scan_json, scan_json_lines, scan_whole_json
from star_agents.storage.formats.scanned import CutShort, Found, Row
from star_agents.storage.formats.unpacking import (
    PACKED_SUFFIXES,
    PARQUET_MAGIC,
    UnpackError,
    is_packed,
    open_unpacked,
    plain_suffix,
)
from star_agents.text.encodings import LOOKED_AT, wide_encoding, wide_problem

UTF8 = "save the file as UTF-8"
PARQUET = ".parquet"


def read_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield every row with its place, all columns kept.

    Raises:
        SeedFileError: when the file cannot be read, or at its first bad row.
    """
    for found in _scan(path, _SCANNERS):
        if isinstance(found, Problem):
            raise SeedFileError([found])
        yield found


def scan_rows(path: Path) -> Iterator[Found]:
    """Yield every row with its place, or the problem that stands there.

    Raises:
        SeedFileError: when there is no such file, or its kind is unknown.
    """
    yield from _scan(path, {**_SCANNERS, ".json": scan_whole_json})


def ends_open(path: Path) -> bool:
    """Whether the last line of a file of lines has no end yet: a cell that is cut looks like a whole one.

    Raises:
        SeedFileError: when it cannot be read.
    """
    try:
        if plain_suffix(path) not in (".csv", ".tsv") or is_packed(path):
            return False
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 1))
            return size > 0 and file.read(1) not in (b"\n", b"\r")
    except OSError as error:
        _refuse(path, f"cannot be read: {error.strerror or error}", "check the file and its permissions")


def _scan(path: Path, scanners: Mapping[str, Callable[[Path], Iterator[Found]]]) -> Iterator[Found]:
    scan = scanners.get(plain_suffix(path))
    if scan is None and not _is_there(path):
        _refuse(path, "no such file", _near(path))
    if scan is None:
        packed = f"; {' and '.join(PACKED_SUFFIXES[:2])} may follow"
        _refuse(path, f"unknown kind of file {path.suffix!r}", f"use one of {', '.join(scanners)}{packed}")
    try:
        if (problem := _wrong_kind(path)) is not None:
            yield problem
        else:
            yield from scan(path)
    except FileNotFoundError:
        _refuse(path, "no such file", _near(path))
    except OSError as error:
        _refuse(path, f"cannot be read: {error.strerror or error}", "check the file and its permissions")
    except UnpackError as error:
        kind = CutShort if error.is_cut else Problem
        yield kind(where=path.name, field="", message=str(error), fix=error.fix)


def _is_there(path: Path) -> bool:
    """Whether a path leads to anything. Raises ``SeedFileError`` where nothing can have such a name."""
    try:
        return path.exists()
    except OSError as error:
        _refuse(path, f"cannot be read: {error.strerror or error}", "check the path")


def _near(path: Path) -> str:
    """What was probably meant by a file that is not there."""
    try:
        names = [one.name for one in itertools.islice(path.parent.iterdir(), 10_000)]
    except OSError:
        return f"there is no folder {path.parent} either" if not _is_there(path.parent) else "check the path"
    near = difflib.get_close_matches(path.name, names, n=1) or [name for name in names if name.startswith(path.name)]
    return f"did you mean {path.with_name(near[0])}?" if near else "check the path"


def _wrong_kind(path: Path) -> Problem | None:
    """What a file is that its name does not say. Raises OSError and UnpackError."""
    if plain_suffix(path) == PARQUET:
        if is_packed(path):
            fix = "unpack it first; Parquet is compressed by itself"
            return Problem(where=path.name, field="", message="is a packed Parquet file, which is not read", fix=fix)
        return None
    with open_unpacked(path) as file:
        head = file.read(LOOKED_AT)
    if head.startswith(PARQUET_MAGIC):
        return Problem(where=path.name, field="", message="is a Parquet file", fix="let its name end in .parquet")
    encoding = wide_encoding(head)
    return wide_problem(path.name, encoding) if encoding else None


def _refuse(path: Path, message: str, fix: str) -> NoReturn:
    raise SeedFileError([Problem(where=str(path), field="", message=message, fix=fix)])


def _scan_parquet(path: Path) -> Iterator[Found]:
    from star_agents.storage.formats.parquet_files import ParquetError, read_parquet  # noqa: PLC0415  loads pyarrow

    try:
        for number, row in enumerate(read_parquet(path), start=1):
            where = f"{path.name}:row {number}"
            yield (
                Problem(where=where, field="", message=str(row), fix=UTF8)
                if isinstance(row, ParquetError)
                else (where, row)
            )
    except ParquetError as error:
        kind = CutShort if error.is_cut else Problem
        yield kind(where=path.name, field="", message=str(error), fix="write the file again")


_SCANNERS: dict[str, Callable[[Path], Iterator[Found]]] = {
    ".jsonl": scan_json_lines,
    ".ndjson": scan_json_lines,
    ".json": scan_json,
    ".csv": scan_delimited,
    ".tsv": scan_delimited,
    PARQUET: _scan_parquet,
}
