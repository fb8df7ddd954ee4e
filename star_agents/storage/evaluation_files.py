"""What `evaluate` writes into its folder, and what is read of it again: by what it was judged, and every grade."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from star_agents.arena.grades import Grade
from star_agents.errors import Problem, SeedFileError, UsageError
from star_agents.storage.connection import STORE_FILE
from star_agents.storage.formats.json_rows import scan_json_lines
from star_agents.storage.formats.row_fields import Row, RowError, found, required
from star_agents.storage.formats.row_writing import atomic_file
from star_agents.text.plain_data import json_text

EVALUATION_FILE = "evaluation.json"
GRADES_FILE = "grades.jsonl"
PROTOCOL_FILE = "protocol.json"
TABLE_FILE = "table.csv"
PAIRS_FILE = "battles.jsonl"
LARGEST = 256 << 20
"""Bytes of a file of ours that are read whole."""
PROBLEMS_TOLD = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Earlier:
    """An evaluation as its folder keeps it."""

    folder: Path
    protocol: Mapping[str, Any]
    questions: Mapping[str, str]
    """By id, the digest of what a judge is shown of it."""
    repeats: int
    grades: tuple[Grade, ...]

    @property
    def models(self) -> list[str]:
        """In the order in which they appear."""
        return list(dict.fromkeys(one.model for one in self.grades))


def read_earlier(folder: Path) -> Earlier:
    """An earlier evaluation.

    Raises:
        UsageError: there is none, or its files are not as they were written.
        SeedFileError: a line of its grades is none.
    """
    told = _object(folder / EVALUATION_FILE, folder)
    protocol, questions, repeats = told.get("protocol"), told.get("questions"), told.get("repeats")
    if not isinstance(protocol, dict) or not isinstance(questions, dict) or not isinstance(repeats, int):
        raise UsageError(f"{folder / EVALUATION_FILE} was not written by `evaluate`, or was changed since")
    path = folder / GRADES_FILE
    if not path.is_file():
        raise UsageError(f"{folder} holds no {GRADES_FILE}; the same `evaluate` command again writes it")
    grades: list[Grade] = []
    problems: list[Problem] = []
    for one in scan_json_lines(path):
        if isinstance(one, Problem):
            problems.append(one)
            continue
        where, row = one
        try:
            if row.get("is_judged") is not False:
                grades.append(_grade(row))
        except RowError as bad:
            problems.append(Problem(where=where, field=bad.field, message=bad.message, fix=bad.fix))
    if problems:
        raise SeedFileError(problems[:PROBLEMS_TOLD])
    return Earlier(
        folder=folder,
        protocol=protocol,
        questions={str(name): str(value) for name, value in questions.items()},
        repeats=repeats,
        grades=tuple(grades),
    )


def read_scores(folder: Path) -> Mapping[str, Any]:
    """What ``evaluate`` wrote of scores, as plain data. Raises UsageError."""
    return _object(folder / EVALUATION_FILE, folder)


def graded_turns(folder: Path) -> Iterator[Row]:
    """Every line of the grades of a folder.

    Raises:
        SeedFileError: a line is none.
        UsageError: the file is not there, or is larger than is read.
    """
    path = folder / GRADES_FILE
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}; the same `evaluate` again writes it") from None
    if size > LARGEST:
        raise UsageError(f"{path}: holds {size:,} bytes, and {LARGEST:,} are read at the most; report.html has it")
    for one in scan_json_lines(path):
        if isinstance(one, Problem):
            raise SeedFileError([one])
        yield one[1]


def keep_protocol(folder: Path, protocol: Mapping[str, Any]) -> None:
    """Note by what a folder is judged, before anybody is asked.

    Raises:
        UsageError: it was judged by something else, whose grades have no scale in common with these, or holds a run.
    """
    path = folder / PROTOCOL_FILE
    if path.is_file():
        before = _object(path, folder)
        if changed := first_difference(before, protocol):
            fix = f"name another -o, or remove {folder}; `--against {folder}` compares with it"
            raise UsageError(f"{folder} holds an evaluation by another protocol: {changed}; {fix}")
        return
    if (folder / STORE_FILE).is_file():
        raise UsageError(
            f"{folder} holds a run, and no evaluation: its seeds would stand among the questions; name another -o"
        )
    with atomic_file(path) as handle:
        handle.write(json_text(protocol, indent=2).encode() + b"\n")


def first_difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first key in which two protocols differ, in words; empty where they are one."""
    for name in dict.fromkeys((*now, *before)):
        one, other = before.get(name), json.loads(json.dumps(now.get(name)))
        if one != other:
            return f"{name} was {_shown(one)}, and is {_shown(other)}"
    return ""


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else f"{text[:299]}…"


def _object(path: Path, folder: Path) -> dict[str, Any]:
    """Raises UsageError."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        why = error.strerror or error
        raise UsageError(f"{folder} holds no evaluation: {path.name}: {why}; name the -o of `evaluate`") from None
    try:
        value = json.loads(data[:LARGEST]) if len(data) <= LARGEST else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise UsageError(f"{path} is no JSON object, as `evaluate` writes it")
    return value


def _grade(row: Row) -> Grade:
    """Raises RowError."""
    score = row.get("score")
    if score is not None and (
        isinstance(score, bool) or not isinstance(score, (int, float)) or not math.isfinite(score)
    ):
        raise RowError("score", f"must be a number or null; found {found(score)}")
    return Grade(
        model=required(row.get("model"), "model"),
        question=required(row.get("question"), "question"),
        category=required(row.get("category"), "category"),
        turn=_number(row, "turn"),
        repeat=_number(row, "repeat"),
        score=None if score is None else float(score),
    )


def _number(row: Row, name: str) -> int:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise RowError(name, f"must be a whole number from 1; found {found(value)}")
    return value
