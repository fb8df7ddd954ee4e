"""Rows of a file with their places: JSON lines, JSON, CSV and Parquet, read as they are asked for.

A file of any length is in memory a row, a block or a Parquet batch at a time; only a .json file that is one object
spread over several lines is read whole. Text is UTF-8, with or without a byte order mark. What cannot be read becomes a
Problem in place of its row, so that one pass tells everything that is wrong with a file.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TextIO

from star_agents.errors import Problem, SeedFileError
from star_agents.storage.json_array import JsonError, array_elements, parse
from star_agents.storage.parquet_files import ParquetError, read_parquet

Row = dict[str, Any]
Found = tuple[str, Row] | Problem
"""A row with its place, such as ``seeds.jsonl:12``; or what is wrong there."""

LIST_COLUMNS = ("messages", "conversations", "conversation", "instances", "history", "turns", "data", "tools")
"""Columns that hold lists; in a CSV cell they are JSON."""

UTF8 = "save the file as UTF-8"
_BOM = b"\xef\xbb\xbf"
_HEAD_BYTES = 1 << 16
"""Looked at to tell an array from an object; blanks may come first."""
_LONGEST_CELL = 2**31 - 1
"""The csv module takes no more on every platform; its own default of 128 KiB is less than a long answer."""


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
    yield from _scan(path, {**_SCANNERS, ".json": _scan_whole_json})


def _scan(path: Path, scanners: Mapping[str, Callable[[Path], Iterator[Found]]]) -> Iterator[Found]:
    scan = scanners.get(path.suffix.lower())
    if scan is None:
        _refuse(path, f"unknown kind of file {path.suffix!r}", f"use one of {', '.join(scanners)}")
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
        value = parse(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Problem(where=where, field="", message=_bad_byte(error), fix=UTF8)
    except json.JSONDecodeError as error:
        return Problem(where=where, field="", message=f"not JSON: {error.msg} at column {error.colno}")
    except (ValueError, RecursionError) as error:
        return Problem(where=where, field="", message=f"not JSON: {error}")
    return _object(value, where, "write one JSON object per line; a list of rows belongs into a .json file")


def _scan_whole_json(path: Path) -> Iterator[Found]:
    """As ``_scan_json``, but a torn array gives its problem alone: nobody knows what its rows were part of."""
    if _begins_with(path, b"[") and (torn := _tear(path)) is not None:
        yield torn
        return
    yield from _scan_json(path)


def _scan_json(path: Path) -> Iterator[Found]:
    if _begins_with(path, b"["):
        yield from _scan_array(path)
    elif _begins_with(path, b"{") and _first_line_is_a_value(path):
        yield from _scan_json_lines(path)  # Many a .json file holds JSON lines.
    else:
        yield from _scan_value(path)


def _begins_with(path: Path, mark: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES).removeprefix(_BOM).lstrip().startswith(mark)


def _first_line_is_a_value(path: Path) -> bool:
    with path.open("rb") as file:
        first = next((line for line in file if line.removeprefix(_BOM).strip()), b"")
    try:
        parse(first.removeprefix(_BOM).decode("utf-8"))
    except (ValueError, RecursionError):
        return False
    return True


def _scan_array(path: Path) -> Iterator[Found]:
    try:
        with path.open("rb") as file:
            for number, row in enumerate(array_elements(file), start=1):
                yield _row_of_json(row, path, number)
    except (JsonError, UnicodeDecodeError) as error:
        yield _torn(path, error)


def _tear(path: Path) -> Problem | None:
    """Where the array of a file ends before its end, if it does."""
    try:
        with path.open("rb") as file:
            for _ in array_elements(file):
                pass
    except (JsonError, UnicodeDecodeError) as error:
        return _torn(path, error)
    return None


def _torn(path: Path, error: JsonError | UnicodeDecodeError) -> Problem:
    if isinstance(error, JsonError):
        return Problem(where=f"{path.name}:{error.line}" if error.line else path.name, field="", message=str(error))
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                (line.removeprefix(_BOM) if number == 1 else line).decode("utf-8")
            except UnicodeDecodeError as bad:
                return Problem(where=f"{path.name}:{number}", field="", message=_bad_byte(bad), fix=UTF8)
    return Problem(where=path.name, field="", message="is not UTF-8", fix=UTF8)


def _scan_value(path: Path) -> Iterator[Found]:
    """One value over several lines."""
    data = path.read_bytes().removeprefix(_BOM)
    if not data.strip():
        return
    try:
        value = parse(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        yield _torn(path, error)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and data.lstrip().startswith(b"{"):
            yield from _scan_json_lines(path)
            return
        message = f"not JSON: {error.msg} at column {error.colno}"
        yield Problem(where=f"{path.name}:{error.lineno}", field="", message=message)
    except (ValueError, RecursionError) as error:
        yield Problem(where=path.name, field="", message=f"not JSON: {error}")
    else:
        if isinstance(value, (dict, list)):
            rows = value if isinstance(value, list) else [value]
            yield from (_row_of_json(row, path, number) for number, row in enumerate(rows, start=1))
        else:
            yield Problem(where=path.name, field="", message="must be a list of rows", fix="write [{...}, {...}]")


def _row_of_json(value: Any, path: Path, number: int) -> Found:
    return _object(value, f"{path.name}:row {number}", "each row is a JSON object")


def _object(value: Any, where: str, fix: str) -> Found:
    if isinstance(value, dict):
        return where, value
    return Problem(where=where, field="", message=f"must be an object; found {json.dumps(value)[:40]}", fix=fix)


def _bad_byte(error: UnicodeDecodeError) -> str:
    return f"byte 0x{error.object[error.start]:02x} at column {error.start + 1} is not UTF-8"


def _scan_csv(path: Path) -> Iterator[Found]:
    # surrogateescape keeps a bad byte recognisable, so that the row which holds it can be named.
    with path.open("r", encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        yield from _csv_rows(text, path)


def _csv_rows(text: TextIO, path: Path) -> Iterator[Found]:
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(text, strict=True)
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
        return parse(cell)
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
