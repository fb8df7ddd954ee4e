"""A reply in the form of Anthropic's Messages, told in OpenAI's. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_PARTS = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})
"""What a reply is made of that asks for nothing of Anthropic's own."""


def from_anthropic(message: Mapping[str, Any]) -> dict[str, Any]:
    """The reply in OpenAI's form, its counts as they were sent.

    Raises:
        LookupError: It has no content.
    """
    parts = message["content"]
    told: dict[str, Any] = {"content": parts}
    if isinstance(parts, list):
        told = {"content": [one for one in parts if _kind(one) not in ("tool_use", "thinking")]}
        if calls := [_call(one) for one in parts if _kind(one) == "tool_use"]:
            told["tool_calls"] = calls
        if thoughts := [one.get("thinking") for one in parts if _kind(one) == "thinking"]:
            told["reasoning_content"] = "".join(one for one in thoughts if isinstance(one, str))
    choice = {"message": told, "finish_reason": message.get("stop_reason")}
    return {"choices": [choice], "usage": _usage(message.get("usage")), "model": message.get("model")}


def is_plain(message: Mapping[str, Any]) -> bool:
    """Whether nothing in it is of a tool of Anthropic's own, or priced by more than its tokens."""
    parts, usage = message.get("content"), message.get("usage")
    if not isinstance(parts, list) or not isinstance(usage, Mapping) or not {_kind(one) for one in parts} <= _PARTS:
        return False
    dear = ("cache_creation_input_tokens", "server_tool_use", "iterations", "inference_geo", "speed")
    return not any(usage.get(name) for name in dear) and usage.get("service_tier") in (None, "standard")


def calls_tools(message: Mapping[str, Any]) -> bool:
    """Whether it calls a tool, as far as can be told: what is no list of parts may be anything."""
    parts = message.get("content")
    return not isinstance(parts, list) or any(_kind(one) == "tool_use" for one in parts)


def _usage(usage: Any) -> Any:
    if not isinstance(usage, Mapping):
        return usage
    read, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    parts = [usage.get("input_tokens"), read, written]
    known = [one for one in parts if isinstance(one, int) and not isinstance(one, bool)]
    return {
        "prompt_tokens": sum(known) if len(known) == len(parts) else parts[0],
        "completion_tokens": usage.get("output_tokens"),
        "cache_read_input_tokens": read,
    }


def _kind(part: Any) -> str:
    return str(part.get("type", "text")) if isinstance(part, Mapping) else "text"


def _call(part: Mapping[str, Any]) -> dict[str, Any]:
    given = part.get("input")
    arguments = given if isinstance(given, str) else json.dumps({} if given is None else given)
    return {"id": part.get("id"), "type": "function", "function": {"name": part.get("name"), "arguments": arguments}}
