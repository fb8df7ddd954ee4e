"""The way through LiteLLM whole: every provider can take it, and it says what LiteLLM makes of the cost.

Where an agent has ``transport: litellm`` it is ``Router.acompletion``, on the deployment that the call's slot is of.
Else it is ``litellm.acompletion``: retries, fallbacks, limits and cooldowns are ours, and what the Router does for them
on each call is a quarter of the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import anyio.to_thread

from star_agents.agents.answer import Answer, Call
from star_agents.agents.endpoints import Endpoint
from star_agents.agents.http_failure import HttpFailure
from star_agents.agents.replies.body import telling_refusals
from star_agents.agents.replies.for_litellm import hearing
from star_agents.agents.transports.direct import openai_answer
from star_agents.agents.transports.json_body import decode
from star_agents.agents.transports.litellm_answers import answer_of
from star_agents.limits.json_structure import SMALL_BYTES


class LiteLLMTransport:
    """Sends through ``litellm.acompletion``, or the Router's.

    Args:
        litellm: Gives the module, which the endpoint's resolution has loaded.
        router: Gives the Router, on which the deployments are that it sends to.
    """

    def __init__(self, litellm: Callable[[], ModuleType], router: Callable[[], Any]) -> None:
        self._litellm = litellm
        self._router = router

    async def complete(self, call: Call) -> Answer:
        """Send once.

        Raises:
            HttpFailure: The server points elsewhere.
            RefusedReply: The reply passes a limit.
            Exception: What LiteLLM raises, and what ``choices_of`` does.
        """
        with telling_refusals(), hearing() as heard:
            try:
                response = await self._ask(call)
            except Exception:
                if (answer := await _own_reading(heard.body, call)) is None:
                    raise
                return answer
        return answer_of(response, call, heard)

    async def _ask(self, call: Call) -> Any:
        several = {"n": call.n} if call.n > 1 else {}
        # Otherwise LiteLLM looks whether a tool is one of its own servers', for which it needs a library of theirs.
        only_ours = {"_skip_mcp_handler": True} if "tools" in call.shape else {}
        sender, params = self._sender(call.endpoint, call.deployment)
        return await sender.acompletion(
            **params,
            messages=list(call.messages),
            timeout=call.timeout_s,
            **several,
            **only_ours,
            **call.shape,
        )

    async def embed(self, endpoint: Endpoint, deployment: str, texts: Sequence[str], *, timeout_s: float) -> Any:
        """Embed once; LiteLLM's response. Raises as ``complete`` does. ``deployment`` is as in ``Call``."""
        sender, params = self._sender(endpoint, deployment)
        with telling_refusals():
            return await sender.aembedding(**params, input=list(texts), timeout=timeout_s)

    def _sender(self, endpoint: Endpoint, deployment: str) -> tuple[Any, Mapping[str, Any]]:
        """Who sends, and what tells it where to."""
        if deployment:
            return self._router(), {"model": deployment, "disable_fallbacks": True}
        return self._litellm(), endpoint.params


async def _own_reading(body: bytes, call: Call) -> Answer | None:
    """What the direct way makes of a reply that LiteLLM could not read; ``None`` where that is nothing either."""
    if not body:
        return None
    try:
        read = decode(body) if len(body) <= SMALL_BYTES else await anyio.to_thread.run_sync(decode, body)
        return openai_answer(read, call)
    except (ValueError, LookupError, TypeError, AttributeError, HttpFailure):
        return None
