"""Replies that need no LiteLLM to be read: their form is known to the last field that matters. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from star_agents.agents.replies import anthropic_form, cohere_form, converse_form, gemini_form, ollama_form
from star_agents.agents.transports.litellm_translations import Translation
from star_agents.agents.transports.plain_requests import PlainRequest

_USUAL_TIERS = frozenset({"", "auto", "default", "standard", "on_demand", "on_demand_traffic_type"})


def has_tier(reply: Mapping[str, Any], shape: Mapping[str, Any]) -> bool:
    """Whether a request or its reply names a tier of service, such as ``flex``, which may have a price of its own."""
    tiers = [shape.get("service_tier"), reply.get("service_tier")]
    for used in (reply.get("usage"), reply.get("usageMetadata")):
        if isinstance(used, Mapping):
            tiers += [used.get(name) for name in ("service_tier", "serviceTier", "trafficType")]
    return any(isinstance(one, str) and one.lower() not in _USUAL_TIERS for one in tiers)


def as_openai_reply(
    translation: Translation | PlainRequest, reply: Mapping[str, Any], *, request_body: Any, offers_tools: bool
) -> Mapping[str, Any] | None:
    """A reply in OpenAI's form; ``None``: only LiteLLM knows all that it means.

    Args:
        translation: What the request was written by.
        reply: The reply.
        request_body: The request's body, as plain data.
        offers_tools: Whether the request offered tools.
    """
    if translation.json_mode and (translation.form != "anthropic" or anthropic_form.calls_tools(reply)):
        return None  # the call of a tool may be the answer
    match translation.form:
        case "openai":
            return _openai(translation.provider, reply, offers_tools=offers_tools)
        case "anthropic":
            return anthropic_form.from_anthropic(reply) if anthropic_form.is_plain(reply) else None
        case "gemini":
            return gemini_form.from_gemini(reply) if gemini_form.is_plain(reply) else None
        case "converse":
            is_plain = not offers_tools and converse_form.is_plain(reply)  # LiteLLM looks for calls in the text
            return converse_form.from_converse(reply) if is_plain else None
        case "cohere":
            return cohere_form.from_cohere(reply) if cohere_form.is_plain(reply) else None
        case "ollama":
            return ollama_form.from_ollama(reply) if ollama_form.is_plain(reply, request_body) else None
    return None


def _openai(provider: str, reply: Mapping[str, Any], *, offers_tools: bool) -> Mapping[str, Any] | None:
    usage = reply.get("usage")
    if "choices" not in reply or (provider == "fireworks_ai" and offers_tools):
        return None  # Fireworks writes calls of tools into the text
    if provider == "xai" and isinstance(usage, Mapping):
        return None if usage.get("cost_in_usd_ticks") is not None else {**reply, "usage": _with_thoughts(usage)}
    return reply


def _with_thoughts(usage: Mapping[str, Any]) -> Mapping[str, Any]:
    """xAI counts thoughts beside the answer, though it says their sum: all are paid for as the answer is."""
    details = usage.get("completion_tokens_details")
    thought = details.get("reasoning_tokens") if isinstance(details, Mapping) else None
    prompt, written, total = (usage.get(f"{name}_tokens") for name in ("prompt", "completion", "total"))
    if type(prompt) is not int or type(written) is not int or type(thought) is not int or type(total) is not int:
        return usage
    is_beside = thought > 0 and total == prompt + written + thought
    return {**usage, "completion_tokens": written + thought} if is_beside else usage
