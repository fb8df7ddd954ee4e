"""Items of benchmarks, from whatever files the user has them in, as a dataset is held against them.

    question_id, turns            FastChat's questions: the first turn, later ones, and `reference` where there is one
    question_id, choices          FastChat's answers: those of the first choice
    Instruction, Skill            the WizardLM set
    anything of ``seed_rows``     a sample or a document, with its answer where it has one

and any other row by the names of its columns. A benchmark that is read in part would be missed in silence, so that one
bad row refuses the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from star_agents.config.contamination import BenchmarkColumns, BenchmarkFile
from star_agents.errors import Problem, SeedFileError
from star_agents.records import Document, Sample
from star_agents.records.contamination import BenchmarkItem, PartKind
from star_agents.storage.formats.row_fields import Row, RowError, found, items, optional
from star_agents.storage.formats.row_reading import scan_rows
from star_agents.storage.incoming.question_files import benchmark_name
from star_agents.storage.incoming.seed_rows import read_row

MOST_CHARACTERS = 50_000_000
"""Of all benchmarks together: in memory they take up to 20 times as many bytes, and twice that while they are read."""
PROBLEMS_TOLD = 100
IDS = ("question_id", "task_id", "id", "idx")
LONGEST_ID = 200
_BY_COLUMNS = "name its columns: `{file: PATH, columns: {question: NAME}}`, or --against-columns question=NAME"

Part = tuple[PartKind, str]


def read_benchmarks(files: Sequence[BenchmarkFile], beside: Path) -> Iterator[BenchmarkItem]:
    """Every item of every file, in order.

    Args:
        files: As agents.yaml names them.
        beside: The folder from which their paths go.

    Raises:
        SeedFileError: a file is not there, is empty or too large, or a row of it cannot be read; with line and field.
    """
    names: dict[str, str] = {}
    left = MOST_CHARACTERS
    for file in files:
        path = beside / Path(file.file).expanduser()
        name = benchmark_name(path)
        if names.setdefault(name, file.file) != file.file:
            name = file.file
        for item in _items(path, name, file.columns):
            left -= sum(len(text) for _, text in item.parts)
            if left < 0:
                told = f"the benchmarks hold more than {MOST_CHARACTERS:,} characters"
                raise SeedFileError([Problem(where=item.where, field="", message=told, fix="name fewer at a time")])
            yield item


def _items(path: Path, name: str, columns: BenchmarkColumns | None) -> Iterator[BenchmarkItem]:
    problems: list[Problem] = []
    is_empty = True
    for one in scan_rows(path):
        is_empty = False
        if isinstance(one, Problem):
            problems.append(one)
            continue
        where, row = one
        try:
            for place, parts in _parts(row) if columns is None else _in_columns(row, columns):
                item_id = _id(row, None if columns is None else columns.id) or where
                yield BenchmarkItem(benchmark=name, id=item_id, where=f"{where} {place}".rstrip(), parts=parts)
        except RowError as bad:
            problems.append(Problem(where=where, field=bad.field, message=bad.message, fix=bad.fix or _BY_COLUMNS))
        if len(problems) >= PROBLEMS_TOLD:
            break
    if is_empty:
        fix = "name the file that holds the benchmark's items"
        problems.append(Problem(where=str(path), field="", message="holds no rows", fix=fix))
    if problems:
        raise SeedFileError(problems)


def _parts(row: Row) -> Iterator[tuple[str, tuple[Part, ...]]]:
    """The items of a row, each with its place there. Raises RowError."""
    if "turns" in row and isinstance(row["turns"], (list, tuple)):
        turns = _texts(row["turns"], "turns")
        answers = _texts(row.get("reference") or (), "reference")
        yield "", (*_asked(turns), *_answered(answers))
    elif "choices" in row and "question_id" in row and "question" not in row:
        choices = items(row["choices"], "choices")
        if not choices or not isinstance(choices[0], Mapping):
            raise RowError("choices", "holds no answer", 'write [{"turns": ["...", "..."]}]')
        parts = _answered(_texts(choices[0].get("turns"), "choices[0].turns"))
        if not parts:
            raise RowError("choices[0].turns", "is empty", "write an answer for each turn, or leave the row out")
        yield "", parts
    elif "Instruction" in row:
        yield "", _asked([optional(row["Instruction"], "Instruction")], "Instruction")
    else:
        yield from _of_seeds(row)


def _of_seeds(row: Row) -> Iterator[tuple[str, tuple[Part, ...]]]:
    reading = read_row(row, "")
    if reading.problems:
        bad = reading.problems[0]
        raise RowError(bad.field, bad.message, _BY_COLUMNS)
    for seed in reading.seeds:
        if isinstance(seed.content, Document):
            yield seed.source, (("question", seed.content.text),)
        else:
            yield seed.source, _of_sample(seed.content)


def _of_sample(sample: Sample) -> tuple[Part, ...]:
    asked = [turn.content for turn in sample.history if turn.role == "user"]
    answers = [turn.content for turn in sample.history if turn.role == "assistant"]
    return (*_asked([*asked, sample.question]), *_answered([*answers, sample.response or ""]))


def _in_columns(row: Row, columns: BenchmarkColumns) -> Iterator[tuple[str, tuple[Part, ...]]]:
    question, answer = (
        "\n".join(text for name in names for text in _all_texts(_column(row, name)))
        for names in (columns.question, columns.answer)
    )
    yield (
        "",
        (
            *_asked([optional(question, columns.question[0])], columns.question[0]),
            *_answered([optional(answer, "answer")]),
        ),
    )


def _column(row: Row, name: str) -> Any:
    if name not in row:
        raise RowError(name, f"is no column of the row; it has {', '.join(map(str, row)) or 'none'}", "mend `columns`")
    return row[name]


def _all_texts(value: Any) -> Iterator[str]:
    """Every text in a value, numbers as they are written."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for one in value:
            yield from _all_texts(one)
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield str(value)


def _texts(value: Any, field: str) -> list[str]:
    turns = [one.get("content") if isinstance(one, Mapping) else one for one in items(value, field)]
    return [optional(turn, f"{field}[{place}]") for place, turn in enumerate(turns)]


def _asked(turns: Sequence[str], field: str = "turns") -> tuple[Part, ...]:
    """Raises RowError where nothing is asked."""
    if not turns or not turns[0]:
        raise RowError(field, "is empty", "write what the user says, a text for each turn")
    return (("question", turns[0]), *(("follow-up", turn) for turn in turns[1:]))


def _answered(texts: Sequence[str]) -> tuple[Part, ...]:
    return tuple(("answer", text) for text in texts if text)


def _id(row: Row, column: str | None) -> str:
    """Raises RowError where a named column holds none."""
    for name in IDS if column is None else (column,):
        value = row.get(name)
        if isinstance(value, (int, str)) and not isinstance(value, bool) and (text := str(value).strip()):
            return text[:LONGEST_ID]
    if column is not None:
        raise RowError(column, f"must be a number or a text; found {found(row.get(column))}", "mend `columns`")
    return ""
