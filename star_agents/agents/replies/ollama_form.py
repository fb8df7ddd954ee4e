"""A reply in the form of Ollama's ``/api/chat`` or ``/api/generate``, told in OpenAI's. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def from_ollama(reply: Mapping[str, Any]) -> dict[str, Any]:
    """The reply in OpenAI's form, its counts as they were sent.

    Raises:
        LookupError: It has neither a message nor a response.
    """
    message = reply.get("message")
    if message is None:
        message = {"content": reply["response"], "thinking": reply.get("thinking")}
    elif isinstance(message.get("tool_calls"), list):
        message = {**message, "tool_calls": [_call(one) for one in message["tool_calls"]]}
    usage = {"prompt_tokens": reply.get("prompt_eval_count"), "completion_tokens": reply.get("eval_count")}
    choice = {"message": message, "finish_reason": reply.get("done_reason")}
    return {"choices": [choice], "usage": usage, "model": reply.get("model")}


def is_plain(reply: Mapping[str, Any], asked: Any) -> bool:
    """Whether its text is the answer: asked for JSON without a schema, a model may have written a call of a tool.

    Args:
        reply: The reply.
        asked: The request's body.
    """
    message = reply.get("message")
    is_text = isinstance(reply.get("response"), str) if message is None else isinstance(message, Mapping)
    return is_text and isinstance(asked, Mapping) and asked.get("format") != "json"


def _call(sent: Any) -> Any:
    """With its arguments as text, as LiteLLM writes them."""
    function = sent.get("function") if isinstance(sent, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("arguments"), Mapping):
        return sent
    return {**sent, "function": {**function, "arguments": json.dumps(function["arguments"])}}
