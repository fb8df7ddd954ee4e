"""Calls of tools in a reply: as providers send them, or in its text. Pure.

What a model made of a call is not judged here: one that names no tool, or whose arguments are no JSON, is read as it
stands, and whoever runs tools tells the model what is wrong with it. An id is given where a provider gives none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from star_agents.records import ToolCall
from star_agents.records.tool_text import TOOL_CALL
from star_agents.text.plain_data import to_json
from star_agents.text.redaction import redactor

MOST_CALLS = 32
"""Of one reply that are read; whoever runs them runs fewer."""
LONGEST_ARGUMENTS = 100_000
"""Characters; longer ones are cut, which leaves no JSON."""
_LONGEST_NAME = 200
# A server that takes the end of a call for the end of the reply leaves its tag out.
_CALL = re.compile(rf"<{TOOL_CALL}>(.*?)(?:</{TOOL_CALL}>|\Z)", re.DOTALL)


def calls_sent(sent: Any) -> tuple[ToolCall, ...]:
    """The calls in the field ``tool_calls`` of a message, of OpenAI's form or Ollama's."""
    listed = sent[:MOST_CALLS] if isinstance(sent, list) else []
    return _with_ids(tuple(_call(one) for one in listed if isinstance(one, Mapping)))


def calls_said(text: str) -> tuple[str, tuple[ToolCall, ...]]:
    """A reply's text without the calls between ``<tool_call>`` tags in it, and those calls."""
    if f"<{TOOL_CALL}>" not in text:
        return text, ()
    calls = tuple(_in_text(found[1].strip()) for found in _CALL.finditer(text))
    return _CALL.sub("\n", text).strip(), _with_ids(calls[:MOST_CALLS])


def _call(sent: Mapping[str, Any]) -> ToolCall:
    given = sent.get("function")
    function = given if isinstance(given, Mapping) else sent
    id, arguments = sent.get("id"), function.get("arguments")
    written = arguments if isinstance(arguments, str) else _json({} if arguments is None else arguments)
    return ToolCall(
        id=id[:_LONGEST_NAME] if isinstance(id, str) else "",
        name=_name(function.get("name")),
        arguments=_bounded(written),
    )


def _in_text(text: str) -> ToolCall:
    """One JSON object with a name and arguments; of anything else, the text as arguments of a call without a name."""
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict) or not isinstance(read.get("arguments", {}), dict):
        return ToolCall(id="", name="", arguments=_bounded(text))
    return ToolCall(id="", name=_name(read.get("name")), arguments=_bounded(_json(read.get("arguments", {}))))


def _name(given: Any) -> str:
    return redactor.known(given)[:_LONGEST_NAME] if isinstance(given, str) else ""


def _json(value: Any) -> str:
    try:
        return to_json(value)
    except (ValueError, TypeError, RecursionError):
        return ""


def _bounded(text: str) -> str:
    return redactor.known(text[: LONGEST_ARGUMENTS + 1_000])[:LONGEST_ARGUMENTS]


def _with_ids(calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
    """The calls, each with an id of its own: theirs, or all of them numbered."""
    ids = {call.id for call in calls}
    if len(ids) == len(calls) and all(ids):
        return calls
    return tuple(replace(call, id=f"call_{number}") for number, call in enumerate(calls, start=1))
