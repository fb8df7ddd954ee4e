"""Rows of CSV and its kin: cells between commas, semicolons, tabs or bars, whichever the header is made with."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from star_agents.errors import Problem
from star_agents.storage.formats.json_array import parse
from star_agents.storage.formats.scanned import CutShort, Found
from star_agents.storage.formats.unpacking import open_unpacked, plain_suffix
from star_agents.text.encodings import MARK, byte_problem, mark_problem

LIST_COLUMNS = ("messages", "conversations", "conversation", "instances", "history", "turns", "data", "tools")
"""Columns that hold lists; in a cell they are JSON."""
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_LONGEST_CELL = 2**31 - 1
"""The csv module takes no more on every platform; its own default of 128 KiB is less than a long answer."""
_QUOTED = re.compile(r'"[^"]*"')
_EXCELS_WORD = re.compile(r"sep=(.)\r?\n?")


def scan_delimited(path: Path) -> Iterator[Found]:
    """Every row, or the problem in its place."""
    # surrogateescape keeps a bad byte recognisable, so that the row which holds it can be named.
    with io.TextIOWrapper(open_unpacked(path), encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        yield from _rows(text, path)


def _rows(text: TextIO, path: Path) -> Iterator[Found]:
    csv.field_size_limit(_LONGEST_CELL)
    before, first = 0, text.readline()
    if word := _EXCELS_WORD.fullmatch(first):
        before, first = 1, text.readline()
    delimiter = word[1] if word else "\t" if plain_suffix(path) == ".tsv" else _delimiter_of(first)
    reader = csv.reader(itertools.chain([first], text), strict=True, delimiter=delimiter)
    header: list[str] | None = None
    while True:
        where = f"{path.name}:{before + reader.line_num + 1}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _torn(where, error)
            return
        if not cells:
            continue
        if header is None:
            if (problem := _header_problem(cells, where)) is not None:
                yield problem
                return
            header = cells
        else:
            yield _row(header, cells, where, delimiter)


def _delimiter_of(header: str) -> str:
    """What cuts the header into the most columns, quoted names aside; a comma where nothing does better."""
    return max(DELIMITERS, key=_QUOTED.sub("", header).count)  # The first of equals: the comma.


def _torn(where: str, error: csv.Error) -> Problem:
    fix = "a quote in a quoted cell is doubled, and every quoted cell is closed"
    kind = CutShort if "end of data" in str(error) else Problem
    return kind(where=where, field="", message=f"not CSV: {error}", fix=fix)


def _header_problem(header: list[str], where: str) -> Problem | None:
    if header[0].startswith(MARK):
        return mark_problem(where)
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        return Problem(where=where, field=twice[0], message="stands twice in the header", fix="name each column once")
    return next((problem for name in header if (problem := _encoding_problem(name, "the header", where))), None)


def _row(header: list[str], cells: list[str], where: str, delimiter: str) -> Found:
    if cells[0].startswith(MARK):
        return mark_problem(where)
    if cells == header:
        return Problem(where=where, field="", message="repeats the header; were files joined here?", fix="remove it")
    if len(cells) != len(header):
        message = f"{len(cells)} cells, but the header names {len(header)} columns"
        fix = f"put a cell that holds a {DELIMITERS.get(delimiter, repr(delimiter))} in quotes"
        return Problem(where=where, field="", message=message, fix=fix)
    for name, cell in zip(header, cells, strict=True):
        if problem := _encoding_problem(cell, name, where):
            return problem
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


def _encoding_problem(text: str, field: str, where: str) -> Problem | None:
    """The first byte of ``text`` that was no UTF-8, if any."""
    if text.isascii():
        return None
    try:
        text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeDecodeError as error:
        return byte_problem(where, field, error)
    return None
