"""A list of turns as one sample: the field's spellings of it, tools and parts included.

Turns are ``{role, content}``, ``{from, value}``, ``{input, output}`` (two at once) or bare texts that alternate.
``content`` may be a list of parts, of which only text can be read: a row that shows an image is refused.

A row whose ``tools`` are functions in OpenAI's form, with calls of them in that form, keeps them as such
(``tool_dialogues.py``). Everywhere else what a tool was asked and what it gave stand in the texts of three roles, in
the tags that Hermes and Qwen are trained on (``records.tool_text``): every model's template takes the conversation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from star_agents.records import Message, Role, Sample
from star_agents.records.tool_text import TOOL_CALL, TOOL_RESULT, TextTurn, call_as_text, joined, tagged
from star_agents.storage.formats.row_fields import Fields, RowError, found, items, optional, required
from star_agents.storage.incoming.tool_dialogues import read_dialogue

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
    if (dialogue := read_dialogue(fields, column, turns, system)) is not None:
        return dialogue
    read = joined(_turns(fields, column, turns))
    given = (Message(role="system", content=system),) if system else ()
    if read[0].role == "system":
        first = read.pop(0)
        if given and first.content != system:
            raise RowError("system", f"is given as a column and in {first.place}", "keep one of the two")
        given = (Message(role="system", content=first.content),) if first.content else ()
    _check_order(read)
    answer = read.pop() if read and read[-1].role == "assistant" else None
    if not read:
        raise RowError(column, "holds no user turn", "a conversation needs a user turn at least")
    if answer is not None and answer.is_tool:
        raise RowError(answer.place, "ends with a call of a tool", "end the conversation with the assistant's answer")
    talk = [Message(role=turn.role, content=turn.content) for turn in read]
    response = answer.content if answer is not None and answer.content else None
    return Sample(instruction=talk[-1].content, response=response, history=(*given, *talk[:-1]))


def _check_order(turns: Sequence[TextTurn]) -> None:
    for index, turn in enumerate(turns):
        expected = "assistant" if index % 2 else "user"
        if turn.role != expected:
            fix = "user and assistant turns alternate, after at most one system turn"
            raise RowError(turn.place, f"a turn of the {turn.role} where one of the {expected} belongs", fix)


def _turns(fields: Fields, column: str, turns: Sequence[Any]) -> list[TextTurn]:
    if column != "messages" and all(isinstance(turn, str) for turn in turns):
        texts = [required(turn, f"{column}[{index}]") for index, turn in enumerate(turns)]
        return [
            TextTurn("assistant" if index % 2 else "user", text, f"{column}[{index}]")
            for index, text in enumerate(texts)
        ]
    read: list[TextTurn] = []
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
) -> tuple[TextTurn, TextTurn]:
    fields.tell_left_out(column, turn, {"input", "output"})
    answered = optional if is_last else required
    return (
        TextTurn("user", required(turn["input"], f"{field}.input"), f"{field}.input"),
        TextTurn("assistant", answered(turn["output"], f"{field}.output"), f"{field}.output"),
    )


def _turn(fields: Fields, column: str, turn: Mapping[str, Any], field: str, *, is_last: bool) -> TextTurn:
    """One turn in either spelling; only a system turn, a last answer or one that calls a tool may be blank."""
    named, said = SPELLINGS[1] if turn.get("from") is not None else SPELLINGS[0]
    name = turn.get(named)
    fields.tell_left_out(column, turn, _READ_OF_A_TURN)
    content = _parts_joined(fields, column, turn.get(said), f"{field}.{said}")
    if name in CALLS:
        return TextTurn("assistant", tagged(TOOL_CALL, required(content, f"{field}.{said}")), field, is_tool=True)
    if name in RESULTS:
        return TextTurn("user", tagged(TOOL_RESULT, optional(content, f"{field}.{said}")), field, is_tool=True)
    role = ROLES.get(name) if isinstance(name, str) else None
    if role is None:
        shown = repr(name) if isinstance(name, str) else found(name)
        allowed = ", ".join((*ROLES, *CALLS, *RESULTS))
        raise RowError(f"{field}.{named}", f"unknown role: found {shown}", f"one of {allowed}")
    if calls := _calls_of(turn, field):
        texts = [text for text in (optional(content, f"{field}.{said}"), *calls) if text]
        return TextTurn(role, "\n".join(texts), field, is_tool=True)
    blank_is_fine = role == "system" or (role == "assistant" and is_last)
    return TextTurn(role, (optional if blank_is_fine else required)(content, f"{field}.{said}"), field)


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
    return [_call_text(call, f"{field}.tool_calls") for call in calls]


def _call_text(call: Any, field: str) -> str:
    if not isinstance(call, Mapping) or not isinstance(call.get("name"), str):
        raise RowError(field, f"must be an object with name and arguments; found {found(call)}")
    return call_as_text(call)
