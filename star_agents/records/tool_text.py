"""Conversations in which tools are called, as texts in three roles: every model's chat template takes them. Pure.

The form is that of Hermes and Qwen: tools stand in the system turn, a call is the assistant's ``<tool_call>``, a result
comes as the user's ``<tool_response>`` (Qwen's own chat template writes a turn of the role ``tool`` in just this way).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from star_agents.records.messages import Message, Role, Tool, ToolCall

TOOL_CALL = "tool_call"
"""Tag around a call, in a turn of the assistant."""
TOOL_RESULT = "tool_response"
"""Tag around what a tool gave, in a turn of the user."""


@dataclass(frozen=True, slots=True)
class TextTurn:
    """One turn as text."""

    role: Role
    content: str
    place: str = ""
    """Where it stands, for people."""
    is_tool: bool = False
    """Whether a tool was asked here, or has answered."""


def joined(turns: Iterable[TextTurn]) -> list[TextTurn]:
    """Turns with those joined that a tool makes follow each other on one side: two calls, or two results."""
    found: list[TextTurn] = []
    for turn in turns:
        before = found[-1] if found else None
        if before is not None and before.role == turn.role and (before.is_tool or turn.is_tool):
            found[-1] = replace(turn, content=f"{before.content}\n{turn.content}".strip(), is_tool=True)
        else:
            found.append(turn)
    return found


def as_text(messages: Sequence[Message], tools: Sequence[Tool] = ()) -> tuple[Message, ...]:
    """The same conversation in three roles; as it is where it holds no tools."""
    if not tools and not any(turn.tool_calls or turn.role == "tool" for turn in messages):
        return tuple(messages)
    told = [Message(role=turn.role, content=turn.content) for turn in joined(map(_turn, messages))]
    if not tools:
        return tuple(told)
    opening = told.pop(0).content if told and told[0].role == "system" else ""
    system = "\n\n".join(filter(None, (opening, tools_as_text(tools))))
    return (Message(role="system", content=system), *told)


def tools_as_text(tools: Iterable[Tool]) -> str:
    """What a system turn says of the tools that may be called, and how."""
    lines = "\n".join(json.dumps(tool.to_dict(), ensure_ascii=False) for tool in tools)
    form = tagged(TOOL_CALL, '{"name": "the function\'s name", "arguments": {"its": "arguments"}}')
    return (
        f"You may call these functions, each given as one JSON object:\n<tools>\n{lines}\n</tools>\n"
        f"To call one, write its name and its arguments as one JSON object between these tags:\n{form}"
    )


def call_as_text(call: Mapping[str, Any]) -> str:
    """A call of ``name`` with ``arguments``; arguments that are a JSON text are read, any other text stays as it is."""
    arguments = call.get("arguments")
    if isinstance(arguments, str):
        with suppress(ValueError, RecursionError):
            arguments = json.loads(arguments)
    text = json.dumps({"name": call["name"], "arguments": arguments}, ensure_ascii=False, default=str)
    return tagged(TOOL_CALL, text)


def tagged(tag: str, text: str) -> str:
    """A text between tags, unless it stands so already."""
    return text if f"<{tag}>" in text else f"<{tag}>\n{text}\n</{tag}>"


def _turn(message: Message) -> TextTurn:
    if message.role == "tool":
        return TextTurn("user", tagged(TOOL_RESULT, message.content), is_tool=True)
    if not message.tool_calls:
        return TextTurn(message.role, message.content)
    calls = (call_as_text({"name": call.name, "arguments": call.arguments}) for call in message.tool_calls)
    return TextTurn(message.role, "\n".join(filter(None, (message.content, *calls))), is_tool=True)


def why_no_dialogue(turns: Sequence[Message]) -> str:
    """What is wrong with the calls of tools in a conversation; empty where nothing is.

    Each call has an id of its own within its turn and an object of arguments, and is answered in the turns right after
    it, unless the conversation ends with it.
    """
    open_ids: list[str] = []
    for place, turn in enumerate(turns):
        where = f"turn {place + 1}"
        if turn.role == "tool":
            if turn.tool_call_id not in open_ids:
                return f"{where} answers a call {turn.tool_call_id!r} that the turn before it does not make"
            open_ids.remove(turn.tool_call_id)
            continue
        if open_ids:
            return f"{where} stands where the result of call {open_ids[0]!r} belongs"
        if turn.tool_call_id or (turn.tool_calls and turn.role != "assistant"):
            return f"{where} of the {turn.role} calls or answers a tool"
        open_ids = [call.id for call in turn.tool_calls]
        if not all(open_ids) or len(set(open_ids)) < len(open_ids):
            return f"{where} makes calls without ids of their own"
        if problem := next(filter(None, map(_why_no_call, turn.tool_calls)), ""):
            return f"{where}: {problem}"
    return ""


def _why_no_call(call: ToolCall) -> str:
    try:
        call.read_arguments()
    except (ValueError, RecursionError):
        return f"the arguments of {call.name} are no JSON object"
    return "" if call.name else "a call names no function"
