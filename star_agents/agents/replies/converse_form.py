"""A reply in the form of Bedrock's ``converse``, told in OpenAI's. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from star_agents.agents.replies.json_objects import nested_object

_PLAIN_BLOCKS = frozenset({"text", "reasoningContent"})
"""What an answer is made of that asks for nothing of Bedrock's own; calls of tools may have names that LiteLLM made."""
_DEAR = ("serviceTier", "performanceConfig")
"""What may give a call a price of its own."""


def from_converse(reply: Mapping[str, Any]) -> dict[str, Any]:
    """The reply in OpenAI's form, its counts as they were sent.

    Raises:
        LookupError, TypeError: It has no content.
    """
    blocks = reply["output"]["message"]["content"]
    told = {"content": "".join(one["text"] for one in blocks if "text" in one)}
    if thoughts := [_thought(one["reasoningContent"]) for one in blocks if "reasoningContent" in one]:
        told["reasoning_content"] = "".join(thoughts)
    return {"choices": [{"message": told, "finish_reason": reply.get("stopReason")}], "usage": _usage(reply)}


def is_plain(reply: Mapping[str, Any]) -> bool:
    """Whether it holds texts and thoughts alone, and is priced by its tokens."""
    message, usage = nested_object(nested_object(reply, "output"), "message"), nested_object(reply, "usage")
    blocks = message.get("content")
    if not isinstance(blocks, list) or any(reply.get(name) for name in _DEAR) or usage.get("cacheWriteInputTokens"):
        return False
    return all(isinstance(one, Mapping) and _is_plain_block(one) for one in blocks)


def _is_plain_block(block: Mapping[str, Any]) -> bool:
    return not block.keys() - _PLAIN_BLOCKS and isinstance(block.get("text", ""), str)


def _thought(content: Any) -> str:
    """Its text; what is encrypted gives none."""
    told = nested_object(content, "reasoningText").get("text") if isinstance(content, Mapping) else None
    return told if isinstance(told, str) else ""


def _usage(reply: Mapping[str, Any]) -> Any:
    usage = reply.get("usage")
    if not isinstance(usage, Mapping):
        return usage
    asked, cached = usage.get("inputTokens"), usage.get("cacheReadInputTokens") or 0
    return {
        "prompt_tokens": asked + cached if isinstance(asked, int) and isinstance(cached, int) else asked,
        "completion_tokens": usage.get("outputTokens"),
        "prompt_tokens_details": {"cached_tokens": cached},
    }
