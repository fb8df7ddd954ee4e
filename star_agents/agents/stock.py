"""The way through LiteLLM whole: every provider can take it, and it says what LiteLLM makes of the cost.

It is ``litellm.acompletion`` on the deployment that was picked, and not ``Router.acompletion``: retries, fallbacks,
limits and cooldowns are ours, and what the Router does for them on each call is a quarter of the CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from star_agents.agents.answer import Answer, Call
from star_agents.agents.reply_reading import choices_of


class StockTransport:
    """Sends through ``litellm.acompletion``.

    Args:
        litellm: Gives the module, which the endpoint's resolution has loaded.
    """

    def __init__(self, litellm: Callable[[], ModuleType]) -> None:
        self._litellm = litellm

    async def complete(self, call: Call) -> Answer:
        """Send once; raises what LiteLLM raises, and what ``choices_of`` does."""
        several = {"n": call.n} if call.n > 1 else {}
        response = await self._litellm().acompletion(
            **call.endpoint.params,
            messages=list(call.messages),
            timeout=call.timeout_s,
            max_retries=0,  # the SDKs under it would try again by themselves
            **several,
            **call.shape,
        )
        return _answer(response, call)


def _answer(response: Any, call: Call) -> Answer:
    usage = getattr(response, "usage", None)
    details = getattr(usage, "prompt_tokens_details", None)
    tokens = getattr(usage, "completion_tokens", 0) or 0
    return Answer(
        choices=choices_of([_as_sent(choice, call) for choice in response.choices], call, completion_tokens=tokens),
        prompt_tokens=getattr(usage, "prompt_tokens", 0) or 0,
        completion_tokens=tokens,
        cached_tokens=getattr(details, "cached_tokens", 0) or 0,
        listed_usd=(response._hidden_params or {}).get("response_cost"),
    )


def _as_sent(choice: Any, call: Call) -> dict[str, Any]:
    """A choice as the provider sent it, as far as LiteLLM lets that be seen.

    What cannot be seen: that there was no finish reason (LiteLLM says ``stop``), and a reason that LiteLLM does not
    know where it sets it on the choice afterwards (Anthropic, Bedrock, ``ollama``, ``ollama_chat``): ``stop`` too.
    """
    message = choice.message.model_dump()
    beside = getattr(choice, "provider_specific_fields", None) or {}
    within = message.pop("provider_specific_fields", None) or {}
    reason = choice.finish_reason
    native = beside.get("native_finish_reason")
    # LiteLLM keeps here the word that it has replaced. OpenRouter has a field of this name for the word of the
    # provider behind it, and words of its own in `finish_reason`, of which LiteLLM replaces "error" alone.
    if native and (native == "error" or not call.endpoint.model.startswith("openrouter/")):
        reason = native if reason == "stop" else reason
    return {"message": {**within, **message}, "finish_reason": reason, "error": beside.get("error")}
