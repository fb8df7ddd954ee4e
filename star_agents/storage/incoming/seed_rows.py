"""One row of somebody's dataset as seeds: which of the field's formats it is, and what of it cannot be used.

The format is told by the columns, row by row; the first that is present decides, the last three only with a list:

    messages        [{role, content}, ...]                    the field's chat form; with tools: tool_dialogues.py
    conversations   [{from: human | gpt | system, value}, ...], or bare texts    ShareGPT, WizardLM, SlimOrca, LIMA
    instances       [{input, output}, ...] beside instruction    Self-Instruct, one seed per instance
    instruction     Alpaca, Dolly, Magpie
    prompt          a text, or a list of turns                TRL
    question        OpenOrca
    query           MetaMath
    problem         MATH, NuminaMath
    inputs          Flan
    input           where nothing above stands
    conversation    [{role, content}], or [{input, output}]   LMSYS-Chat, WildChat, Capybara
    turns           one question                              MT-bench, Arena-Hard
    data            [text, text, ...]                         UltraChat
    document        a raw text, with its title beside it where it has one: for recipes that take documents

Beside the single turn of a text:

    input           input | context
    response        output | response | completion | targets; where none of them says anything: answer | solution
    history         [[question, answer], ...]                 LLaMA-Factory
    system          system | system_prompt; beside turns too

In a conversation the last assistant turn is the response and the rest its history; a trailing user turn means that
there is no response. Every other column becomes ``Seed.meta``, which no agent sees, and is told. A blank input,
response or system counts as none. A row that shows something (``images`` and its kin) is refused: nobody could see it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any

from star_agents.errors import Problem, SeedFileError
from star_agents.records import Document, Message, Sample, Seed
from star_agents.storage.formats.row_fields import (
    Fields,
    Row,
    RowError,
    found,
    items,
    optional,
    required,
    says_something,
)
from star_agents.storage.incoming.conversations import read_conversation
from star_agents.storage.incoming.tool_dialogues import row_of_dialogue
from star_agents.text.plain_data import plain

MEDIA = ("image", "images", "video", "videos", "audio", "audios")
"""Columns with which a row shows something that is no text."""
INPUTS = ("input", "context")
RESPONSES = ("output", "response", "completion", "targets")
SHORT_RESPONSES = ("answer", "solution")
"""Beside a response these hold a part of it, such as the number that a derivation ends with."""
SYSTEMS = ("system", "system_prompt")

Read = tuple[str, Sample | Document] | RowError
"""What is taken with its place within the row (empty: it is all of the row); or what is wrong there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RowReading:
    """What one row holds."""

    seeds: tuple[Seed, ...] = ()
    problems: tuple[Problem, ...] = ()
    beside: tuple[str, ...] = ()
    """Columns that no agent sees, kept in ``Seed.meta``."""
    left_out: tuple[str, ...] = ()
    """Parts of columns that are neither read nor kept, such as ``messages[].name``."""


def read_row(row: Row, where: str) -> RowReading:
    """Read one row whole: its seeds, and what is wrong with the others.

    Args:
        row: Column names to values.
        where: Where the row stands, for people: ``seeds.jsonl:12``.
    """
    fields = Fields(row)
    try:
        read = _format_of(row)(fields)
        _refuse_media(row)
        rest = fields.rest()
        meta = {name: plain(value) for name, value in rest.items()}
    except RowError as bad:
        return RowReading(problems=(_problem(bad, where),))
    except RecursionError:
        return RowReading(problems=(Problem(where=where, field="", message="is nested too deeply"),))
    good = [one for one in read if isinstance(one, tuple)]
    return RowReading(
        seeds=tuple(Seed.of(sample, source=f"{where} {place}".rstrip(), meta=meta) for place, sample in good),
        problems=tuple(_problem(one, where) for one in read if isinstance(one, RowError)),
        beside=tuple(name for name, value in rest.items() if says_something(value)),
        left_out=tuple(sorted(fields.left_out)),
    )


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


def seeds_from_row(row: Row, source: str) -> tuple[Seed, ...]:
    """Make the seeds of a row: one, but for Self-Instruct tasks, which have one per instance.

    Raises:
        SeedFileError: with every problem of the row.
    """
    reading = read_row(row, source)
    if reading.problems:
        raise SeedFileError(reading.problems)
    return reading.seeds


def row_of_seed(seed: Seed) -> dict[str, Any]:
    """A seed as a row of Alpaca's columns that is read as this same seed.

    A column that nobody read where it stood, but that would be read here, goes under a name beside it.
    """
    if isinstance(seed.content, Document):
        title = {"title": seed.content.title} if seed.content.title else {}
        return {**seed.meta, "document": seed.content.text, **title}
    sample = seed.sample
    if sample.holds_tools:
        return {**seed.meta, **row_of_dialogue(sample)}
    row = {
        set_aside(name, seed.meta) if name in _READ_BY_SOMEBODY else name: value for name, value in seed.meta.items()
    }
    row |= {"instruction": sample.instruction, "input": sample.input}
    if sample.response is not None:
        row["output"] = sample.response
    talk = list(sample.history)
    if talk and talk[0].role == "system":
        row["system"] = talk.pop(0).content
    if talk:
        row["history"] = [[asked.content, said.content] for asked, said in zip(talk[::2], talk[1::2], strict=True)]
    return row


def set_aside(column: str, others: Container[str]) -> str:
    """The name under which a column is kept that would be read where it may not be; none that another one has."""
    name = f"beside_{column}"
    return set_aside(name, others) if name in others else name


def _problem(bad: RowError, where: str) -> Problem:
    return Problem(where=where, field=bad.field, message=bad.message, fix=bad.fix)


def _format_of(row: Row) -> Callable[[Fields], list[Read]]:
    for column, read in FORMATS.items():
        value = row.get(column)
        if value is not None and (column not in LISTS_ONLY or isinstance(value, (list, tuple))):
            return read
    for column in FORMATS:
        if column in row and column not in LISTS_ONLY:
            raise RowError(column, "is null")
    names = ", ".join(str(name) for name in row) or "no column at all"
    fix = next((hint for needed, hint in _HINTS if needed <= row.keys()), f"name one of {', '.join(FORMATS)}")
    raise RowError("", f"no column to start from; found {names}", fix)


def _refuse_media(row: Row) -> None:
    for column in MEDIA:
        if says_something(row.get(column)):
            fix = "leave the row out; remove the column where the text makes sense without it"
            raise RowError(column, f"shows what is no text ({found(row[column])}), and no agent here could see it", fix)


def _turns_of(column: str) -> Callable[[Fields], list[Read]]:
    def read(fields: Fields) -> list[Read]:
        turns = items(fields.get(column), column)
        return [("", read_conversation(fields, column, turns, fields.text(*SYSTEMS)))]

    return read


def _single_of(column: str) -> Callable[[Fields], list[Read]]:
    def read(fields: Fields) -> list[Read]:
        sample = Sample(
            instruction=required(fields.get(column), column),
            input=fields.text(*(name for name in INPUTS if name != column)),
            response=_response(fields),
            history=_history(fields),
        )
        return [("", sample)]

    return read


def _read_document(fields: Fields) -> list[Read]:
    return [("", Document(text=required(fields.get("document"), "document"), title=fields.text("title") or ""))]


def _read_prompt(fields: Fields) -> list[Read]:
    """A text; or turns, with the answer as further turns (TRL)."""
    asked = fields.get("prompt")
    if not isinstance(asked, (list, tuple)):
        return _single_of("prompt")(fields)
    answer = next((value for name in RESPONSES if isinstance(value := fields.get(name), (list, tuple))), None)
    if answer is None and (text := _response(fields)) is not None:
        answer = [{"role": "assistant", "content": text}]
    return [("", read_conversation(fields, "prompt", [*asked, *(answer or ())], fields.text(*SYSTEMS)))]


def _read_question_turns(fields: Fields) -> list[Read]:
    turns = items(fields.get("turns"), "turns")
    if len(turns) != 1:
        fix = "write them as messages, with the answers between them"
        raise RowError("turns", f"holds {len(turns)} questions and no answers between them", fix)
    question = turns[0].get("content") if isinstance(turns[0], Mapping) else turns[0]
    history = _history(fields)
    return [("", Sample(instruction=required(question, "turns[0]"), response=_response(fields), history=history))]


def _read_instances(fields: Fields) -> list[Read]:
    instruction = required(fields.get("instruction"), "instruction")
    instances = items(fields.get("instances"), "instances")
    if not instances:
        raise RowError("instances", "is empty", "give one instance at least, or leave the column out")
    read: list[Read] = []
    for index, instance in enumerate(instances):
        try:
            sample = _instance(fields, instruction, instance, f"instances[{index}]")
        except RowError as bad:
            read.append(bad)  # Its siblings are no worse for it.
        else:
            read.append((f"instances[{index}]" if len(instances) > 1 else "", sample))
    return read


def _instance(fields: Fields, instruction: str, instance: Any, field: str) -> Sample:
    if not isinstance(instance, Mapping):
        raise RowError(field, f"must be an object with input and output; found {found(instance)}")
    fields.left_out.update(f"instances[].{name}" for name in instance if name not in ("input", "output"))
    given = optional(instance.get("input"), f"{field}.input")
    response = optional(instance.get("output"), f"{field}.output")
    return Sample(instruction=instruction, input=given, response=response or None)


def _response(fields: Fields) -> str | None:
    """The response, whichever column holds it."""
    if text := fields.text(*RESPONSES):
        return text
    return next((text for name in SHORT_RESPONSES if (text := fields.text(name))), None)


def _history(fields: Fields) -> tuple[Message, ...]:
    """System text and the ``history`` column, which holds [question, answer] pairs."""
    system = fields.text(*SYSTEMS)
    turns = [Message(role="system", content=system)] if system else []
    for index, pair in enumerate(items(fields.get("history") or [], "history")):
        field = f"history[{index}]"
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise RowError(field, f"must be a list of question and answer; found {found(pair)}")
        turns.append(Message(role="user", content=required(pair[0], f"{field}[0]")))
        turns.append(Message(role="assistant", content=required(pair[1], f"{field}[1]")))
    return tuple(turns)


FORMATS: Mapping[str, Callable[[Fields], list[Read]]] = {
    "messages": _turns_of("messages"),
    "conversations": _turns_of("conversations"),
    "instances": _read_instances,
    "instruction": _single_of("instruction"),
    "prompt": _read_prompt,
    "question": _single_of("question"),
    "query": _single_of("query"),
    "problem": _single_of("problem"),
    "inputs": _single_of("inputs"),
    "input": _single_of("input"),
    "conversation": _turns_of("conversation"),
    "turns": _read_question_turns,
    "data": _turns_of("data"),
    "document": _read_document,
}
"""By the column that decides, in order."""
_READ_BY_SOMEBODY = {*FORMATS, *INPUTS, *RESPONSES, *SHORT_RESPONSES, *SYSTEMS, *MEDIA, "history"}
READ_BY_NAME: Mapping[str, str | None] = {
    **dict.fromkeys(FORMATS),
    **dict.fromkeys(INPUTS, "input"),
    **dict.fromkeys((*RESPONSES, *SHORT_RESPONSES), "response"),
    **dict.fromkeys(SYSTEMS, "system"),
    "history": "history",
}
"""What a column beside the instruction stands for by its name; ``None``: it decides what the row is."""
LISTS_ONLY = ("conversation", "turns", "data")
"""Names that stand for all sorts of things: they decide only where they hold a list."""
_HINTS = (
    (
        {"message_id", "parent_id", "text"},
        "the rows are single messages of trees (OpenAssistant): join each path to one row of `messages`",
    ),
    ({"chosen", "rejected"}, "put the question into `prompt`; a chosen answer may stand in `response`"),
    ({"text"}, "one text does not say where the answer begins: split it into `instruction` and `output`"),
)
"""What to do about rows that are known but hold no question and answer that could be told apart."""
