"""A row in which tools are called, in OpenAI's form, as one sample that keeps them.

    tools       [{type: function, function: {name, description, parameters}}, ...], or that as JSON text
    messages    [{role: system | user | assistant | tool, content, tool_calls, tool_call_id}, ...]

``arguments`` are a JSON text, as OpenAI writes them, or an object, as chat templates take them. Ids that are not given
are given here, in the order of the calls. A row that is anything else is none of these, and is read as text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from star_agents.records import Message, Role, Sample, Tool, ToolCall
from star_agents.records.tool_text import why_no_dialogue
from star_agents.storage.formats.row_fields import Fields, RowError, optional
from star_agents.text.plain_data import to_json

_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
_READ_OF_A_TURN = ("role", "content", "tool_calls", "tool_call_id")
_READ_OF_A_FUNCTION = ("name", "description", "parameters")


def read_dialogue(fields: Fields, column: str, turns: Sequence[Any], system: str) -> Sample | None:
    """A list of turns as a sample that keeps the calls of its tools; ``None`` where the row is no such dialogue.

    Args:
        fields: Of the row; hears which parts are left out.
        column: Where the turns stand.
        turns: As they stand there.
        system: A system text that the row gives beside them.
    """
    try:
        tools = tuple(Tool.from_dict(one) for one in _functions(fields.peek("tools")))
        messages = [_message(turn, f"{column}[{index}]") for index, turn in enumerate(turns)]
    except (RowError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return None
    if not tools:
        return None
    sample = _sample(_with_ids(messages), tools, system)
    if sample is None or not _fits(sample):
        return None
    for turn in turns:
        fields.tell_left_out(column, turn, _READ_OF_A_TURN)
    for one in _functions(fields.get("tools")):
        fields.tell_left_out("tools", one["function"], _READ_OF_A_FUNCTION)
    return sample


def row_of_dialogue(sample: Sample) -> dict[str, Any]:
    """A sample that holds tools as a row that is read as this same sample."""
    return {
        "messages": [_told(turn) for turn in sample.turns],
        "tools": to_json([tool.to_dict() for tool in sample.tools]),
    }


def _told(turn: Message) -> dict[str, Any]:
    """A turn with arguments as objects: chat templates write them as JSON, and a text would be quoted once more."""
    told = turn.to_dict()
    for call in told.get("tool_calls", ()):
        call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return told


def _functions(given: Any) -> list[Any]:
    read = json.loads(given) if isinstance(given, str) else given
    return list(read) if isinstance(read, (list, tuple)) else []


def _message(turn: Mapping[str, Any], field: str) -> Message:
    return Message(
        role=_ROLES[turn["role"]],
        content=optional(turn.get("content"), field),
        tool_calls=tuple(_call(one) for one in turn.get("tool_calls") or ()),
        tool_call_id=_text(turn.get("tool_call_id") or ""),
    )


def _call(given: Mapping[str, Any]) -> ToolCall:
    function = given["function"]
    arguments = function.get("arguments")
    written = arguments if isinstance(arguments, str) else to_json(arguments)
    return ToolCall(id=_text(given.get("id") or ""), name=_text(function["name"]), arguments=written)


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise TypeError("is no text")
    return given


def _with_ids(messages: Sequence[Message]) -> Iterator[Message]:
    """The turns, with ids for calls and results that have none."""
    made, waiting = 0, list[str]()
    for turn in messages:
        if turn.tool_calls:
            calls = []
            for call in turn.tool_calls:
                made += 1
                calls.append(call if call.id else replace(call, id=f"call_{made}"))
            waiting = [call.id for call in calls]
            yield replace(turn, tool_calls=tuple(calls))
        elif turn.role == "tool" and waiting:
            answered = turn.tool_call_id or waiting[0]
            waiting = [one for one in waiting if one != answered]
            yield replace(turn, tool_call_id=answered)
        else:
            yield turn


def _sample(turns: Iterator[Message], tools: tuple[Tool, ...], system: str) -> Sample | None:
    talk = list(turns)
    opening = talk.pop(0).content if talk and talk[0].role == "system" else ""
    if opening and system and opening != system:
        return None
    given = tuple(Message(role="system", content=text) for text in [opening or system] if text)
    asked = max((place for place, turn in enumerate(talk) if turn.role == "user"), default=-1)
    if asked < 0:
        return None
    after = talk[asked + 1 :]
    answer = after.pop().content if after and after[-1].role == "assistant" and not after[-1].tool_calls else None
    return Sample(
        instruction=talk[asked].content,
        response=answer or None,
        history=(*given, *talk[:asked]),
        tool_turns=tuple(after),
        tools=tools,
    )


def _fits(sample: Sample) -> bool:
    """Whether user and assistant take turns, no turn of theirs is blank, and every call is of a tool and answered."""
    names = {tool.name for tool in sample.tools}
    called = {call.name for turn in sample.turns for call in turn.tool_calls}
    told = [turn for turn in sample.messages if turn.role != "system"]
    sides = [("user", "assistant")[place % 2] for place in range(len(told))]
    return (
        called <= names
        and not why_no_dialogue(sample.turns)
        and [turn.role for turn in told] == sides
        and all(turn.content for turn in told)
        and sum(turn.role == "system" for turn in sample.turns) <= 1
        and (sample.response is None or told[-1].role == "assistant")
    )
