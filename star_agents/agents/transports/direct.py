"""The short way to servers that speak OpenAI's protocol, or Ollama's: one connection pool of ours, and nothing between.

It costs a twentieth of the CPU of ``Router.acompletion``, and answers, usage and errors are the same but for what
LiteLLM hides or gets wrong: ``tests/test_agents_parity.py`` holds both to it and names the differences.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import anyio.to_thread

from star_agents.agents.answer import Answer, Call
from star_agents.agents.http_failure import HttpFailure
from star_agents.agents.replies.reading import choices_of, error_in, name_in
from star_agents.agents.replies.usage import Claims, openai_claims, read_usage
from star_agents.agents.transports.direct_routes import OLLAMA_NAMES, OLLAMA_TOP_LEVEL, Route, flat
from star_agents.agents.transports.http import HttpReply, HttpRequest, HttpSender
from star_agents.agents.transports.json_body import decode, encode
from star_agents.limits.json_structure import SMALL_BYTES


class DirectHttpTransport:
    """Sends to endpoints that have a ``route``.

    Args:
        sender: Sends what is prepared here.
    """

    def __init__(self, sender: HttpSender) -> None:
        self._sender = sender

    async def complete(self, call: Call) -> Answer:
        """Send once.

        Raises:
            HttpFailure: The server answered with an error, or points elsewhere.
            RefusedReply: The reply passes a limit.
            ValueError, LookupError, TypeError: The reply cannot be read.
            aiohttp.ClientError: The server was not reached, or hung up.
        """
        route = call.endpoint.route
        if route is None:
            raise ValueError(f"{call.endpoint.model} has no direct route")
        body = encode(_ollama_body(call, route) if route.dialect == "ollama" else _openai_body(call, route))
        reply = await self._sender.send(
            HttpRequest(url=route.url, headers=route.headers, body=body, timeout_s=call.timeout_s, proxy=route.proxy)
        )
        read = await object_in(reply)
        return _ollama_answer(read, call) if route.dialect == "ollama" else openai_answer(read, call)


async def object_in(reply: HttpReply) -> dict[str, Any]:
    """The object in a reply's body; a long one is parsed in a thread.

    Raises:
        HttpFailure: The reply is an error, by its status or by what it holds.
        ValueError, TypeError: It is no JSON, or no object.
    """
    if reply.status >= 400:
        raise HttpFailure(reply.status, reply.body.decode("utf-8", "replace"), reply.headers)
    body = reply.body
    read = decode(body) if len(body) <= SMALL_BYTES else await anyio.to_thread.run_sync(decode, body)
    if not isinstance(read, dict):
        raise TypeError(f"the reply is no object but {type(read).__name__}")
    if (failure := error_in(read, reply.headers)) is not None:
        raise failure
    return read


def _openai_body(call: Call, route: Route) -> dict[str, Any]:
    body = {"model": route.model, "messages": call.messages, **flat(call.shape)}
    if call.n > 1:
        body["n"] = call.n
    return body


def _ollama_body(call: Call, route: Route) -> dict[str, Any]:
    """Ollama's ``/api/chat``, which has no ``n``: it gives one answer."""
    # The schema of a reply, as structured_output.py asks for it, and tools, as tool_forms.py offers them.
    top_level = OLLAMA_TOP_LEVEL | {"format", "tools"}
    beside = {name: value for name, value in call.shape.items() if name in top_level}
    options = {OLLAMA_NAMES.get(name, name): value for name, value in call.shape.items() if name not in beside}
    messages = [_ollama_turn(turn) for turn in call.messages] if call.tools else call.messages
    return {"model": route.model, "messages": messages, "options": options, "stream": False, **beside}


def _ollama_turn(turn: Mapping[str, Any]) -> Mapping[str, Any]:
    """A turn as Ollama has it: arguments are an object; one that a model wrote as no object goes as an empty one."""
    if "tool_calls" not in turn:
        return turn
    return {**turn, "tool_calls": [_ollama_call(call["function"]) for call in turn["tool_calls"]]}


def _ollama_call(function: Mapping[str, Any]) -> dict[str, Any]:
    try:
        arguments = json.loads(function["arguments"])
    except (ValueError, RecursionError):
        arguments = {}
    return {"function": {"name": function["name"], "arguments": arguments if isinstance(arguments, dict) else {}}}


def openai_answer(read: Mapping[str, Any], call: Call) -> Answer:
    """Read a reply in OpenAI's form; raises as ``choices_of`` does."""
    return _answer(read["choices"], call, openai_claims(read.get("usage")), read.get("model"))


def _ollama_answer(read: Mapping[str, Any], call: Call) -> Answer:
    choice = {"message": read["message"], "finish_reason": read.get("done_reason")}
    claims = Claims(prompt=read.get("prompt_eval_count"), completion=read.get("eval_count"))
    return _answer([choice], call, claims, read.get("model"))


def _answer(replied: Sequence[Mapping[str, Any]], call: Call, claims: Claims, model: object) -> Answer:
    usage = read_usage(claims, call, replied)
    return Answer(
        choices=choices_of(replied, call, completion_tokens=usage.completion_tokens),
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cached_tokens=usage.cached_tokens,
        usage_doubt=usage.doubt,
        answered_as=name_in(model),
    )
