"""Rows that a model is trained on, from a run's folder or from any file that ``row_reading`` knows.

Each row is told by what stands in it:

    chosen, rejected             a preference; with ``margin`` a reward row. The prompt stands in any form of
                                 ``seed_rows``; answers are a text, a turn, or a list of one turn
    anything of ``seed_rows``    with an answer: a sample to learn; without one: a prompt alone

so every format of ``export`` is read, and every file of seeds that holds answers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from star_agents.errors import Problem, UsageError
from star_agents.records import Document, Message, Sample, ToolCall
from star_agents.storage.formats.row_fields import Row, RowError, found, required
from star_agents.storage.formats.row_reading import PARQUET, scan_rows
from star_agents.storage.incoming.seed_rows import read_row
from star_agents.storage.outgoing.result_rows import (
    instruction_rows,
    preference_rows,
    reward_rows,
    selected_rows,
    tool_rows,
)
from star_agents.storage.outgoing.reviewed_rows import ReviewedRows
from star_agents.storage.reader import StoreReader
from star_agents.storage.results import Result
from star_agents.storage.store import STORE_FILE

TaughtShape = Literal["sft", "preference", "reward", "instruction"]
RUN_FILES = ("dataset.jsonl", "preferences.jsonl", "rewards.jsonl", "instructions.jsonl")
"""What a run's folder holds beside its store, and instead of it where somebody copied only these."""
SPELLINGS = (("role", "content"), ("from", "value"))


@dataclass(frozen=True, kw_only=True, slots=True)
class TaughtRow:
    """One row."""

    shape: TaughtShape
    sample: Sample
    """With the answer to learn; of a preference with the one that was preferred."""
    where: str
    """Its place, for people: ``pairs.jsonl:12``."""
    rejected: str = ""
    """The answer that lost."""
    margin: float | None = None
    """By how many points it lost, where the row says so."""
    provenance: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the row says of where it comes from; empty where it says nothing."""


def taught_rows(source: Path, skipped: Counter[str] | None = None) -> Iterator[TaughtRow | Problem]:
    """Every row, or what is wrong with it, in order.

    Args:
        source: A folder of ``run`` or ``serve``, or a file.
        skipped: Counts pairs of a run that teach no preference, by reason.

    Raises:
        SeedFileError: there is no such file, or its kind is unknown.
        StoreError: the folder's store cannot be read.
        UsageError: the folder holds neither a store nor rows.
    """
    if not source.is_dir():
        yield from _rows_of_file(source)
    elif (source / STORE_FILE).is_file():
        with StoreReader(source) as reader:
            reviewed = ReviewedRows(reader.reviews())
            for result in reader.results():
                yield from _rows_of_result(reviewed(result, skipped), skipped)
    else:
        for file in files_of(source):
            yield from _rows_of_file(file)


def files_of(source: Path) -> list[Path]:
    """The files that ``taught_rows`` reads; none where it reads a store. Raises UsageError."""
    if not source.is_dir():
        return [source]
    if (source / STORE_FILE).is_file():
        return []
    files = [source / name for name in RUN_FILES if (source / name).is_file()]
    if not files:
        raise UsageError(f"{source}: holds neither a store nor one of {', '.join(RUN_FILES)}; name a run's folder")
    return files


def read_taught(row: Row, where: str) -> TaughtRow | Problem:
    """One row of a file, which stands at ``where``."""
    try:
        return _preference(row, where) if "chosen" in row and "rejected" in row else _sample(row, where)
    except RowError as bad:
        return Problem(where=where, field=bad.field, message=bad.message, fix=bad.fix)


def _rows_of_file(path: Path) -> Iterator[TaughtRow | Problem]:
    for one in scan_rows(path):
        row = one if isinstance(one, Problem) else read_taught(one[1], one[0])
        if path.suffix == PARQUET and isinstance(row, TaughtRow) and row.sample.holds_tools:
            row = replace(row, sample=_without_filled_in(row.sample))
        yield row


def _without_filled_in(sample: Sample) -> Sample:
    """The sample without arguments that are null and may not be: in Parquet all calls have the arguments of any call,
    and those that a call was made without come back as null."""
    schemas = {tool.name: tool.parameters.get("properties", {}) for tool in sample.tools}

    def cleaned(call: ToolCall) -> ToolCall:
        properties = schemas.get(call.name)
        given = call.read_arguments()
        kept = {name: value for name, value in given.items() if value is not None or _takes_null(properties, name)}
        return call if kept == given else ToolCall.of(call.id, call.name, kept)

    def of_turn(turn: Message) -> Message:
        return replace(turn, tool_calls=tuple(map(cleaned, turn.tool_calls)))

    return replace(
        sample, history=tuple(map(of_turn, sample.history)), tool_turns=tuple(map(of_turn, sample.tool_turns))
    )


def _takes_null(properties: Any, name: str) -> bool:
    """Whether a JSON schema's properties let one of them be null."""
    described = properties.get(name) if isinstance(properties, Mapping) else None
    if not isinstance(described, Mapping):
        return False
    kind = described.get("type")
    return kind is None or "null" in (kind if isinstance(kind, list) else [kind])


def _rows_of_result(result: Result, skipped: Counter[str] | None) -> Iterator[TaughtRow | Problem]:
    """The rows of a seed."""
    for rows in (
        _learned_rows(result),
        preference_rows(result, skipped=skipped),
        reward_rows(result),
        instruction_rows(result),
    ):
        for row in rows:
            yield read_taught(row, f"seed {result.header.seed_id[:12]}")


def _learned_rows(result: Result) -> Iterator[Row]:
    """Rows with an answer to learn; where one holds tools, it is taken with its calls as calls."""
    with_tools = tool_rows(result)
    given = (one for one in result.rows if one.shape == "sft")
    for row, one in zip(selected_rows(result, "messages"), given, strict=True):
        yield next(with_tools) if Sample.from_dict(one.data["sample"]).holds_tools else row


def _sample(row: Row, where: str) -> TaughtRow:
    sample = _asked(row)
    return TaughtRow(
        shape="sft" if sample.is_answered else "instruction",
        sample=sample,
        where=where,
        provenance=_provenance(row.get("provenance")),
    )


def _preference(row: Row, where: str) -> TaughtRow:
    given = {name: value for name, value in row.items() if name not in ("chosen", "rejected", "margin")}
    asked = _asked(given)
    if asked.response is not None:
        raise RowError("prompt", "ends with an answer", "let it end with the turn that both answers answer")
    chosen, rejected = (_answer(row[name], name) for name in ("chosen", "rejected"))
    if chosen == rejected:
        raise RowError("rejected", "is the chosen answer once more", "leave the row out: it prefers nothing")
    margin = _margin(row.get("margin"))
    return TaughtRow(
        shape="preference" if margin is None else "reward",
        sample=Sample(
            instruction=asked.instruction,
            input=asked.input,
            response=chosen,
            history=asked.history,
            tool_turns=asked.tool_turns,
            tools=asked.tools,
        ),
        rejected=rejected,
        margin=margin,
        where=where,
        provenance=_provenance(row.get("provenance")),
    )


def _asked(row: Row) -> Sample:
    reading = read_row(row, "")
    if reading.problems:
        bad = reading.problems[0]
        raise RowError(bad.field, bad.message, bad.fix)
    if len(reading.seeds) != 1:
        raise RowError("instances", f"holds {len(reading.seeds)} instances", "write one row for each")
    content = reading.seeds[0].content
    if isinstance(content, Document):
        raise RowError("document", "is a raw text, and nobody's answer", "let a recipe make rows of it first")
    return content


def _answer(value: Any, name: str) -> str:
    turn = value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value
    if isinstance(turn, Mapping):
        turn = next((turn[text] for role, text in SPELLINGS if role in turn and text in turn), None)
    if not isinstance(turn, str):
        raise RowError(name, f"must be a text or one turn of the assistant; found {found(value)}")
    return required(turn, name)


def _margin(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise RowError("margin", f"must be a number from 0 on; found {found(value)}")
    return float(value)


def _provenance(value: Any) -> Mapping[str, Any]:
    """Where a row comes from, as ``export`` writes it: JSON text of an object. Anything else says nothing."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, str):
        with suppress(ValueError, RecursionError):
            read = json.loads(value)
            if isinstance(read, dict):
                return read
    return {}
