"""Calls to Gemini, written by LiteLLM: by a key."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from star_agents.agents.transports.litellm_capture import NotCaptured
from star_agents.agents.transports.litellm_translations import Translation, in_geminis_words, made


def google(litellm: ModuleType, owner: Any, given: dict[str, Any]) -> Translation:
    """``VertexLLM.async_completion``: Gemini by a key."""
    provider, model, optional = str(given["custom_llm_provider"]), given["model"], given["optional_params"]
    if provider != "gemini":
        raise NotCaptured("since it goes with a token of Google's")
    auth, url = owner._get_token_and_url(
        model=model,
        gemini_api_key=given["gemini_api_key"],
        auth_header=None,
        vertex_project=given["vertex_project"],
        vertex_location=given["vertex_location"],
        vertex_credentials=given["vertex_credentials"],
        stream=given["stream"],
        custom_llm_provider=provider,
        api_base=given["api_base"],
        use_psc_endpoint_format=optional.get("use_psc_endpoint_format", False),
    )
    config = litellm.VertexGeminiConfig()
    headers = config.validate_environment(
        api_key=auth,
        headers=given["extra_headers"],
        model=model,
        messages=given["messages"],
        optional_params=optional,
        litellm_params=given["litellm_params"],
    )
    if "cached_content" in optional:
        raise NotCaptured("since it asks for what is cached")
    return made(given, config, provider, url, headers, optional, in_geminis_words)
