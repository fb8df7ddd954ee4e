"""Pairs of answers with what people say of them, from files of any kind that ``row_reading`` knows.

    instruction, input, response1, response2, annotator1, annotator2 ...    PandaLM; 0 a tie, 1, 2
    input, output_1, output_2, label                                        LLMBar; 1, 2
    anything else, by the names of its columns

A prompt is a text, or turns of a conversation. Verdicts that somebody recorded are read by ``read_verdicts``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from star_agents.arena.agreement import Side
from star_agents.arena.people import PeoplesPair
from star_agents.errors import Problem, SeedFileError, UsageError
from star_agents.records import Sample
from star_agents.storage.formats.row_fields import Row, RowError, found, optional, says_something
from star_agents.storage.formats.row_reading import scan_rows
from star_agents.storage.incoming.seed_rows import read_row
from star_agents.text.content_hash import digest

_WORDS: Mapping[Side, str] = {
    "first": "1 first a left model_a response1 response_1 output_1",
    "second": "2 second b right model_b response2 response_2 output_2",
    "tie": "0 tie c draw both same equal neither",
}
_SIDES: Mapping[str, Side] = {word: side for side, words in _WORDS.items() for word in words.split()}
VERDICT = re.compile(r"(?:(.+)_)?(?:result|verdict|winner)")
"""A column that holds what a judge said."""
INDEX = "idx"
"""Column by which recorded verdicts name their pairs; without it the n-th stands for the n-th."""
PROBLEMS_TOLD = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Where the parts of a row stand."""

    prompt: str
    first: str
    second: str
    labels: tuple[str, ...]
    """One for each annotator."""
    input: str = ""
    """What the prompt works on, where that is a column of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AnsweredPair:
    """A row: two answers to one prompt."""

    asked: Sample
    """Without a response."""
    first: str
    second: str
    judged: PeoplesPair
    """The same in numbers, with what people say."""
    index: str = ""
    """What the row calls itself, where it has ``idx``."""

    @property
    def answers_are_equal(self) -> bool:
        """Word for word: nobody need be asked."""
        return self.first == self.second


@dataclass(frozen=True, kw_only=True, slots=True)
class PairFile:
    """What a file holds."""

    pairs: tuple[AnsweredPair, ...]
    """One for every good row, in order of the file."""
    problems: tuple[Problem, ...]
    """One for every bad row."""


def read_pairs(path: Path, given: Mapping[str, Any] | None = None) -> PairFile:
    """Read every row. Bad ones do not raise, they are listed.

    Args:
        path: The file.
        given: Fields of ``Columns`` that take the place of what the first row tells.

    Raises:
        SeedFileError: there is no such file, or its kind is unknown.
        UsageError: the columns of its first row are of no form that is known, and were not named.
    """
    pairs: list[AnsweredPair] = []
    problems: list[Problem] = []
    columns: Columns | None = None
    for one in scan_rows(path):
        if isinstance(one, Problem):
            problems.append(one)
            continue
        where, row = one
        columns = columns or _columns_of(row, given or {}, path)
        try:
            pairs.append(_pair(row, columns))
        except RowError as bad:
            problems.append(Problem(where=where, field=bad.field, message=bad.message, fix=bad.fix))
    if columns is None and not problems:
        problems.append(Problem(where=path.name, field="", message="holds no rows"))
    return PairFile(pairs=tuple(pairs), problems=tuple(problems))


def _columns_of(row: Row, given: Mapping[str, Any], path: Path) -> Columns:
    annotators = tuple(sorted(str(name) for name in row if re.fullmatch(r"annotator_?\d+", str(name))))
    known: dict[str, Any] = {}
    if {"instruction", "response1", "response2"} <= row.keys() and annotators:
        known = {"prompt": "instruction", "first": "response1", "second": "response2", "labels": annotators}
        known |= {"input": "input"} if "input" in row else {}
    elif {"input", "output_1", "output_2", "label"} <= row.keys():
        known = {"prompt": "input", "first": "output_1", "second": "output_2", "labels": ("label",)}
    parts = {**known, **given}
    named = chain((str(name) for key, name in parts.items() if key != "labels"), parts.get("labels", ()))
    lacks = [name for name in named if name not in row]
    missing = [name for name in ("prompt", "first", "second", "labels") if name not in parts]
    if not lacks and not missing:
        return Columns(**parts)
    told = f"has no column {lacks[0]!r}" if lacks else "is of no form that is known here"
    options = " ".join(f"--{name.rstrip('s')}-column NAME" for name in (missing or ["prompt"]))
    raise UsageError(f"{path.name} {told}; found {', '.join(map(str, row))}. Name its columns: {options}")


def _pair(row: Row, columns: Columns) -> AnsweredPair:
    asked = _asked(row, columns)
    first, second = (_answer(row.get(name), name) for name in (columns.first, columns.second))
    votes = tuple(side_in(row.get(name), name) for name in columns.labels)
    prompt = digest(asked.to_dict())[:32]
    judged = PeoplesPair(
        id=digest([prompt, first, second])[:32],
        prompt=prompt,
        votes=votes,
        first_chars=len(first),
        second_chars=len(second),
    )
    index = row.get(INDEX)
    return AnsweredPair(
        asked=asked, first=first, second=second, judged=judged, index="" if index is None else str(index)
    )


def _answer(value: Any, field: str) -> str:
    """A text that may be empty: people have judged such answers, too. An answer that JSON has taken for a number or a
    truth value is the text that it was written as. Raises RowError."""
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    if not isinstance(value, str):
        raise RowError(field, f"must be text; found {found(value)}")
    optional(value, field)
    return value


def _asked(row: Row, columns: Columns) -> Sample:
    """The prompt as every seed file's is read; where it says nothing, its input is all that was asked."""
    asked, given = row.get(columns.prompt), row.get(columns.input) if columns.input else None
    plain = {"prompt": asked, "input": given} if says_something(asked) else {"prompt": given or asked}
    reading = read_row(plain, "")
    if reading.problems:
        bad = reading.problems[0]
        named = {"prompt": columns.prompt, "input": columns.input}
        raise RowError(named.get(bad.field, bad.field), bad.message, bad.fix)
    sample = reading.seeds[0].sample
    if sample.response is not None:
        raise RowError(columns.prompt, "ends with an answer", "let it end with what both answers answer")
    return sample


def side_in(value: Any, field: str) -> Side:
    """Which answer a cell names as the better one. Raises RowError."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise RowError(field, f"must name the better answer; found {found(value)}", _fix())
    word = f"{value:g}" if isinstance(value, float) else str(value)
    side = _SIDES.get(word.strip().lower().split(" ")[0] if word.strip() else "")
    if side is None:
        raise RowError(field, f"is {word[:40]!r}, which names no answer", _fix())
    return side


def _fix() -> str:
    return "write 1 or first, 2 or second, 0 or tie"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdicts:
    """What a judge said of pairs in one order, as somebody recorded it."""

    judge: str
    said: tuple[Side | None, ...]
    """Of each pair of the data, in its order; ``None``: what is recorded names no answer."""


def read_verdicts(path: Path, pairs: Sequence[AnsweredPair], column: str = "") -> Verdicts:
    """A column of verdicts over the pairs of a file: by ``idx`` where both have it, else the n-th over the n-th.

    Args:
        path: Of any kind that rows are read from.
        pairs: Of the data.
        column: Its name; left out, the one called ``result``, ``verdict`` or ``winner``, or ``NAME_result`` and so on.

    Raises:
        SeedFileError: a row cannot be read.
        UsageError: there is no such column, or the verdicts are not those of these pairs.
    """
    rows: list[Row] = []
    problems: list[Problem] = []
    for one in scan_rows(path):
        if isinstance(one, Problem):
            problems.append(one)
        else:
            rows.append(one[1])
    if problems:
        raise SeedFileError(problems[:PROBLEMS_TOLD])
    column = _verdict_column(rows, column, path)
    said = [_recorded(row, column) for row in rows]
    named = VERDICT.fullmatch(column)
    judge = (named[1] if named else None) or path.stem
    if pairs and all(one.index for one in pairs) and all(row.get(INDEX) is not None for row in rows):
        by_index = {str(row[INDEX]): side for row, side in zip(rows, said, strict=True)}
        if missing := [one.index for one in pairs if one.index not in by_index]:
            raise UsageError(f"{path.name} has no verdict with {INDEX} {missing[0]}; {len(missing):,} pairs lack one")
        return Verdicts(judge=judge, said=tuple(by_index[one.index] for one in pairs))
    if len(said) != len(pairs):
        raise UsageError(f"{path.name} holds {len(said):,} verdicts and the data {len(pairs):,} pairs")
    return Verdicts(judge=judge, said=tuple(said))


def _verdict_column(rows: Sequence[Row], column: str, path: Path) -> str:
    names = [str(name) for name in (rows[0] if rows else ())]
    if column:
        if column not in names:
            raise UsageError(f"{path.name} has no column {column!r}; found {', '.join(names)}")
        return column
    fitting = [name for name in names if VERDICT.fullmatch(name)]
    if len(fitting) != 1:
        told = f"{len(fitting)} columns that could hold verdicts" if fitting else "no column that holds verdicts"
        raise UsageError(f"{path.name} has {told}; found {', '.join(names)}. Name it: --verdict-column NAME")
    return fitting[0]


def _recorded(row: Row, column: str) -> Side | None:
    try:
        return side_in(row.get(column), column)
    except RowError:
        return None
