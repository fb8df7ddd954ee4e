"""From what LiteLLM hands its handlers to a request of ours: each handler's part between translation and sending.

A ``Translation`` is made once for an endpoint and one shape of call, and then asked for every call: LiteLLM's config of
the provider writes the body, everything else is known. What is captured is never handed to LiteLLM twice, since its
configs change the parameters that they are given.
"""

from __future__ import annotations

import base64
import copy
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, Literal

import yarl

from star_agents.agents.transports.http import proxy_for
from star_agents.agents.transports.json_body import encode
from star_agents.agents.transports.litellm_capture import Captured, NotCaptured, nothing_goes_out

_CONTENT_TYPE = "content-type"
_OF_THE_CLIENT = frozenset({"host", "connection", "content-length", "accept-encoding", "accept", "user-agent"})
"""Headers that are the sender's own to say; beside them the SDK's account of itself (``x-stainless-…``)."""


Form = Literal["openai", "anthropic", "gemini", ""]
_ADD_NOTHING = frozenset(
    {"OpenAIGPTConfig", "OpenAILikeChatConfig", "AzureOpenAIConfig", "MistralConfig", "GroqChatConfig"}
    | {"OpenrouterConfig", "XAIChatConfig", "FireworksAIConfig"}
)
"""Configs whose reading of a reply in OpenAI's form finds nothing in it that ``plain_replies`` would not."""
NO_KEYS = "since its AWS credentials are no keys of the environment, and may have to be fetched anew"
"""Why LiteLLM sends to Bedrock."""


@dataclass(slots=True)
class Sent:
    """One request, with what LiteLLM may want to see again when it reads the reply."""

    body: bytes
    headers: Mapping[str, str] = field(repr=False)
    data: Any
    """The body as plain data."""
    messages: list[dict[str, Any]]
    optional: dict[str, Any]
    litellm_params: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Translation:
    """How calls of one shape to one endpoint are written."""

    provider: str
    """As LiteLLM knows it."""
    model: str
    url: str = field(repr=False)
    proxy: str | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    """But for those that a body's own words or its signature add."""
    config: Any
    """LiteLLM's, of the provider."""
    form: Form
    """Of a plain reply; empty where only LiteLLM reads it."""
    optional: bytes = field(repr=False)
    """The parameters, pickled: every call gets a copy to spoil."""
    litellm_params: Mapping[str, Any] = field(repr=False)
    json_mode: bool = False
    """A schema went as a tool, whose call is the answer."""
    extra_body: Mapping[str, Any] | None = None
    api_key: str = field(default="", repr=False)
    logging: Any = field(repr=False)
    write: Callable[[Translation, Sent], Any] = field(repr=False)
    """The body, as plain data. It may change what ``Sent`` holds."""
    sign: Callable[[bytes, Mapping[str, str]], Mapping[str, str]] | None = field(default=None, repr=False)
    """Headers for a body, where it is signed."""

    def with_parameters(self, change: Callable[[Any], Any]) -> Translation:
        """The same with its parameters changed."""
        return replace(self, optional=pickle.dumps(change(pickle.loads(self.optional))))

    def request(self, messages: Sequence[Mapping[str, Any]]) -> Sent:
        """A request that asks these messages; raises whatever LiteLLM's config does over them."""
        sent = Sent(
            b"", dict(self.headers), None, _copied(messages), pickle.loads(self.optional), dict(self.litellm_params)
        )
        sent.data = self.write(self, sent)
        sent.body = encode(sent.data)
        if self.sign is not None:
            sent.headers = self.sign(sent.body, sent.headers)
        return sent


def translation(litellm: ModuleType, captured: Captured) -> Translation:
    """How to write calls like one that was captured.

    Raises:
        NotCaptured: The provider wants something that only LiteLLM can do, such as fetching a token.
        Exception: What LiteLLM's config raises over the parameters.
    """
    families = {
        "common": _common,
        "anthropic": _anthropic,
        "openai": _openai,
        "azure": _azure,
        "google": _google,
        "converse": _converse,
    }
    with nothing_goes_out():
        return families[captured.handler](litellm, captured.owner, dict(captured.arguments))


def _common(litellm: ModuleType, owner: Any, given: dict[str, Any]) -> Translation:
    """``BaseLLMHTTPHandler.completion``, through which most providers go."""
    from litellm.llms.base_llm.chat.transformation import BaseConfig  # noqa: PLC0415  LiteLLM is loaded by now

    provider, model = str(given["custom_llm_provider"]), given["model"]
    config = given.get("provider_config") or _config(litellm, model, provider)
    if type(config).sign_request is not BaseConfig.sign_request:
        raise NotCaptured("since it signs its requests by itself")
    optional = given["optional_params"]
    json_mode, extra_body = bool(optional.pop("json_mode", False)), optional.pop("extra_body", None)
    optional.pop("fake_stream", None)
    asked = {"api_key": given.get("api_key"), "api_base": given.get("api_base"), "model": model}
    asked |= {"optional_params": optional, "litellm_params": given["litellm_params"]}
    headers = config.validate_environment(headers=dict(given.get("headers") or {}), messages=given["messages"], **asked)
    url = config.get_complete_url(stream=None, **asked)
    return _made(
        given, config, provider, url, headers, optional, _by_config, json_mode=json_mode, extra_body=extra_body
    )


def _anthropic(litellm: ModuleType, owner: Any, given: dict[str, Any]) -> Translation:
    """``AnthropicChatCompletion.completion``."""
    provider, model = str(given["custom_llm_provider"]), given["model"]
    optional, url = given["optional_params"], given["api_base"]
    json_mode = bool(optional.pop("json_mode", False))
    for name in ("stream", "is_vertex_request", "vertex_count_tokens_location"):
        optional.pop(name, None)
    optional["is_vertex_request"] = False
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
    return _made(given, config, provider, url, headers, optional, _in_anthropics_words, json_mode=json_mode)


def _openai(litellm: ModuleType, owner: Any, given: dict[str, Any]) -> Translation:
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
    return _made(given, given["provider_config"], provider, url, headers, optional, _by_config, extra_body=extra_body)


def _azure(litellm: ModuleType, owner: Any, given: dict[str, Any]) -> Translation:
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
    return _made(given, config, "azure", url, headers, optional, _by_config, extra_body=extra_body)


def _google(litellm: ModuleType, owner: Any, given: dict[str, Any]) -> Translation:
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
    return _made(given, config, provider, url, headers, optional, _in_geminis_words)


def _converse(litellm: ModuleType, owner: Any, given: dict[str, Any]) -> Translation:
    """``BedrockConverseLLM.async_completion``, signed with keys that do not change."""
    from litellm.llms.bedrock.base_aws_llm import bedrock_bearer_token  # noqa: PLC0415

    credentials, url = given["credentials"], given["api_base"]
    is_static = type(credentials).__name__ == "Credentials" and credentials.method in ("explicit", "env", None)
    if not is_static and bedrock_bearer_token(given["api_key"]) is None:
        raise NotCaptured(NO_KEYS)

    def sign(body: bytes, headers: Mapping[str, str]) -> Mapping[str, str]:
        prepared = owner.get_request_headers(
            credentials=credentials,
            aws_region_name=given["litellm_params"].get("aws_region_name") or "us-west-2",
            extra_headers=headers,
            endpoint_url=url,
            data=body,
            headers=dict(headers),
            api_key=given["api_key"],
        )
        return _plain(prepared.headers)

    config, optional = litellm.AmazonConverseConfig(), given["optional_params"]
    json_mode = bool(optional.get("json_mode", False))
    return _made(
        given, config, "bedrock", url, given["headers"], optional, _in_converses_words, json_mode=json_mode, sign=sign
    )


def _made(
    given: Mapping[str, Any],
    config: Any,
    provider: str,
    url: str,
    headers: Mapping[str, Any],
    optional: Mapping[str, Any],
    write: Callable[[Translation, Sent], Any],
    **more: Any,
) -> Translation:
    proxy = proxy_for(url)
    if proxy is not None and not proxy.startswith(("http://", "https://")):
        raise NotCaptured("since its proxy is none of HTTP")
    url, plain = _with_its_password(url, _plain(headers))
    if _CONTENT_TYPE not in {name.lower() for name in plain}:
        plain["Content-Type"] = "application/json"
    return Translation(
        provider=provider,
        model=given["model"],
        url=url,
        proxy=proxy,
        headers={**plain, "User-Agent": "star_agents"},
        config=config,
        form=_form(config, write),
        optional=pickle.dumps(dict(optional)),
        litellm_params=dict(given["litellm_params"]),
        api_key=str(given.get("api_key") or ""),
        logging=given["logging_obj"],
        write=write,
        **more,
    )


def _with_its_password(url: str, headers: dict[str, str]) -> tuple[str, dict[str, str]]:
    """User and password of an address as LiteLLM's client sends them: in ``Authorization``, whatever stood there."""
    at = yarl.URL(url, encoded=True)
    if at.raw_user is None and at.raw_password is None:
        return url, headers
    named = base64.b64encode(f"{at.user or ''}:{at.password or ''}".encode()).decode()
    others = {name: value for name, value in headers.items() if name.lower() != "authorization"}
    return str(at.with_user(None)), {**others, "Authorization": f"Basic {named}"}


def _form(config: Any, write: Callable[[Translation, Sent], Any]) -> Form:
    if write is _in_anthropics_words:
        return "anthropic"
    if write is _in_geminis_words:
        return "gemini"
    reader = next(cls.__name__ for cls in type(config).__mro__ if "transform_response" in vars(cls))
    return "openai" if reader in _ADD_NOTHING else ""


def _of_the_sdk(client: Any, optional: dict[str, Any], model: str) -> tuple[str, dict[str, str]]:
    """Where OpenAI's SDK would send, and its headers; those that the call adds are taken out of its parameters."""
    from openai._models import FinalRequestOptions  # noqa: PLC0415  the SDK is LiteLLM's

    extra, query = optional.pop("extra_headers", None), optional.pop("extra_query", None)
    asked: Any = {"headers": extra or {}, "params": query or {}, "json_data": {"model": model}}
    request = client._build_request(FinalRequestOptions.construct(method="post", url="/chat/completions", **asked))
    return str(request.url), _plain(request.headers)


def _plain(headers: Mapping[str, Any]) -> dict[str, str]:
    """Headers as text, but for those that are the sender's own to say."""
    named = {str(name): str(value) for name, value in headers.items() if value is not None}
    return {
        name: value
        for name, value in named.items()
        if name.lower() not in _OF_THE_CLIENT and not name.lower().startswith("x-stainless")
    }


def _by_config(one: Translation, sent: Sent) -> Any:
    data = copy.copy(one.config).transform_request(
        model=one.model,
        messages=sent.messages,
        optional_params=sent.optional,
        litellm_params=sent.litellm_params,
        headers=sent.headers,
    )
    if one.extra_body is None:
        return data
    told = one.config.transform_extra_body(
        extra_body=copy.deepcopy(one.extra_body), request=data, model=one.model, litellm_params=sent.litellm_params
    )
    return {**data, **told}


def _in_anthropics_words(one: Translation, sent: Sent) -> Any:
    from litellm.anthropic_beta_headers_manager import update_request_with_filtered_beta  # noqa: PLC0415

    data = _by_config(one, sent)
    sent.headers, data = update_request_with_filtered_beta(
        headers=dict(sent.headers), request_data=data, provider=one.provider
    )
    return data


def _in_geminis_words(one: Translation, sent: Sent) -> Any:
    from litellm.llms.vertex_ai.gemini.transformation import transform_request_body  # noqa: PLC0415

    asked: dict[str, Any] = {"messages": sent.messages, "custom_llm_provider": one.provider}
    return transform_request_body(
        model=one.model,
        litellm_params=sent.litellm_params,
        cached_content=None,
        optional_params=sent.optional,
        **asked,
    )


def _in_converses_words(one: Translation, sent: Sent) -> Any:
    return one.config._transform_request(
        model=one.model,
        messages=sent.messages,
        optional_params=sent.optional,
        litellm_params=sent.litellm_params,
        headers=sent.headers,
    )


def _config(litellm: ModuleType, model: str, provider: str) -> Any:
    from litellm.utils import ProviderConfigManager  # noqa: PLC0415

    config = ProviderConfigManager.get_provider_chat_config(model=model, provider=litellm.LlmProviders(provider))
    if config is None:
        raise NotCaptured("since LiteLLM has no config of its chats")
    return config


def _copied(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The turns, for LiteLLM to change. Most hold texts alone; the others go through what LiteLLM does to each call."""
    if not any("tool_calls" in one or "tool_call_id" in one for one in messages):
        return [dict(one) for one in messages]
    from litellm.utils import validate_and_fix_openai_messages  # noqa: PLC0415

    fixed: list[dict[str, Any]] = validate_and_fix_openai_messages(messages=copy.deepcopy(list(messages)))
    return fixed
