"""One row of somebody's dataset as seeds: which of the field's formats it is, and what of it cannot be used.

The format is told by the columns, row by row; the first that is present decides:

    messages        [{role, content}, ...]                         the field's chat form
    conversations   [{from: human | gpt | system, value}, ...]     ShareGPT
    instances       [{input, output}, ...] beside instruction      Self-Instruct, one seed per instance
    instruction     [input] [output | response] [history] [system] Alpaca
    prompt          [response | completion] [history] [system]     plain

In a conversation the last assistant turn is the response and the rest its history; a trailing user turn means that
there is no response. Every other column becomes ``Seed.meta``. A blank input, response or system counts as none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from star_agents.errors import Problem, SeedFileError
from star_agents.records import Message, Role, Sample, Seed
from star_agents.storage.plain_data import plain

Row = Mapping[str, Any]

ROLES: Mapping[str, Role] = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
}


_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class _RowError(Exception):
    """What is wrong with a row; becomes a Problem where the row's place is known."""

    def __init__(self, field: str, message: str, fix: str = "") -> None:
        self.field, self.message, self.fix = field, message, fix
        super().__init__(message)


def seed_from_row(row: Row, source: str) -> Seed:
    """Make the one seed of a row.

    Raises:
        SeedFileError: when the row cannot be used, or holds several instances.
    """
    seeds = seeds_from_row(row, source)
    if len(seeds) != 1:
        message = f"holds {len(seeds)} instances where one seed is expected"
        raise SeedFileError([Problem(where=source, field="instances", message=message, fix="send one row for each")])
    return seeds[0]


def seeds_from_row(row: Row, source: str) -> list[Seed]:
    """Make the seeds of a row: one, but for Self-Instruct tasks, which have one per instance.

    Args:
        row: Column names to values.
        source: Where the row stands, for people: ``seeds.jsonl:12``.

    Raises:
        SeedFileError: with the first problem of the row.
    """
    try:
        columns, read = _format_of(row)
        samples = read(row)
        meta = {str(name): plain(value) for name, value in row.items() if name not in columns}
        return [Seed.of(sample, source=source, meta=meta) for sample in samples]
    except _RowError as bad:
        raise SeedFileError([Problem(where=source, field=bad.field, message=bad.message, fix=bad.fix)]) from None
    except RecursionError:
        raise SeedFileError([Problem(where=source, field="", message="is nested too deeply")]) from None


def _format_of(row: Row) -> tuple[frozenset[str], Callable[[Row], list[Sample]]]:
    """The columns that the row's format takes, and its reader."""
    for column, (columns, read) in _FORMATS.items():
        if row.get(column) is not None:
            return columns, read
    for column in _FORMATS:
        if column in row:
            raise _RowError(column, "is null")
    found = ", ".join(str(name) for name in row) or "no column at all"
    raise _RowError("", f"no column to start from; found {found}", f"name one of {', '.join(_FORMATS)}")


def _read_messages(row: Row) -> list[Sample]:
    return [_conversation(row, "messages")]


def _read_conversations(row: Row) -> list[Sample]:
    return [_conversation(row, "conversations")]


def _read_instances(row: Row) -> list[Sample]:
    instruction = _required(row.get("instruction"), "instruction")
    samples = []
    for index, instance in enumerate(_items(row["instances"], "instances")):
        field = f"instances[{index}]"
        if not isinstance(instance, Mapping):
            raise _RowError(field, f"must be an object with input and output; found {_found(instance)}")
        given = _optional(instance.get("input"), f"{field}.input")
        samples.append(Sample(instruction=instruction, input=given, response=_response(instance, "output", at=field)))
    return samples


def _read_alpaca(row: Row) -> list[Sample]:
    sample = Sample(
        instruction=_required(row["instruction"], "instruction"),
        input=_optional(row.get("input"), "input"),
        response=_response(row, "output", "response"),
        history=_history(row),
    )
    return [sample]


def _read_prompt(row: Row) -> list[Sample]:
    instruction = _required(row["prompt"], "prompt")
    response = _response(row, "response", "completion")
    return [Sample(instruction=instruction, response=response, history=_history(row))]


_FORMATS: Mapping[str, tuple[frozenset[str], Callable[[Row], list[Sample]]]] = {
    "messages": (frozenset({"messages", "system"}), _read_messages),
    "conversations": (frozenset({"conversations", "system"}), _read_conversations),
    "instances": (frozenset({"instances", "instruction"}), _read_instances),
    "instruction": (frozenset({"instruction", "input", "output", "response", "history", "system"}), _read_alpaca),
    "prompt": (frozenset({"prompt", "response", "completion", "history", "system"}), _read_prompt),
}


def _response(row: Row, *columns: str, at: str = "") -> str | None:
    """The response, whichever of ``columns`` holds it."""
    given = {}
    for column in columns:
        field = f"{at}.{column}" if at else column
        if text := _optional(row.get(column), field):
            given[column] = text
    if len(set(given.values())) > 1:
        raise _RowError(columns[-1], f"differs from `{columns[0]}`, which is a response too", "keep one of the two")
    return next(iter(given.values()), None)


def _history(row: Row) -> tuple[Message, ...]:
    """Alpaca's ``system`` and ``history`` columns; the latter holds [question, answer] pairs."""
    turns = list(_system(row))
    for index, pair in enumerate(_items(row.get("history") or [], "history")):
        field = f"history[{index}]"
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise _RowError(field, f"must be a list of question and answer; found {_found(pair)}")
        turns.append(Message(role="user", content=_required(pair[0], f"{field}[0]")))
        turns.append(Message(role="assistant", content=_required(pair[1], f"{field}[1]")))
    return tuple(turns)


def _system(row: Row) -> tuple[Message, ...]:
    text = _optional(row.get("system"), "system")
    return (Message(role="system", content=text),) if text else ()


def _conversation(row: Row, column: str) -> Sample:
    """A list of turns as one sample: after an optional system turn, user and assistant turns alternate."""
    turns = _items(row[column], column)
    if not turns:
        raise _RowError(column, "is empty", "a conversation needs a user turn at least")
    read = [_turn(turn, f"{column}[{index}]", is_last=index == len(turns) - 1) for index, turn in enumerate(turns)]
    system = _system(row)
    first = 0
    if read[0].role == "system":
        if system:
            raise _RowError("system", f"is given as a column and in {column}[0]", "keep one of the two")
        system = (read[0],) if read[0].content else ()
        first = 1
    talk = read[first:]
    for index, message in enumerate(talk):
        expected = "assistant" if index % 2 else "user"
        if message.role != expected:
            field, fix = (
                f"{column}[{first + index}]",
                "user and assistant turns alternate, after at most one system turn",
            )
            raise _RowError(field, f"a turn of the {message.role} where one of the {expected} belongs", fix)
    response = talk.pop().content if talk and talk[-1].role == "assistant" else None
    if not talk:
        raise _RowError(column, "holds no user turn", "a conversation needs a user turn at least")
    return Sample(instruction=talk[-1].content, response=response or None, history=(*system, *talk[:-1]))


def _turn(turn: Any, field: str, *, is_last: bool) -> Message:
    """One turn in either spelling; only a system turn or a last answer may be blank."""
    if not isinstance(turn, Mapping):
        raise _RowError(field, f"must be an object with role and content (or from and value); found {_found(turn)}")
    named, said = ("from", "value") if turn.get("from") is not None else ("role", "content")
    name = turn.get(named)
    role = ROLES.get(name) if isinstance(name, str) else None
    if role is None:
        found = repr(name) if isinstance(name, str) else _found(name)
        raise _RowError(f"{field}.{named}", f"unknown role: found {found}", f"one of {', '.join(ROLES)}")
    blank_is_fine = role == "system" or (role == "assistant" and is_last)
    read = _optional if blank_is_fine else _required
    return Message(role=role, content=read(turn.get(said), f"{field}.{said}"))


def _items(value: Any, field: str) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise _RowError(field, f"must be a list; found {_found(value)}")
    return list(value)


def _required(value: Any, field: str) -> str:
    """A text that says something."""
    if value is None:
        raise _RowError(field, "must be text; found null")
    text = _optional(value, field)
    if not text:
        raise _RowError(field, "is empty", "write something, or leave the row out")
    return text


def _optional(value: Any, field: str) -> str:
    """A text, or the empty one for null and blanks."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _RowError(field, f"must be text; found {_found(value)}")
    if "\0" in value:
        raise _RowError(field, f"holds a NUL character at position {value.index(chr(0)) + 1}", "remove it")
    if lone := _LONE_SURROGATE.search(value):
        problem = f"holds half a surrogate pair (U+{ord(lone[0]):04X}) at position {lone.start() + 1}"
        raise _RowError(field, problem, "the text was cut inside a character; mend or remove it")
    return value if value.strip() else ""


def _found(value: Any) -> str:
    """What a value is, in the words of JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    return "an object" if isinstance(value, Mapping) else f"a {type(value).__name__}"
