"""Replies in the forms that vLLM, llama.cpp, TGI, LM Studio, Ollama, OpenAI and the proxies before them give theirs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from openai_server import Cut, Move, Raw

VLLM, OPENAI, TGI, LLAMA_CPP, LM_STUDIO, OLLAMA = (
    "hosted_vllm/m",
    "openai/m",
    "huggingface/m",
    "llamafile/m",
    "lm_studio/m",
    "ollama_chat/m",
)


def raw(status: int, body: object, **headers: str) -> Raw:
    text = body if isinstance(body, str) else json.dumps(body)
    kind = "application/json" if text.startswith(("{", "[")) else "text/html" if "<" in text else "text/plain"
    return Raw(status=status, body=text.encode(), content_type=kind, headers=headers)


def error(status: int, message: str, type: str, code: object = None, **headers: str) -> Raw:
    """In OpenAI's form, which vLLM (since 0.10), llama.cpp and most proxies share."""
    return raw(status, {"error": {"message": message, "type": type, "param": None, "code": code}}, **headers)


def old_vllm(status: int, message: str, type: str) -> Raw:
    return raw(status, {"object": "error", "message": message, "type": type, "param": None, "code": status})


def choice(index: int = 0, finish_reason: str | None = "stop", **message: Any) -> dict[str, Any]:
    return {"index": index, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}


USAGE = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
CALLED = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]


def chat(*choices: Mapping[str, Any], usage: Mapping[str, Any] | None = USAGE, **more: Any) -> Raw:
    known = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices}
    return raw(200, {**known, **({} if usage is None else {"usage": usage}), **more})


def ollama(content: str = "Four.", done_reason: str = "stop", **more: Any) -> Raw:
    told = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "done": True, "total_duration": 9}
    message = {"role": "assistant", "content": content, **more.pop("message", {})}
    counts = {"prompt_eval_count": 12, "eval_count": 5}
    return raw(200, {**told, "message": message, "done_reason": done_reason, **counts, **more})


ANSWERS: dict[str, tuple[str, Raw]] = {
    "vLLM": (VLLM, chat(choice(content="Four."), prompt_logprobs=None, kv_transfer_params=None)),
    "vLLM, reasoning apart": (VLLM, chat(choice(content="4", reasoning_content="2+2", tool_calls=[]))),
    "vLLM, reasoning before the answer": (VLLM, chat(choice(content="<think>2+2\nis</think>\n\n4"))),
    "vLLM, reasoning that never ends": (VLLM, chat(choice(content="<think>2+2", finish_reason="length"))),
    "vLLM, reasoning and no answer": (VLLM, chat(choice(content=None, reasoning_content="2+2"))),
    "vLLM, tags beside a field": (VLLM, chat(choice(content="<think>a</think>4", reasoning=None))),
    "vLLM, aborted": (VLLM, chat(choice(content="Fo", finish_reason="abort"))),
    "vLLM, cached": (VLLM, chat(choice(content="4"), usage={**USAGE, "prompt_tokens_details": {"cached_tokens": 8}})),
    "vLLM, details null": (VLLM, chat(choice(content="4"), usage={**USAGE, "prompt_tokens_details": None})),
    "vLLM, error null": (VLLM, chat(choice(content="4"), error=None)),
    "llama.cpp": (LLAMA_CPP, chat(choice(content="Four."), timings={"prompt_ms": 1.5}, system_fingerprint="b1")),
    "llama.cpp, length": (LLAMA_CPP, chat(choice(content="Fo", finish_reason="length"))),
    "TGI": (TGI, chat(choice(content="Four.", finish_reason="eos_token"), model="org/m")),
    "TGI, stop sequence": (TGI, chat(choice(content="Four", finish_reason="stop_sequence"))),
    "TGI, length": (TGI, chat(choice(content="Fo", finish_reason="length"))),
    "LM Studio": (LM_STUDIO, chat(choice(content="Four."), stats={})),
    "OpenAI": (OPENAI, chat(choice(content="Four.", refusal=None, annotations=[]), service_tier="default")),
    "OpenAI, refusal": (OPENAI, chat(choice(content=None, refusal="I cannot help with that."))),
    "OpenAI, filtered": (OPENAI, chat(choice(content="", finish_reason="content_filter"))),
    "OpenAI, tool call only": (OPENAI, chat(choice(content=None, tool_calls=CALLED, finish_reason="tool_calls"))),
    "OpenAI, tool call that stops": (OPENAI, chat(choice(content=None, tool_calls=CALLED))),
    "OpenAI, content missing": (OPENAI, chat(choice())),
    "OpenAI, no finish reason": (OPENAI, chat(choice(content="4", finish_reason=None))),
    "OpenAI, usage missing": (OPENAI, chat(choice(content="4"), usage=None)),
    "OpenAI, usage null": (OPENAI, raw(200, {"choices": [choice(content="4")], "usage": None})),
    "OpenAI, usage in part": (OPENAI, chat(choice(content="4"), usage={"prompt_tokens": 5, "completion_tokens": None})),
    "OpenAI, usage as floats": (OPENAI, chat(choice(content="4"), usage={**USAGE, "prompt_tokens": 12.0})),
    "OpenAI, three": (OPENAI, chat(choice(0, content="a"), choice(1, content="b"), choice(2, content="c"))),
    "DeepSeek behind a proxy": (OPENAI, chat(choice(content="4"), usage={**USAGE, "prompt_cache_hit_tokens": 6})),
    "Claude behind a proxy": (OPENAI, chat(choice(content="4"), usage={**USAGE, "cache_read_input_tokens": 6})),
    "a proxy, error empty": (OPENAI, chat(choice(content="4"), error={"message": "", "code": None})),
    "a proxy, 201": (OPENAI, Raw(status=201, body=chat(choice(content="4")).body)),
    "half an emoji": (OPENAI, Raw(body=chat(choice(content="\ud83d x")).body)),
    "a byte-order mark": (OPENAI, Raw(body=b"\xef\xbb\xbf" + chat(choice(content="4")).body)),
    "not a number": (VLLM, Raw(body=chat(choice(content="4"), score=float("nan")).body)),
    "chunks of unknown length": (VLLM, Raw(body=chat(choice(content="4" * 70_000)).body, says_length=False)),
    "Ollama": (OLLAMA, ollama()),
    "Ollama, length": (OLLAMA, ollama("Fo", "length")),
    "Ollama, thinking apart": (OLLAMA, ollama("4", message={"thinking": "2+2"})),
    "Ollama, thinking before the answer": (OLLAMA, ollama("<think>2+2</think>4")),
    "Ollama, tool call": (
        OLLAMA,
        ollama("", message={"tool_calls": [{"function": {"name": "f", "arguments": {}}}]}),
    ),
}

TOO_LONG = "This model's maximum context length is 4096 tokens. However, your request has 5000 input tokens."
ERRORS: dict[str, tuple[str, Move]] = {
    "vLLM, too long": (VLLM, error(400, TOO_LONG, "BadRequestError", 400)),
    "vLLM before 0.10, too long": (VLLM, old_vllm(400, TOO_LONG, "BadRequestError")),
    "vLLM, bad parameter": (VLLM, error(400, "temperature must be non-negative", "BadRequestError", 400)),
    "vLLM, unknown model": (VLLM, error(404, "The model `m` does not exist.", "NotFoundError", 404)),
    "vLLM before 0.10, unknown model": (VLLM, old_vllm(404, "The model `m` does not exist.", "NotFoundError")),
    "vLLM, wrong path": (VLLM, raw(404, {"detail": "Not Found"})),
    "vLLM, key": (VLLM, raw(401, {"error": "Unauthorized"})),
    "vLLM, invalid body": (VLLM, raw(422, {"detail": [{"loc": ["body"], "msg": "Field required"}]})),
    "vLLM, engine dead": (VLLM, error(500, "EngineCore encountered an issue.", "InternalServerError", 500)),
    "vLLM, error with 200": (VLLM, raw(200, {"error": {"message": "engine is dead", "code": 500}})),
    "llama.cpp, too long": (
        LLAMA_CPP,
        error(
            400, "the request exceeds the available context size, try increasing it", "exceed_context_size_error", 400
        ),
    ),
    "llama.cpp, key": (LLAMA_CPP, error(401, "Invalid API Key", "authentication_error", 401)),
    "llama.cpp, loading": (LLAMA_CPP, error(503, "Loading model", "unavailable_error", 503)),
    "TGI, too long": (
        TGI,
        raw(422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000"}),
    ),
    "TGI, invalid": (TGI, raw(422, {"error": "Input validation error: `temperature` must be strictly positive"})),
    "TGI, overloaded": (TGI, raw(429, {"error": "Model is overloaded", "error_type": "overloaded"})),
    "TGI, generation failed": (TGI, raw(500, {"error": "Request failed during generation: CUDA out of memory"})),
    "LM Studio, too long": (
        LM_STUDIO,
        raw(400, {"error": "Trying to keep the first 5000 tokens when context length is only 4096"}),
    ),
    "OpenAI, too long": (OPENAI, error(400, TOO_LONG, "invalid_request_error", "context_length_exceeded")),
    "OpenAI, bad parameter": (OPENAI, error(400, "Unsupported value", "invalid_request_error", "unsupported_value")),
    "OpenAI, key": (OPENAI, error(401, "Incorrect API key provided: sk-a", "invalid_request_error", "invalid_api_key")),
    "OpenAI, region": (OPENAI, error(403, "Country not supported", "request_forbidden", "unsupported_country")),
    "OpenAI, unknown model": (
        OPENAI,
        error(404, "The model `m` does not exist", "invalid_request_error", "model_not_found"),
    ),
    "OpenAI, policy": (OPENAI, error(400, "It was flagged", "invalid_request_error", "content_policy_violation")),
    "OpenAI, safety": (OPENAI, error(400, "Your request was rejected as a result of our safety system.", "x")),
    "OpenAI, limited": (OPENAI, error(429, "Rate limit reached for m", "requests", "rate_limit_exceeded")),
    "OpenAI, limited for 7 s": (OPENAI, error(429, "Rate limit reached", "requests", **{"Retry-After": "7"})),
    "OpenAI, limited for 250 ms": (OPENAI, error(429, "Rate limit reached", "tokens", **{"retry-after-ms": "250"})),
    "OpenAI, too much at once": (OPENAI, error(429, "Request too large for m on tokens per min", "tokens")),
    "OpenAI, no credit": (
        OPENAI,
        error(429, "You exceeded your current quota", "insufficient_quota", "insufficient_quota"),
    ),
    "OpenAI, failed": (OPENAI, error(500, "The server had an error processing your request.", "server_error")),
    "OpenAI, overloaded": (OPENAI, error(503, "The engine is overloaded", "server_error", **{"Retry-After": "3"})),
    "OpenRouter, error with 200": (OPENAI, raw(200, {"error": {"message": "upstream is down", "code": 502}})),
    "OpenRouter, limited with 200": (OPENAI, raw(200, {"error": {"message": "slow down", "code": 429}})),
    "a proxy, error as text": (OPENAI, raw(200, {"error": "no such route"})),
    "a proxy, no credit": (OPENAI, error(402, "Payment required", "billing")),
    "a proxy, method": (OPENAI, raw(405, {"detail": "Method Not Allowed"})),
    "a proxy, time-out": (OPENAI, error(408, "Request timeout", "timeout")),
    "a proxy, conflict": (OPENAI, error(409, "Conflict", "conflict")),
    "nginx, too large": (VLLM, raw(413, "<html><h1>413 Request Entity Too Large</h1></html>")),
    "nginx, bad gateway": (VLLM, raw(502, "<html><head><title>502 Bad Gateway</title></head></html>")),
    "nginx, unavailable": (OPENAI, raw(503, "<html><h1>503 Service Temporarily Unavailable</h1></html>")),
    "nginx, gateway time-out": (OPENAI, raw(504, "<html><h1>504 Gateway Time-out</h1></html>")),
    "nginx, limited": (VLLM, raw(429, "Too Many Requests", **{"Retry-After": "3"})),
    "nginx, key": (OPENAI, raw(401, "Unauthorized")),
    "nginx, unknown path": (OPENAI, raw(404, "404 page not found")),
    "cloudflare, overloaded": (OPENAI, raw(529, "overloaded")),
    "an empty 500": (OPENAI, raw(500, "")),
    "a page instead of a reply": (OPENAI, raw(200, "<html>Sign in</html>")),
    "a cut body": (VLLM, Raw(body=b'{"id": "x", "choices": [{"index"')),
    "an empty body": (VLLM, Raw()),
    "Latin-1": (OPENAI, Raw(body='{"choices": [{"message": {"content": "é"}}]}'.encode("latin-1"))),
    "a list": (OPENAI, raw(200, [])),
    "nothing": (VLLM, raw(200, "null")),
    "no choices": (VLLM, raw(200, {"id": "x"})),
    "choices null": (OPENAI, raw(200, {"choices": None})),
    "choices empty": (OPENAI, raw(200, {"choices": []})),
    "a choice without a message": (OPENAI, raw(200, {"choices": [{"index": 0, "text": "4"}]})),
    "an answer that is a number": (VLLM, chat(choice(content=4))),
    "a connection that is cut": (OPENAI, Cut()),
    "a connection to vLLM that is cut": (VLLM, Cut()),
    "a connection to Ollama that is cut": (OLLAMA, Cut()),
    "Ollama, unknown model": (OLLAMA, raw(404, {"error": "model 'm' not found"})),
    "Ollama, bad option": (OLLAMA, raw(400, {"error": 'option "temperature" must be of type float32'})),
    "Ollama, runner dead": (OLLAMA, raw(500, {"error": "llama runner process has terminated: signal: killed"})),
    "Ollama, busy": (OLLAMA, raw(503, {"error": "server busy, please try again."})),
    "Ollama, key": (OLLAMA, raw(401, {"error": "unauthorized"})),
    "Ollama, a page instead of a reply": (OLLAMA, raw(200, "<html>Sign in</html>")),
}
