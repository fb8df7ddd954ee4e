"""Calls that OpenAI's SDK would send, to OpenAI, to Azure and to others: its client knows address and headers."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from star_agents.agents.transports.litellm_capture import NotCaptured
from star_agents.agents.transports.litellm_translations import Translation, by_config, made, plain_headers


def openai(litellm: ModuleType, owner: Any, given: dict[str, Any]) -> Translation:
    """``OpenAIChatCompletion.acompletion``, which sends by OpenAI's SDK: its client knows address and headers."""
    names = ("api_key", "api_base", "api_version", "timeout", "max_retries", "organization", "shared_session")
    client = owner._get_openai_client(
        is_async=True, litellm_params=given["litellm_params"], **{name: given.get(name) for name in names}
    )
    optional = given["optional_params"]
    url, headers = _of_the_sdk(client, optional, given["model"])
    if "authorization" not in {name.lower() for name in headers}:
        raise NotCaptured("since OpenAI's SDK fetches a token for it")
    provider = str(given["litellm_params"].get("custom_llm_provider") or "openai")
    extra_body = optional.pop("extra_body", None)
    return made(given, given["provider_config"], provider, url, headers, optional, by_config, extra_body=extra_body)


def azure(litellm: ModuleType, owner: Any, given: dict[str, Any]) -> Translation:
    """``AzureChatCompletion.completion``, likewise."""
    if given.get("azure_ad_token") or given.get("azure_ad_token_provider"):
        raise NotCaptured("since it goes with a token of Entra")
    optional, litellm_params, model = given["optional_params"], given["litellm_params"], given["model"]
    client = owner.get_azure_openai_client(
        api_version=given["api_version"],
        api_base=given["api_base"],
        api_key=given["api_key"],
        model=model,
        client=None,
        _is_async=True,
        litellm_params=litellm_params,
    )
    for name in ("max_retries", "json_mode", "stream"):
        optional.pop(name, None)
    if given.get("headers"):
        optional["extra_headers"] = given["headers"]
    url, headers = _of_the_sdk(client, optional, model)
    told = {name.lower() for name in headers}
    if not told & {"authorization", "api-key"}:
        if not given.get("api_key"):
            raise NotCaptured("since it goes with a token of Entra")
        headers["api-key"] = given["api_key"]
    is_gpt_5 = litellm.AzureOpenAIGPT5Config.is_model_gpt_5_model(model=litellm_params.get("base_model") or model)
    config = litellm.AzureOpenAIGPT5Config() if is_gpt_5 else litellm.AzureOpenAIConfig()
    extra_body = optional.pop("extra_body", None)
    return made(given, config, "azure", url, headers, optional, by_config, extra_body=extra_body)


def _of_the_sdk(client: Any, optional: dict[str, Any], model: str) -> tuple[str, dict[str, str]]:
    """Where OpenAI's SDK would send, and its headers; those that the call adds are taken out of its parameters."""
    from openai._models import FinalRequestOptions  # noqa: PLC0415  the SDK is LiteLLM's

    extra, query = optional.pop("extra_headers", None), optional.pop("extra_query", None)
    asked: Any = {"headers": extra or {}, "params": query or {}, "json_data": {"model": model}}
    request = client._build_request(FinalRequestOptions.construct(method="post", url="/chat/completions", **asked))
    return str(request.url), plain_headers(request.headers)
