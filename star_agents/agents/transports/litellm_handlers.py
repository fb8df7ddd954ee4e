"""From what LiteLLM hands its handlers to a request of ours: each handler's part between translation and sending."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from star_agents.agents.transports import litellm_aws, litellm_google, litellm_openai
from star_agents.agents.transports.credentials import CredentialsByName
from star_agents.agents.transports.litellm_capture import Captured, NotCaptured, nothing_goes_out
from star_agents.agents.transports.litellm_google import with_googles_token
from star_agents.agents.transports.litellm_translations import Translation, anthropic_body, config_body, new_translation


def translation_of(litellm: ModuleType, captured: Captured, known: CredentialsByName) -> Translation:
    """How to write calls like one that was captured.

    Args:
        litellm: The module.
        captured: The call.
        known: Credentials of the endpoint that are fetched; those of this call are added.

    Raises:
        NotCaptured: The provider wants something that only LiteLLM can do.
        Exception: What LiteLLM's config raises over the parameters.
    """
    handlers = {
        "common": _common,
        "anthropic": _anthropic,
        "openai": litellm_openai.openai,
        "azure": litellm_openai.azure,
        "google": litellm_google.google,
        "converse": litellm_aws.converse,
    }
    with nothing_goes_out():
        translation = handlers[captured.handler](litellm, captured.owner, dict(captured.arguments), known)
        if captured.deferred is not None and captured.deferred.kind == "google":
            return with_googles_token(translation, captured.deferred.arguments, known)
        return translation


def _common(litellm: ModuleType, owner: Any, given: dict[str, Any], known: CredentialsByName) -> Translation:
    """``BaseLLMHTTPHandler.completion``, through which most providers go."""
    from litellm.llms.base_llm.chat.transformation import BaseConfig  # noqa: PLC0415  LiteLLM is loaded by now

    provider, model = str(given["custom_llm_provider"]), given["model"]
    config = given.get("provider_config") or _config(litellm, model, provider)
    is_signed = type(config).sign_request is not BaseConfig.sign_request
    if is_signed and provider != "bedrock":
        raise NotCaptured("since it signs its requests by itself")
    optional = given["optional_params"]
    json_mode, extra_body = bool(optional.pop("json_mode", False)), optional.pop("extra_body", None)
    optional.pop("fake_stream", None)
    arguments = {"api_key": given.get("api_key"), "api_base": given.get("api_base"), "model": model}
    arguments |= {"optional_params": optional, "litellm_params": given["litellm_params"]}
    headers = config.validate_environment(
        headers=dict(given.get("headers") or {}), messages=given["messages"], **arguments
    )
    url = config.get_complete_url(stream=None, **arguments)
    more = litellm_aws.invoke(config, url, given, known) if is_signed else {}
    more |= {"json_mode": json_mode, "extra_body": extra_body}
    return new_translation(given, config, provider, url, headers, optional, config_body, **more)


def _anthropic(litellm: ModuleType, owner: Any, given: dict[str, Any], known: CredentialsByName) -> Translation:
    """``AnthropicChatCompletion.completion``."""
    provider, model = str(given["custom_llm_provider"]), given["model"]
    optional, url = given["optional_params"], given["api_base"]
    json_mode = bool(optional.pop("json_mode", False))
    for name in ("stream", "vertex_count_tokens_location"):
        optional.pop(name, None)
    optional.setdefault("is_vertex_request", False)
    headers = litellm.AnthropicConfig().validate_environment(
        api_key=given.get("api_key"),
        headers=dict(given.get("headers") or {}),
        model=model,
        messages=given["messages"],
        optional_params=optional,
        litellm_params=given["litellm_params"],
        api_base=url,
    )
    config = _config(litellm, model, provider)
    return new_translation(given, config, provider, url, headers, optional, anthropic_body, json_mode=json_mode)


def _config(litellm: ModuleType, model: str, provider: str) -> Any:
    from litellm.utils import ProviderConfigManager  # noqa: PLC0415

    config = ProviderConfigManager.get_provider_chat_config(model=model, provider=litellm.LlmProviders(provider))
    if config is None:
        raise NotCaptured("since LiteLLM has no config of its chats")
    return config
