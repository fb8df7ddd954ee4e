"""What providers reply, in the form of each: the same answers told as OpenAI, Anthropic, Gemini, Bedrock, Cohere and
Ollama would. Bodies are in our own words; their fields follow the providers' documentation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Told:
    """An answer, whatever the form."""

    text: str | None = "Four."
    thought: str = ""
    end: str = "stop"
    """``stop``, ``length``, ``filter`` or ``tools``."""
    prompt: int = 9
    completion: int = 4
    cached: int = 0
    call: tuple[str, Json] | None = None
    """Name and arguments of a tool's call."""
    others: tuple[str, ...] = ()
    more: Json = field(default_factory=dict)
    """Further fields of the reply."""


def openai(told: Told) -> Json:
    """Chat completions."""
    ends = {"stop": "stop", "length": "length", "filter": "content_filter", "tools": "tool_calls"}
    message: Json = {"role": "assistant", "content": told.text}
    if told.thought:
        message["reasoning_content"] = told.thought
    if told.call is not None:
        function = {"name": told.call[0], "arguments": _json(told.call[1])}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
    choices = [{"index": 0, "message": message, "finish_reason": ends[told.end]}]
    choices += [
        {"index": at, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for at, text in enumerate(told.others, start=1)
    ]
    usage: Json = {"prompt_tokens": told.prompt, "completion_tokens": told.completion}
    usage["total_tokens"] = told.prompt + told.completion
    if told.cached:
        usage["prompt_tokens_details"] = {"cached_tokens": told.cached}
    reply = {"id": "x", "object": "chat.completion", "created": 1, "model": "m-2026", "choices": choices}
    return {**reply, "usage": usage, **told.more}


def anthropic(told: Told) -> Json:
    """Messages."""
    ends = {"stop": "end_turn", "length": "max_tokens", "filter": "refusal", "tools": "tool_use"}
    content: list[Json] = []
    if told.thought:
        content.append({"type": "thinking", "thinking": told.thought, "signature": "c2ln"})
    if told.text:
        content.append({"type": "text", "text": told.text})
    if told.call is not None:
        content.append({"type": "tool_use", "id": "call_1", "name": told.call[0], "input": told.call[1]})
    usage = {"input_tokens": told.prompt - told.cached, "output_tokens": told.completion}
    usage |= {"cache_read_input_tokens": told.cached, "cache_creation_input_tokens": 0}
    reply = {"id": "x", "type": "message", "role": "assistant", "model": "m-2026", "stop_sequence": None}
    return {**reply, "stop_reason": ends[told.end], "content": content, "usage": usage, **told.more}


def gemini(told: Told) -> Json:
    """``generateContent``."""
    ends = {"stop": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY", "tools": "STOP"}
    parts: list[Json] = []
    if told.thought:
        parts.append({"text": told.thought, "thought": True})
    if told.text:
        parts.append({"text": told.text})
    if told.call is not None:
        parts.append({"functionCall": {"id": "call_1", "name": told.call[0], "args": told.call[1]}})
    first = {"content": {"role": "model", "parts": parts}, "finishReason": ends[told.end], "index": 0}
    others = [
        {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP", "index": at}
        for at, text in enumerate(told.others, start=1)
    ]
    thoughts = 2 if told.thought else 0
    used: Json = {"promptTokenCount": told.prompt, "candidatesTokenCount": told.completion - thoughts}
    used["totalTokenCount"] = told.prompt + told.completion
    if thoughts:
        used["thoughtsTokenCount"] = thoughts
    if told.cached:
        used["cachedContentTokenCount"] = told.cached
    return {"candidates": [first, *others], "usageMetadata": used, "modelVersion": "m-2026", **told.more}


def converse(told: Told) -> Json:
    """Bedrock's ``converse``."""
    ends = {"stop": "end_turn", "length": "max_tokens", "filter": "guardrail_intervened", "tools": "tool_use"}
    content: list[Json] = []
    if told.thought:
        content.append({"reasoningContent": {"reasoningText": {"text": told.thought, "signature": "c2ln"}}})
    if told.text is not None:
        content.append({"text": told.text})
    if told.call is not None:
        content.append({"toolUse": {"toolUseId": "call_1", "name": told.call[0], "input": told.call[1]}})
    usage = {"inputTokens": told.prompt - told.cached, "outputTokens": told.completion}
    usage["totalTokens"] = told.prompt + told.completion
    if told.cached:
        usage |= {"cacheReadInputTokens": told.cached, "cacheWriteInputTokens": 0}
    output = {"message": {"role": "assistant", "content": content}}
    return {"output": output, "stopReason": ends[told.end], "usage": usage, "metrics": {"latencyMs": 1}, **told.more}


def cohere(told: Told) -> Json:
    """Chat, version 2."""
    ends = {"stop": "COMPLETE", "length": "MAX_TOKENS", "filter": "ERROR_TOXIC", "tools": "TOOL_CALL"}
    message: Json = {"role": "assistant", "content": [{"type": "text", "text": told.text}] if told.text else []}
    if told.call is not None:
        function = {"name": told.call[0], "arguments": _json(told.call[1])}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
    counts = {"input_tokens": told.prompt, "output_tokens": told.completion}
    usage = {"billed_units": dict(counts), "tokens": counts}
    return {"id": "x", "finish_reason": ends[told.end], "message": message, "usage": usage, **told.more}


def ollama_chat(told: Told) -> Json:
    """Ollama's ``/api/chat``."""
    message: Json = {"role": "assistant", "content": told.text or ""}
    if told.thought:
        message["thinking"] = told.thought
    if told.call is not None:
        message["tool_calls"] = [{"function": {"name": told.call[0], "arguments": told.call[1]}}]
    return {"model": "m-2026", "message": message, **_of_ollama(told)}


def ollama(told: Told) -> Json:
    """Ollama's ``/api/generate``."""
    return {"model": "m-2026", "response": told.text or "", **_of_ollama(told)}


def _of_ollama(told: Told) -> Json:
    end = "length" if told.end == "length" else "stop"
    counts = {"prompt_eval_count": told.prompt, "eval_count": told.completion}
    return {"created_at": "2026-01-01T00:00:00Z", "done": True, "done_reason": end, **counts, **told.more}


def _json(value: Json) -> str:
    return json.dumps(value)


FORMS: Mapping[str, Callable[[Told], Json]] = {
    "openai": openai,
    "anthropic": anthropic,
    "gemini": gemini,
    "converse": converse,
    "cohere": cohere,
    "ollama_chat": ollama_chat,
    "ollama": ollama,
}


def failure(form: str, status: int, message: str, kind: str = "invalid_request_error") -> Json:
    """An error's body."""
    match form:
        case "anthropic":
            return {"type": "error", "error": {"type": kind, "message": message}}
        case "gemini":
            return {"error": {"code": status, "message": message, "status": kind.upper()}}
        case "converse" | "cohere":
            return {"message": message}
        case "ollama" | "ollama_chat":
            return {"error": message}
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}
