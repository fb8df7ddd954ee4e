"""The way through LiteLLM whole: every provider can take it, and it says what LiteLLM makes of the cost.

It is ``litellm.acompletion`` on the deployment that was picked, and not ``Router.acompletion``: retries, fallbacks,
limits and cooldowns are ours, and what the Router does for them on each call is a quarter of the CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from star_agents.agents.answer import Answer, Call, Choice


class StockTransport:
    """Sends through ``litellm.acompletion``.

    Args:
        litellm: Gives the module, which the endpoint's resolution has loaded.
    """

    def __init__(self, litellm: Callable[[], ModuleType]) -> None:
        self._litellm = litellm

    async def complete(self, call: Call) -> Answer:
        """Send once; raises what LiteLLM raises, and ``LookupError`` for a reply without choices."""
        several = {"n": call.n} if call.n > 1 else {}
        response = await self._litellm().acompletion(
            **call.endpoint.params,
            messages=list(call.messages),
            timeout=call.timeout_s,
            max_retries=0,  # the SDKs under it would try again by themselves
            **several,
            **call.shape,
        )
        if not response.choices:
            raise LookupError("the reply has no choices")
        return _answer(response)


def _answer(response: Any) -> Answer:
    usage = getattr(response, "usage", None)
    details = getattr(usage, "prompt_tokens_details", None)
    return Answer(
        choices=tuple(
            Choice(text=choice.message.content or "", finish_reason=choice.finish_reason or "stop")
            for choice in response.choices
        ),
        prompt_tokens=getattr(usage, "prompt_tokens", 0) or 0,
        completion_tokens=getattr(usage, "completion_tokens", 0) or 0,
        cached_tokens=getattr(details, "cached_tokens", 0) or 0,
        listed_usd=(response._hidden_params or {}).get("response_cost"),
    )
