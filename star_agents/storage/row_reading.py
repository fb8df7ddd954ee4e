"""Rows of a file with their places: JSON lines, JSON, CSV and Parquet.

Text is UTF-8, with or without a byte order mark. What cannot be read becomes a Problem in place of its row, so that one
pass tells everything that is wrong with a file.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from star_agents.errors import Problem, SeedFileError
from star_agents.storage.parquet_files import ParquetError, read_parquet

Row = dict[str, Any]
Found = tuple[str, Row] | Problem
"""A row with its place, such as ``seeds.jsonl:12``; or what is wrong there."""

LIST_COLUMNS = ("messages", "conversations", "instances", "history")
"""Columns that hold lists; in a CSV cell they are JSON."""

UTF8 = "save the file as UTF-8"
_BOM = b"\xef\xbb\xbf"
_LONGEST_CELL = 2**31 - 1
"""The csv module takes no more on every platform; its own default of 128 KiB is less than a long answer."""


def read_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield every row with its place, all columns kept.

    Raises:
        SeedFileError: when the file cannot be read, or at its first bad row.
    """
    for found in scan_rows(path):
        if isinstance(found, Problem):
            raise SeedFileError([found])
        yield found


def scan_rows(path: Path) -> Iterator[Found]:
    """Yield every row with its place, or the problem that stands there.

    Raises:
        SeedFileError: when there is no such file, or its kind is unknown.
    """
    scan = _SCANNERS.get(path.suffix.lower())
    if scan is None:
        _refuse(path, f"unknown kind of file {path.suffix!r}", f"use one of {', '.join(_SCANNERS)}")
    try:
        yield from scan(path)
    except FileNotFoundError:
        _refuse(path, "no such file", "check the path")
    except OSError as error:
        _refuse(path, f"cannot be read: {error.strerror or error}", "check the file and its permissions")


def _refuse(path: Path, message: str, fix: str) -> NoReturn:
    raise SeedFileError([Problem(where=str(path), field="", message=message, fix=fix)])


def _scan_json_lines(path: Path) -> Iterator[Found]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            line = line.removeprefix(_BOM) if number == 1 else line
            if line.strip():
                yield _json_line(line, f"{path.name}:{number}")


def _json_line(line: bytes, where: str) -> Found:
    try:
        value = _parse(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Problem(where=where, field="", message=_bad_byte(error), fix=UTF8)
    except json.JSONDecodeError as error:
        return Problem(where=where, field="", message=f"not JSON: {error.msg} at column {error.colno}")
    except (ValueError, RecursionError) as error:
        return Problem(where=where, field="", message=f"not JSON: {error}")
    return _object(value, where, "write one JSON object per line; a list of rows belongs into a .json file")


def _scan_json(path: Path) -> Iterator[Found]:
    data = path.read_bytes().removeprefix(_BOM)
    if not data.strip():
        return
    try:
        value = _parse(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        message = f"byte 0x{data[error.start]:02x} at column {column} is not UTF-8"
        yield Problem(where=f"{path.name}:{line}", field="", message=message, fix=UTF8)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and data.lstrip().startswith(b"{"):
            yield from _scan_json_lines(path)  # Many a .json file holds JSON lines.
            return
        message = f"not JSON: {error.msg} at column {error.colno}"
        yield Problem(where=f"{path.name}:{error.lineno}", field="", message=message)
    except (ValueError, RecursionError) as error:
        yield Problem(where=path.name, field="", message=f"not JSON: {error}")
    else:
        yield from _json_rows(value, path)


def _json_rows(value: Any, path: Path) -> Iterator[Found]:
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        yield Problem(where=path.name, field="", message="must be a list of rows", fix="write [{...}, {...}]")
        return
    for number, row in enumerate(value, start=1):
        yield _object(row, f"{path.name}:row {number}", "each row is a JSON object")


def _parse(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _object(value: Any, where: str, fix: str) -> Found:
    if isinstance(value, dict):
        return where, value
    return Problem(where=where, field="", message=f"must be an object; found {json.dumps(value)[:40]}", fix=fix)


def _bad_byte(error: UnicodeDecodeError) -> str:
    return f"byte 0x{error.object[error.start]:02x} at column {error.start + 1} is not UTF-8"


def _scan_csv(path: Path) -> Iterator[Found]:
    # surrogateescape keeps a bad byte recognisable, so that the row which holds it can be named.
    text = path.read_bytes().removeprefix(_BOM).decode("utf-8", "surrogateescape")
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    while True:
        where = f"{path.name}:{reader.line_num + 1}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            fix = "a quote in a quoted cell is doubled, and every quoted cell is closed"
            yield Problem(where=where, field="", message=f"not CSV: {error}", fix=fix)
            return
        if not cells:
            continue
        if header is None:
            if (problem := _header_problem(cells, where)) is not None:
                yield problem
                return
            header = cells
        else:
            yield _csv_row(header, cells, where)


def _header_problem(header: list[str], where: str) -> Problem | None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        return Problem(where=where, field=twice[0], message="stands twice in the header", fix="name each column once")
    if any(_escaped_byte(name) for name in header):
        return Problem(where=where, field="", message="the header is not UTF-8", fix=UTF8)
    return None


def _csv_row(header: list[str], cells: list[str], where: str) -> Found:
    if len(cells) != len(header):
        message = f"{len(cells)} cells, but the header names {len(header)} columns"
        return Problem(where=where, field="", message=message, fix="put a cell that holds a comma in quotes")
    for name, cell in zip(header, cells, strict=True):
        if byte := _escaped_byte(cell):
            return Problem(where=where, field=name, message=f"byte {byte} is not UTF-8", fix=UTF8)
    return where, {name: _cell(name, cell) for name, cell in zip(header, cells, strict=True)}


def _cell(name: str, cell: str) -> Any:
    """A cell as it stands, but for those that hold lists as JSON."""
    if name not in LIST_COLUMNS:
        return cell
    if not cell.strip():
        return None
    try:
        return _parse(cell)
    except (ValueError, RecursionError):
        return cell  # Reported as text where a list belongs.


def _escaped_byte(text: str) -> str:
    """The first byte of ``text`` that was no UTF-8, or nothing."""
    if text.isascii():
        return ""
    return next((f"0x{ord(one) - 0xDC00:02x}" for one in text if "\udc80" <= one <= "\udcff"), "")


def _scan_parquet(path: Path) -> Iterator[Found]:
    try:
        for number, row in enumerate(read_parquet(path), start=1):
            where = f"{path.name}:row {number}"
            yield (
                Problem(where=where, field="", message=str(row), fix=UTF8)
                if isinstance(row, ParquetError)
                else (where, row)
            )
    except ParquetError as error:
        yield Problem(where=path.name, field="", message=str(error), fix="write the file again")


_SCANNERS: dict[str, Callable[[Path], Iterator[Found]]] = {
    ".jsonl": _scan_json_lines,
    ".ndjson": _scan_json_lines,
    ".json": _scan_json,
    ".csv": _scan_csv,
    ".parquet": _scan_parquet,
}
