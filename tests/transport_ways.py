"""Every way a prompt can go, a server that does as it is told on each, and an honest reply in the form of each.

The ways are our own, both dialects, and LiteLLM's through each kind of client that it has: the OpenAI SDK's, its own
handler's, and a sync one's in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from aiohttp import web

from star_agents.agents.answer import Answer, Call, Transport
from star_agents.agents.endpoints import Endpoint, resolve
from star_agents.agents.routing import Routing, deployment_id
from star_agents.agents.transports import litellm_env
from star_agents.agents.transports.direct import DirectHttpTransport
from star_agents.agents.transports.http import HttpPool
from star_agents.agents.transports.litellm import LiteLLMTransport
from star_agents.agents.transports.translated import TranslatedTransport
from star_agents.config.models import AgentConfig

KEY = "sk-canary-7d0b3a91"
PROMPT = "The prompt that goes nowhere else."

_WHOLE = {"transport": "litellm"}
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "direct": ("openai/m", {}),
    "direct, Ollama": ("ollama_chat/m", {}),
    "OpenAI's SDK": ("openai/m", _WHOLE),
    "Azure": ("azure/m", {"api_version": "2026-01-01", **_WHOLE}),
    "LiteLLM's handler": ("hosted_vllm/m", _WHOLE),
    "Anthropic": ("anthropic/claude-sonnet-4-5", _WHOLE),
    "Gemini": ("gemini/gemini-2.5-flash", _WHOLE),
    "Mistral": ("mistral/m", _WHOLE),
    "Cohere": ("cohere_chat/command-r", _WHOLE),
    "Ollama": ("ollama/m", _WHOLE),
    "Ollama's chat through LiteLLM": ("ollama_chat/m", _WHOLE),
    "translated, Azure": ("azure/m", {"api_version": "2026-01-01"}),
    "translated, Anthropic": ("anthropic/claude-sonnet-4-5", {}),
    "translated, Gemini": ("gemini/gemini-2.5-flash", {}),
    "translated, Mistral": ("mistral/m", {}),
    "translated, Cohere": ("cohere_chat/command-r", {}),
    "translated, Ollama": ("ollama/m", {}),
}


@dataclass
class Server:
    """Answers every path alike, and remembers who asked."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    status: int = 200
    endless: bytes = b""
    """Sent again and again after the body, until the client hangs up."""
    pause_s: float = 0.0
    asked: list[str] = field(default_factory=list)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    def reset(self) -> None:
        """As it was made."""
        self.headers, self.body, self.status, self.endless, self.pause_s = {}, b"", 200, b"", 0.0
        self.asked.clear()
        self.hung_up.clear()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """As the fields say."""
        self.asked.append(f"{request.path} {(await request.read()).decode()} {request.headers.get('Authorization')}")
        response = web.StreamResponse(status=self.status, headers={"Content-Type": "application/json", **self.headers})
        await response.prepare(request)
        endless, pause_s = self.endless, self.pause_s
        try:
            await response.write(self.body)
            while endless:
                await response.write(endless)
                await asyncio.sleep(pause_s)
        except (ConnectionError, asyncio.CancelledError):
            self.hung_up.set()
            raise
        await response.write_eof()
        return response


async def started(server: Server) -> web.AppRunner:
    """Let it listen on a port of its own."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    return runner


@cache
def endpoint(url: str, way: str) -> Endpoint:
    """A model at a server, reached by one of the ways."""
    model, settings = WAYS[way]
    agent = AgentConfig(model=model, api_base=url, api_key="os.environ/A_KEY", **settings)
    (found,) = resolve(litellm_env.load, {"it": agent}, {"A_KEY": KEY}, {})["it"]
    assert found.way == next((name for name in ("direct", "translated") if way.startswith(name)), "litellm")
    return found


@cache
def routing() -> Routing:
    """LiteLLM's Router, one for all tests of a process."""
    return Routing(litellm_env.load)


_registered: dict[str, str] = {}


def on_router(at: Endpoint) -> str:
    """The endpoint's id on the Router."""
    name = f"{at.address} {at.model}"
    if name not in _registered:
        group = f"g{len(_registered)}"
        routing().register(group, [at], lambda: 0)
        _registered[name] = deployment_id(group, 0)
    return _registered[name]


async def ask(url: str, way: str, timeout_s: float = 20.0) -> Answer:
    """Send once; raises what the transport does."""
    at = endpoint(url, way)
    call = Call(
        endpoint=at,
        deployment=on_router(at) if at.through_router else "",
        messages=[{"role": "user", "content": PROMPT}],
        shape={"max_tokens": 20},
        timeout_s=timeout_s,
    )
    pool = HttpPool()
    whole = LiteLLMTransport(litellm_env.load, lambda: routing().router)
    ways: Mapping[str, Transport] = {
        "direct": DirectHttpTransport(pool),
        "translated": TranslatedTransport(pool, litellm_env.load, whole),
        "litellm": whole,
    }
    try:
        return await ways[call.endpoint.way].complete(call)
    finally:
        await pool.aclose()


def _openai(prompt: Any, completion: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Four."}, "finish_reason": "stop"}
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": 13}
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def _ollama_chat(prompt: Any, completion: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "Four."}
    counts = {"prompt_eval_count": prompt, "eval_count": completion}
    return {"model": "m", "message": message, "done": True, "done_reason": "stop", **counts}


def _ollama(prompt: Any, completion: Any) -> dict[str, Any]:
    counts = {"prompt_eval_count": prompt, "eval_count": completion}
    return {"model": "m", "response": "Four.", "done": True, "done_reason": "stop", **counts}


def _anthropic(prompt: Any, completion: Any) -> dict[str, Any]:
    said = {"id": "x", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
    usage = {"input_tokens": prompt, "output_tokens": completion}
    return {**said, "content": [{"type": "text", "text": "Four."}], "usage": usage}


def _gemini(prompt: Any, completion: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [{"text": "Four."}]}, "finishReason": "STOP", "index": 0}
    counts = {"promptTokenCount": prompt, "candidatesTokenCount": completion, "totalTokenCount": 13}
    return {"candidates": [candidate], "usageMetadata": counts}


def _cohere(prompt: Any, completion: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": [{"type": "text", "text": "Four."}]}
    counts = {"input_tokens": prompt, "output_tokens": completion}
    usage = {"billed_units": dict(counts), "tokens": counts}
    return {"id": "x", "finish_reason": "COMPLETE", "message": message, "usage": usage}


_FORMS: Mapping[str, Callable[[Any, Any], dict[str, Any]]] = {
    "direct, Ollama": _ollama_chat,
    "Ollama's chat through LiteLLM": _ollama_chat,
    "Ollama": _ollama,
    "Anthropic": _anthropic,
    "Gemini": _gemini,
    "Cohere": _cohere,
}
COUNTS = (9, 4)
"""Tokens of the prompt and of the answer, which can be so."""
TEXT = "Four."


def honest(way: str, prompt: Any = COUNTS[0], completion: Any = COUNTS[1]) -> dict[str, Any]:
    """A reply in the form of a way's provider, with these counts in it."""
    return _FORMS.get(way.removeprefix("translated, "), _openai)(prompt, completion)
