"""Replies that need no LiteLLM to be read: their form is known to the last field that matters. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from star_agents.agents.replies import anthropic_form, cohere_form, converse_form, gemini_form, ollama_form
from star_agents.agents.transports.litellm_translations import Translation
from star_agents.agents.transports.plain_requests import PlainRequest

_USUAL_TIERS = frozenset({"", "auto", "default", "standard", "on_demand", "on_demand_traffic_type"})


def has_a_tier(read: Mapping[str, Any], shape: Mapping[str, Any]) -> bool:
    """Whether a request or its reply names a tier of service, such as ``flex``, which may have a price of its own."""
    told = [shape.get("service_tier"), read.get("service_tier")]
    for used in (read.get("usage"), read.get("usageMetadata")):
        if isinstance(used, Mapping):
            told += [used.get(name) for name in ("service_tier", "serviceTier", "trafficType")]
    return any(isinstance(one, str) and one.lower() not in _USUAL_TIERS for one in told)


def in_openais_form(
    one: Translation | PlainRequest, read: Mapping[str, Any], *, asked: Any, offers_tools: bool
) -> Mapping[str, Any] | None:
    """A reply in OpenAI's form; ``None``: only LiteLLM knows all that it means.

    Args:
        one: What the request was written by.
        read: The reply.
        asked: The request's body, as plain data.
        offers_tools: Whether the request offered tools.
    """
    if one.json_mode and (one.form != "anthropic" or anthropic_form.calls_tools(read)):
        return None  # the call of a tool may be the answer
    match one.form:
        case "openai":
            return _openai(one.provider, read, offers_tools=offers_tools)
        case "anthropic":
            return anthropic_form.from_anthropic(read) if anthropic_form.is_plain(read) else None
        case "gemini":
            return gemini_form.from_gemini(read) if gemini_form.is_plain(read) else None
        case "converse":
            is_plain = not offers_tools and converse_form.is_plain(read)  # LiteLLM looks for calls in the text
            return converse_form.from_converse(read) if is_plain else None
        case "cohere":
            return cohere_form.from_cohere(read) if cohere_form.is_plain(read) else None
        case "ollama":
            return ollama_form.from_ollama(read) if ollama_form.is_plain(read, asked) else None
    return None


def _openai(provider: str, read: Mapping[str, Any], *, offers_tools: bool) -> Mapping[str, Any] | None:
    usage = read.get("usage")
    if "choices" not in read or (provider == "fireworks_ai" and offers_tools):
        return None  # Fireworks writes calls of tools into the text
    if provider == "xai" and isinstance(usage, Mapping):
        return None if usage.get("cost_in_usd_ticks") is not None else {**read, "usage": _with_thoughts(usage)}
    return read


def _with_thoughts(usage: Mapping[str, Any]) -> Mapping[str, Any]:
    """xAI counts thoughts beside the answer, though it says their sum: all are paid for as the answer is."""
    details = usage.get("completion_tokens_details")
    thought = details.get("reasoning_tokens") if isinstance(details, Mapping) else None
    prompt, written, total = (usage.get(f"{name}_tokens") for name in ("prompt", "completion", "total"))
    if type(prompt) is not int or type(written) is not int or type(thought) is not int or type(total) is not int:
        return usage
    is_beside = thought > 0 and total == prompt + written + thought
    return {**usage, "completion_tokens": written + thought} if is_beside else usage
