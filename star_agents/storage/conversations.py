"""A list of turns as one sample: the field's spellings of it, tools and parts included.

Turns are ``{role, content}``, ``{from, value}``, ``{input, output}`` (two at once) or bare texts that alternate.
``content`` may be a list of parts, of which only text can be read: a row that shows an image is refused.

There are three roles. What a tool was asked and what it gave stand in the texts, in the tags that Hermes and Qwen are
trained on: a call is the assistant's ``<tool_call>``, a result comes as the user's ``<tool_response>`` (Qwen's own chat
template writes a turn of the role ``tool`` in just this way). So every model's template takes the conversation,
also one that refuses the role.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from star_agents.records import TOOL_RESULT, Message, Role, Sample
from star_agents.storage.row_fields import Fields, RowError, found, items, optional, required

ROLES: Mapping[str, Role] = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "prompter": "user",
    "developer": "system",
}
CALLS = ("function_call", "tool_call")
"""Roles of a turn in which the assistant asks a tool."""
RESULTS = ("tool", "observation", "function", "tool_response", "function_response", "ipython")
"""Roles of a turn in which a tool answers."""
SPELLINGS = (("role", "content"), ("from", "value"))
_READ_OF_A_TURN = {"tool_calls", "function_call", *(key for pair in SPELLINGS for key in pair)}
_TEXT_PARTS = ("text", "input_text", "output_text")
_THOUGHTS = ("thinking", "redacted_thinking", "reasoning")


@dataclass(frozen=True, slots=True)
class _Turn:
    role: Role
    content: str
    field: str
    is_tool: bool = False
    """Whether a tool was asked here, or has answered."""


def read_conversation(fields: Fields, column: str, turns: Sequence[Any], system: str) -> Sample:
    """A list of turns as one sample: after an optional system turn, user and assistant turns alternate.

    Args:
        fields: Hears which parts are left out.
        column: Where the turns stand.
        turns: As they stand there.
        system: A system text that the row gives beside them.

    Raises:
        RowError: where it is no such conversation, or holds what no agent here can be shown.
    """
    if not turns:
        raise RowError(column, "is empty", "a conversation needs a user turn at least")
    read = _joined(_turns(fields, column, turns))
    given = (Message(role="system", content=system),) if system else ()
    if read[0].role == "system":
        first = read.pop(0)
        if given and first.content != system:
            raise RowError("system", f"is given as a column and in {first.field}", "keep one of the two")
        given = (Message(role="system", content=first.content),) if first.content else ()
    _check_order(read)
    answer = read.pop() if read and read[-1].role == "assistant" else None
    if not read:
        raise RowError(column, "holds no user turn", "a conversation needs a user turn at least")
    if answer is not None and answer.is_tool:
        raise RowError(answer.field, "ends with a call of a tool", "end the conversation with the assistant's answer")
    talk = [Message(role=turn.role, content=turn.content) for turn in read]
    response = answer.content if answer is not None and answer.content else None
    return Sample(instruction=talk[-1].content, response=response, history=(*given, *talk[:-1]))


def _check_order(turns: Sequence[_Turn]) -> None:
    for index, turn in enumerate(turns):
        expected = "assistant" if index % 2 else "user"
        if turn.role != expected:
            fix = "user and assistant turns alternate, after at most one system turn"
            raise RowError(turn.field, f"a turn of the {turn.role} where one of the {expected} belongs", fix)


def _turns(fields: Fields, column: str, turns: Sequence[Any]) -> list[_Turn]:
    if column != "messages" and all(isinstance(turn, str) for turn in turns):
        texts = [required(turn, f"{column}[{index}]") for index, turn in enumerate(turns)]
        return [
            _Turn("assistant" if index % 2 else "user", text, f"{column}[{index}]") for index, text in enumerate(texts)
        ]
    read: list[_Turn] = []
    for index, turn in enumerate(turns):
        field, is_last = f"{column}[{index}]", index == len(turns) - 1
        if not isinstance(turn, Mapping):
            raise RowError(field, f"must be an object with role and content (or from and value); found {found(turn)}")
        if "input" in turn and "output" in turn and "role" not in turn and "from" not in turn:
            read.extend(_pair_of_turns(fields, column, turn, field, is_last=is_last))
        else:
            read.append(_turn(fields, column, turn, field, is_last=is_last))
    return read


def _pair_of_turns(
    fields: Fields, column: str, turn: Mapping[str, Any], field: str, *, is_last: bool
) -> tuple[_Turn, _Turn]:
    _tell_left_out(fields, column, turn, {"input", "output"})
    answered = optional if is_last else required
    return (
        _Turn("user", required(turn["input"], f"{field}.input"), f"{field}.input"),
        _Turn("assistant", answered(turn["output"], f"{field}.output"), f"{field}.output"),
    )


def _turn(fields: Fields, column: str, turn: Mapping[str, Any], field: str, *, is_last: bool) -> _Turn:
    """One turn in either spelling; only a system turn, a last answer or one that calls a tool may be blank."""
    named, said = SPELLINGS[1] if turn.get("from") is not None else SPELLINGS[0]
    name = turn.get(named)
    _tell_left_out(fields, column, turn, _READ_OF_A_TURN)
    content = _parts_joined(fields, column, turn.get(said), f"{field}.{said}")
    if name in CALLS:
        return _Turn("assistant", _tagged("tool_call", required(content, f"{field}.{said}")), field, is_tool=True)
    if name in RESULTS:
        return _Turn("user", _tagged(TOOL_RESULT, optional(content, f"{field}.{said}")), field, is_tool=True)
    role = ROLES.get(name) if isinstance(name, str) else None
    if role is None:
        shown = repr(name) if isinstance(name, str) else found(name)
        allowed = ", ".join((*ROLES, *CALLS, *RESULTS))
        raise RowError(f"{field}.{named}", f"unknown role: found {shown}", f"one of {allowed}")
    if calls := _calls_of(turn, field):
        texts = [text for text in (optional(content, f"{field}.{said}"), *calls) if text]
        return _Turn(role, "\n".join(texts), field, is_tool=True)
    blank_is_fine = role == "system" or (role == "assistant" and is_last)
    return _Turn(role, (optional if blank_is_fine else required)(content, f"{field}.{said}"), field)


def _tell_left_out(fields: Fields, column: str, turn: Mapping[str, Any], read: set[str]) -> None:
    fields.left_out.update(f"{column}[].{key}" for key, value in turn.items() if key not in read and value is not None)


def _parts_joined(fields: Fields, column: str, content: Any, field: str) -> Any:
    """Content that is a list of text parts as one text, a line each; anything else as it is."""
    if not isinstance(content, (list, tuple)):
        return content
    texts = []
    for index, part in enumerate(content):
        kind = part.get("type") or "text" if isinstance(part, Mapping) else "text"
        if kind in _THOUGHTS:
            fields.left_out.add(f"{column}[].content[].{kind}")
        elif kind in _TEXT_PARTS:
            text = part.get("text") if isinstance(part, Mapping) else part
            texts.append(optional(text, f"{field}[{index}]"))
        else:
            problem = f"is a part of the kind {str(kind)[:40]!r}, and no agent is shown anything but text"
            raise RowError(f"{field}[{index}]", problem, "leave the row out, or write what it shows in words")
    return "\n".join(texts)


def _calls_of(turn: Mapping[str, Any], field: str) -> list[str]:
    """The tools that a turn asks in OpenAI's form, each as a text."""
    given = items(turn.get("tool_calls") or [], f"{field}.tool_calls")
    calls = [call.get("function", call) if isinstance(call, Mapping) else call for call in given]
    if turn.get("function_call"):
        calls.append(turn["function_call"])
    return [_tagged("tool_call", _call_text(call, f"{field}.tool_calls")) for call in calls]


def _call_text(call: Any, field: str) -> str:
    if not isinstance(call, Mapping) or not isinstance(call.get("name"), str):
        raise RowError(field, f"must be an object with name and arguments; found {found(call)}")
    arguments = call.get("arguments")
    if isinstance(arguments, str):
        with suppress(ValueError, RecursionError):  # No JSON: it stays the text that it is.
            arguments = json.loads(arguments)
    return json.dumps({"name": call["name"], "arguments": arguments}, ensure_ascii=False, default=str)


def _tagged(tag: str, text: str) -> str:
    return text if f"<{tag}>" in text else f"<{tag}>\n{text}\n</{tag}>"


def _joined(turns: Sequence[_Turn]) -> list[_Turn]:
    """Turns with those joined that a tool makes follow each other on one side: two calls, or two results."""
    joined: list[_Turn] = []
    for turn in turns:
        before = joined[-1] if joined else None
        if before is not None and before.role == turn.role and (before.is_tool or turn.is_tool):
            joined[-1] = _Turn(turn.role, f"{before.content}\n{turn.content}".strip(), turn.field, is_tool=True)
        else:
            joined.append(turn)
    return joined
