"""Calls of tools in what a model says, and whether they are what the tools take. Pure.

Whoever is asked calls in the tags of Hermes and Qwen: ``<tool_call>`` with ``{"name": ..., "arguments": {...}}``. Rows
have them as calls (``records.ToolCall``). Descriptions of tools have the form of OpenAI's functions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from star_agents.recipes.parts.json_schema import json_in, schema_flaw
from star_agents.records import Message, Tool, ToolCall

_CALL = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
"""What a function may be called."""
MOST_TOOLS = 64


def tools_in(text: str) -> list[Mapping[str, Any]]:
    """The functions of a JSON array, each in OpenAI's wrapping or without.

    Raises:
        ValueError: why it is none.
    """
    listed = json_in(text)
    if not (isinstance(listed, list) and all(isinstance(one, dict) for one in listed)):
        raise ValueError("an array of objects is asked for")
    return unwrapped(listed)


def unwrapped(tools: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Functions without OpenAI's wrapping, ``{"type": "function", "function": ...}``, where they have it."""
    return [one["function"] if isinstance(one.get("function"), dict) else one for one in tools]


def tools_flaw(tools: Sequence[Mapping[str, Any]]) -> str:
    """What keeps a list from being descriptions of functions."""
    if not 1 <= len(tools) <= MOST_TOOLS:
        return f"it shows {len(tools)} tools, and 1 to {MOST_TOOLS} are possible"
    names = [one.get("name") for one in tools]
    for name, tool in zip(names, tools, strict=True):
        if not (isinstance(name, str) and NAME.fullmatch(name)):
            return f"a tool is called {name!r:.60}; a name is letters, digits and _"
        if flaw := _parameters_flaw(tool.get("parameters", {})):
            return f"tool {name!r}: {flaw}"
    return "" if len(set(names)) == len(names) else "two of its tools have the same name"


def _parameters_flaw(parameters: Any) -> str:
    if not isinstance(parameters, Mapping) or parameters.get("type", "object") != "object":
        return "`parameters` is no JSON schema of an object"
    properties, required = parameters.get("properties", {}), parameters.get("required", [])
    if not (isinstance(properties, Mapping) and all(isinstance(one, Mapping) for one in properties.values())):
        return "`properties` is no object of schemas"
    if not (isinstance(required, list) and all(one in properties for one in required)):
        return "`required` names what is none of its properties"
    return ""


def calls_in(turn: str) -> list[str]:
    """The calls of an assistant's turn, each as the text between its tags."""
    return [found.group(1).strip() for found in _CALL.finditer(turn)]


def calls_flaw(turn: str, tools: Sequence[Mapping[str, Any]]) -> str:
    """What is wrong with the calls in a turn; a turn without any has no flaw."""
    if turn.count("<tool_call>") != turn.count("</tool_call>"):
        return "a <tool_call> is not closed"
    return next(filter(None, (_call_flaw(one, tools) for one in calls_in(turn))), "")


def _call_flaw(text: str, tools: Sequence[Mapping[str, Any]]) -> str:
    try:
        call = json_in(text)
    except ValueError as error:
        return f"a call is no JSON: {error}"
    if flaw := schema_flaw(call, {"type": "object", "required": ["name", "arguments"]}, "a call"):
        return flaw
    return arguments_flaw(call["name"], call["arguments"], tools)


def arguments_flaw(name: str, arguments: Any, tools: Sequence[Mapping[str, Any]]) -> str:
    """What keeps a call from being one of these tools, or its arguments from their schema; an argument that the schema
    does not name is a flaw unless it allows such."""
    tool = next((one for one in tools if one.get("name") == name), None)
    if tool is None:
        return f"it calls {str(name)[:60]!r}, which is none of the tools"
    schema = {"additionalProperties": False, "type": "object", **tool.get("parameters", {})}
    return schema_flaw(arguments, schema, f"the arguments of {name}")


def calling_turn(text: str, place: int) -> Message:
    """What a model said as a turn with its calls, which are known to have no flaw; ``place`` is that of the turn."""
    calls = [json_in(one) for one in calls_in(text)]
    return Message(
        role="assistant",
        content=_CALL.sub("", text).strip(),
        tool_calls=tuple(
            ToolCall.of(f"call_{place}_{number}", one["name"], one["arguments"]) for number, one in enumerate(calls)
        ),
    )


def results_of(turn: Message, results: Sequence[str]) -> tuple[Message, ...]:
    """What the calls of a turn gave, each as a turn of its own."""
    told = zip(turn.tool_calls, results, strict=True)
    return tuple(Message(role="tool", content=result, tool_call_id=call.id) for call, result in told)


def described(tools: Sequence[Mapping[str, Any]]) -> tuple[Tool, ...]:
    """The functions as records have them."""
    nothing = {"type": "object", "properties": {}}
    return tuple(
        Tool.of(str(one["name"]), str(one.get("description") or ""), one.get("parameters") or nothing) for one in tools
    )
