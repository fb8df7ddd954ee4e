"""Asks every provider of LiteLLM once, in a process of its own that can reach this machine alone.

Prints a JSON object: by provider what came of it, and how often each of two servers was asked. The first redirects to
the second, with the prompt, whoever follows.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from transport_ways import Server, started

from star_agents.agents.http_failure import HttpFailure
from star_agents.agents.replies.body import telling_refusals
from star_agents.agents.transports import litellm_env

MODELS = {"clarifai": "openai.chat-completion.m", "ragflow": "chat/c/m", "vertex_ai": "gemini-2.5-pro"}
MODELS["bedrock"] = "anthropic.claude-3-haiku-20240307-v1:0"
"""Names of models, where any will not do."""
BASES = {"nlp_cloud": "/v1/gpu/", "triton": "/v2/models/m/generate"}
"""What stands behind the server's address, where LiteLLM insists."""
_AWS = {"aws_access_key_id": "a", "aws_secret_access_key": "s", "aws_region_name": "us-east-1"}
MORE: dict[str, dict[str, Any]] = {
    "bedrock": {**_AWS, "api_key": None},
    "sagemaker": _AWS,
    "sagemaker_chat": _AWS,
    "sagemaker_nova": _AWS,
    "watsonx": {"project_id": "p", "token": "t"},
    "watsonx_text": {"project_id": "p", "token": "t"},
}
"""What else some need to send anything."""


def stay_at_home(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook that lets nobody look up or connect to another machine."""
    host: Any = None
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    if host not in (None, "127.0.0.1", b"127.0.0.1", "::1", "localhost"):
        raise OSError(f"{host!r} is another machine")


async def ask(provider: str, server: Server) -> str:
    """What came of one chat: ``guarded``, or the name of an exception and what it says."""
    asked: dict[str, Any] = {"api_base": server.url + BASES.get(provider, ""), "api_key": "k-0123456789"}
    asked |= {"model": f"{provider}/{MODELS.get(provider, 'm')}", **MORE.get(provider, {})}
    try:
        with telling_refusals():
            await litellm_env.load().acompletion(**asked, messages=[{"role": "user", "content": "Hello"}], timeout=20)
    except HttpFailure:
        return "guarded"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    return "taken in"


async def survey() -> dict[str, Any]:
    """Every provider in turn."""
    elsewhere, found = Server(), {}
    server = Server(status=307)
    runners = [await started(one) for one in (server, elsewhere)]
    server.headers = {"Location": f"{elsewhere.url}/x"}
    for provider in sorted(one.value for one in litellm_env.load().LlmProviders):
        server.asked.clear()
        elsewhere.asked.clear()
        outcome = await ask(provider, server)
        found[provider] = {"outcome": outcome, "asked": len(server.asked), "elsewhere": len(elsewhere.asked)}
    for runner in runners:
        await runner.cleanup()
    return found


if __name__ == "__main__":
    sys.addaudithook(stay_at_home)
    print(json.dumps(asyncio.run(survey())))
