"""A reply in the form of Cohere's chat, version 2, told in OpenAI's. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from star_agents.agents.replies.json_objects import nested_object

_PARTS = frozenset({"text", "thinking"})


def from_cohere(reply: Mapping[str, Any]) -> dict[str, Any]:
    """The reply in OpenAI's form, its counts as they were sent.

    Raises:
        LookupError: It has no message.
    """
    message = reply["message"]
    told = {"content": message.get("content"), "tool_calls": message.get("tool_calls")}
    choice = {"message": told, "finish_reason": reply.get("finish_reason")}
    return {"choices": [choice], "usage": _usage(reply.get("usage"))}


def is_plain(reply: Mapping[str, Any]) -> bool:
    """Whether it holds texts, thoughts and calls of tools alone."""
    content = nested_object(reply, "message").get("content")
    if not isinstance(reply.get("message"), Mapping) or not isinstance(content, (list, type(None))):
        return False
    return all(isinstance(one, Mapping) and one.get("type", "text") in _PARTS for one in content or ())


def _usage(usage: Any) -> Any:
    """What the model read and wrote, which is more than Cohere bills, as LiteLLM counts it too."""
    if not isinstance(usage, Mapping):
        return usage
    counts = usage.get("tokens")
    if not isinstance(counts, Mapping):
        return counts
    return {"prompt_tokens": counts.get("input_tokens"), "completion_tokens": counts.get("output_tokens")}
