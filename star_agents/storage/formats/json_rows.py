"""Rows of JSON lines and of JSON: an array, one object, or lines after all."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from star_agents.errors import Problem
from star_agents.storage.formats.json_array import JsonError, array_elements, parse
from star_agents.storage.formats.scanned import CutShort, Found
from star_agents.storage.formats.unpacking import open_unpacked
from star_agents.text.encodings import BOM, byte_problem, mark_problem

_HEAD_BYTES = 1 << 16
"""Looked at to tell an array from an object; blanks may come first."""
_MARGIN = 16
"""Characters before the end within which an error may come of the end itself, as inside an escape or a literal."""


def scan_json_lines(path: Path) -> Iterator[Found]:
    """Every line's row, or the problem in its place."""
    with open_unpacked(path) as file:
        for number, line in enumerate(file, start=1):
            line = line.removeprefix(BOM) if number == 1 else line
            if line.strip():
                yield _line(line, f"{path.name}:{number}")


def _line(line: bytes, where: str) -> Found:
    if line.startswith(BOM):
        return mark_problem(where)
    # What has no end yet may be cut, or still be written.
    kind = Problem if line.endswith(b"\n") else CutShort
    try:
        value = parse(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return byte_problem(where, "", error)
    except json.JSONDecodeError as error:
        return kind(where=where, field="", message=f"not JSON: {error.msg} at column {error.colno}")
    except (ValueError, RecursionError) as error:
        return kind(where=where, field="", message=f"not JSON: {error}")
    return _object(value, where, "write one JSON object per line; a list of rows belongs into a .json file")


def scan_whole_json(path: Path) -> Iterator[Found]:
    """As ``scan_json``, but a torn array gives its problem alone: nobody knows what its rows were part of."""
    if _begins_with(path, b"[") and (torn := _tear(path)) is not None:
        yield torn
        return
    yield from scan_json(path)


def scan_json(path: Path) -> Iterator[Found]:
    """Every row, or the problem in its place; an array's rows come before the problem that ends it."""
    if _begins_with(path, b"["):
        yield from _scan_array(path)
    elif _begins_with(path, b"{") and _first_line_is_a_value(path):
        yield from scan_json_lines(path)  # Many a .json file holds JSON lines.
    else:
        yield from _scan_value(path)


def _begins_with(path: Path, mark: bytes) -> bool:
    with open_unpacked(path) as file:
        return file.read(_HEAD_BYTES).removeprefix(BOM).lstrip().startswith(mark)


def _first_line_is_a_value(path: Path) -> bool:
    with open_unpacked(path) as file:
        first = next((line for line in file if line.removeprefix(BOM).strip()), b"")
    try:
        parse(first.removeprefix(BOM).decode("utf-8"))
    except (ValueError, RecursionError):
        return False
    return True


def _scan_array(path: Path) -> Iterator[Found]:
    try:
        with open_unpacked(path) as file:
            for number, row in enumerate(array_elements(file), start=1):
                yield _row(row, path, number)
    except (JsonError, UnicodeDecodeError) as error:
        yield _torn(path, error)


def _tear(path: Path) -> Problem | None:
    """Where the array of a file ends before its end, if it does."""
    try:
        with open_unpacked(path) as file:
            for _ in array_elements(file):
                pass
    except (JsonError, UnicodeDecodeError) as error:
        return _torn(path, error)
    return None


def _torn(path: Path, error: JsonError | UnicodeDecodeError) -> Problem:
    if isinstance(error, JsonError):
        where = f"{path.name}:{error.line}" if error.line else path.name
        kind = CutShort if error.at_end else Problem
        return mark_problem(where) if error.is_mark else kind(where=where, field="", message=str(error))
    with open_unpacked(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                (line.removeprefix(BOM) if number == 1 else line).decode("utf-8")
            except UnicodeDecodeError as bad:
                return byte_problem(f"{path.name}:{number}", "", bad)
    return Problem(where=path.name, field="", message="is not UTF-8", fix="save the file as UTF-8")


def _scan_value(path: Path) -> Iterator[Found]:
    """One value over several lines."""
    with open_unpacked(path) as file:
        data = file.read().removeprefix(BOM)
    if not data.strip():
        return
    try:
        text = data.decode("utf-8")
        value = parse(text)
    except UnicodeDecodeError as error:
        yield _torn(path, error)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and data.lstrip().startswith(b"{"):
            yield from scan_json_lines(path)
            return
        is_cut = error.msg.startswith("Unterminated") or error.pos + _MARGIN >= len(text)
        message = f"not JSON: {error.msg} at column {error.colno}"
        yield (CutShort if is_cut else Problem)(where=f"{path.name}:{error.lineno}", field="", message=message)
    except (ValueError, RecursionError) as error:
        yield Problem(where=path.name, field="", message=f"not JSON: {error}")
    else:
        if isinstance(value, (dict, list)):
            rows = value if isinstance(value, list) else [value]
            yield from (_row(row, path, number) for row, number in zip(rows, itertools.count(1)))
        else:
            yield Problem(where=path.name, field="", message="must be a list of rows", fix="write [{...}, {...}]")


def _row(value: Any, path: Path, number: int) -> Found:
    return _object(value, f"{path.name}:row {number}", "each row is a JSON object")


def _object(value: Any, where: str, fix: str) -> Found:
    if isinstance(value, dict):
        return where, value
    return Problem(where=where, field="", message=f"must be an object; found {json.dumps(value)[:40]}", fix=fix)
