"""The way through LiteLLM whole: every provider can take it, and it says what LiteLLM makes of the cost.

Where an agent has ``transport: litellm`` it is ``Router.acompletion``, on the deployment that the call's slot is of. Else
it is ``litellm.acompletion``: retries, fallbacks, limits and cooldowns are ours, and what the Router does for them on
each call is a quarter of the CPU.
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
from star_agents.agents.replies.for_litellm import Heard, hearing
from star_agents.agents.replies.reading import choices_of, name_in
from star_agents.agents.replies.usage import Claims, read_usage
from star_agents.agents.transports.direct import decode, openai_answer
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
        return _answer(response, call, heard)

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


def _answer(response: Any, call: Call, heard: Heard) -> Answer:
    claims = heard.claims or _claims(getattr(response, "usage", None))
    replied = [_as_sent(choice, call) for choice in response.choices]
    usage = read_usage(claims, call, replied)
    return Answer(
        choices=choices_of(replied, call, completion_tokens=usage.completion_tokens),
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cached_tokens=usage.cached_tokens,
        listed_usd=(response._hidden_params or {}).get("response_cost"),
        usage_doubt=usage.doubt,
        answered_as=name_in(getattr(response, "model", None)),
    )


def _claims(claimed: Any) -> Claims:
    """What LiteLLM made of the counts, where it was left to read them as they were sent."""
    return Claims(
        prompt=getattr(claimed, "prompt_tokens", None),
        completion=getattr(claimed, "completion_tokens", None),
        cached=getattr(getattr(claimed, "prompt_tokens_details", None), "cached_tokens", None),
    )


def _as_sent(choice: Any, call: Call) -> dict[str, Any]:
    """A choice as the provider sent it, as far as LiteLLM lets that be seen.

    What cannot be seen: that there was no finish reason (LiteLLM says ``stop``), and a reason that LiteLLM does not
    know where it sets it on the choice afterwards (Anthropic, Bedrock, ``ollama``, ``ollama_chat``): ``stop`` too.
    """
    message = choice.message.model_dump()
    beside = _object(getattr(choice, "provider_specific_fields", None))
    within = _object(message.pop("provider_specific_fields", None))
    reason = choice.finish_reason
    native = beside.get("native_finish_reason")
    # LiteLLM keeps here the word that it has replaced. OpenRouter has a field of this name for the word of the
    # provider behind it, and words of its own in `finish_reason`, of which LiteLLM replaces "error" alone.
    if native and (native == "error" or not call.endpoint.model.startswith("openrouter/")):
        reason = native if reason == "stop" else reason
    return {"message": {**within, **message}, "finish_reason": reason, "error": beside.get("error")}


def _object(value: Any) -> Mapping[str, Any]:
    """LiteLLM hands on what some providers wrote there, whatever it is."""
    return value if isinstance(value, Mapping) else {}
