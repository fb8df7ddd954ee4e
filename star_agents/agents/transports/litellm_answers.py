"""An answer out of LiteLLM's own response, whoever sent the request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from star_agents.agents.answer import Answer, Call
from star_agents.agents.replies.for_litellm import Heard
from star_agents.agents.replies.reading import choices_of, name_in
from star_agents.agents.replies.usage import Claims, read_usage


def answer_of(response: Any, call: Call, heard: Heard) -> Answer:
    """Read LiteLLM's response; raises as ``choices_of`` does.

    Args:
        response: A ``ModelResponse``.
        call: What was asked.
        heard: What was received, as far as LiteLLM was not left to read it.
    """
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
