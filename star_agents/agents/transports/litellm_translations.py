"""How calls are written that LiteLLM translates and we send.

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
from typing import Any, Literal

import yarl

from star_agents.agents.transports.credentials import Credentials
from star_agents.agents.transports.http import proxy_for
from star_agents.agents.transports.json_body import encode
from star_agents.agents.transports.litellm_capture import NO_TOKEN, NotCaptured

_CONTENT_TYPE = "content-type"
_CLIENT_HEADERS = frozenset({"host", "connection", "content-length", "accept-encoding", "accept", "user-agent"})
"""Headers that are the sender's own to say; beside them the SDK's account of itself (``x-stainless-…``)."""


Form = Literal["openai", "anthropic", "gemini", "converse", "cohere", "ollama", ""]
_PLAIN_READERS = frozenset(
    {"OpenAIGPTConfig", "OpenAILikeChatConfig", "AzureOpenAIConfig", "MistralConfig", "GroqChatConfig"}
    | {"OpenrouterConfig", "XAIChatConfig", "FireworksAIConfig", "VertexAILlama3Config"}
)
"""Configs whose reading of a reply in OpenAI's form finds nothing in it that ``plain_replies`` would not."""
_FORM_BY_CONFIG: Mapping[str, Form] = {
    "AmazonAnthropicClaudeConfig": "anthropic",
    "CohereV2ChatConfig": "cohere",
    "OllamaConfig": "ollama",
    "OllamaChatConfig": "ollama",
}
"""Configs that read another form."""


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
    credentials: Credentials | None = field(default=None, repr=False)
    """What ``authorise`` needs, where that has to be fetched."""
    authorise: Callable[[Any, bytes, Mapping[str, str]], Mapping[str, str]] | None = field(default=None, repr=False)
    """The headers for a body by the credentials: with a token, or a signature."""

    def with_parameters(self, change: Callable[[Any], Any]) -> Translation:
        """The same with its parameters changed."""
        return replace(self, optional=pickle.dumps(change(pickle.loads(self.optional))))

    def request(self, messages: Sequence[Mapping[str, Any]], credentials: Any = None) -> Sent:
        """A request that asks these messages; raises whatever LiteLLM's config does over them.

        Args:
            messages: The turns.
            credentials: The current ones of ``credentials``; without them a request that needs some has none.
        """
        sent = Sent(
            b"", dict(self.headers), None, _copied(messages), pickle.loads(self.optional), dict(self.litellm_params)
        )
        sent.data = self.write(self, sent)
        sent.body = encode(sent.data)
        if self.authorise is not None and (credentials is not None or self.credentials is None):
            sent.headers = self.authorise(credentials, sent.body, sent.headers)
        return sent


def new_translation(
    given: Mapping[str, Any],
    config: Any,
    provider: str,
    url: str,
    headers: Mapping[str, Any],
    optional: Mapping[str, Any],
    write: Callable[[Translation, Sent], Any],
    **more: Any,
) -> Translation:
    """A translation out of what a handler was handed and what its part made of that.

    Raises:
        NotCaptured: The address is reached by a proxy that we do not speak with.
    """
    proxy = proxy_for(url)
    if proxy is not None and not proxy.startswith(("http://", "https://")):
        raise NotCaptured("since its proxy is none of HTTP")
    url, plain = _password_as_header(url, plain_headers(headers))
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


def _password_as_header(url: str, headers: dict[str, str]) -> tuple[str, dict[str, str]]:
    """User and password of an address as LiteLLM's client sends them: in ``Authorization``, whatever stood there."""
    at = yarl.URL(url, encoded=True)
    if at.raw_user is None and at.raw_password is None:
        return url, headers
    named = base64.b64encode(f"{at.user or ''}:{at.password or ''}".encode()).decode()
    others = {name: value for name, value in headers.items() if name.lower() != "authorization"}
    return str(at.with_user(None)), {**others, "Authorization": f"Basic {named}"}


def _form(config: Any, write: Callable[[Translation, Sent], Any]) -> Form:
    if write is anthropic_body:
        return "anthropic"
    if write is gemini_body:
        return "gemini"
    if write is converse_body:
        return "converse"
    reader = next(cls.__name__ for cls in type(config).__mro__ if "transform_response" in vars(cls))
    return "openai" if reader in _PLAIN_READERS else _FORM_BY_CONFIG.get(reader, "")


def plain_headers(headers: Mapping[str, Any]) -> dict[str, str]:
    """Headers as text, but for those that are the sender's own to say."""
    named = {str(name): str(value) for name, value in headers.items() if value is not None}
    return {
        name: value
        for name, value in named.items()
        if name.lower() not in _CLIENT_HEADERS and not name.lower().startswith("x-stainless")
    }


def config_body(translation: Translation, sent: Sent) -> Any:
    """The body as the provider's config writes it; raises whatever that does."""
    data = copy.copy(translation.config).transform_request(
        model=translation.model,
        messages=sent.messages,
        optional_params=sent.optional,
        litellm_params=sent.litellm_params,
        headers=sent.headers,
    )
    if translation.extra_body is None:
        return data
    extra = translation.config.transform_extra_body(
        extra_body=copy.deepcopy(translation.extra_body),
        request=data,
        model=translation.model,
        litellm_params=sent.litellm_params,
    )
    return {**data, **extra}


def anthropic_body(translation: Translation, sent: Sent) -> Any:
    """Likewise, without what this provider has not of Anthropic's beta features."""
    from litellm.anthropic_beta_headers_manager import update_request_with_filtered_beta  # noqa: PLC0415

    data = config_body(translation, sent)
    sent.headers, data = update_request_with_filtered_beta(
        headers=dict(sent.headers), request_data=data, provider=translation.provider
    )
    return data


def gemini_body(translation: Translation, sent: Sent) -> Any:
    """The body of ``generateContent``."""
    from litellm.llms.vertex_ai.gemini.transformation import transform_request_body  # noqa: PLC0415

    arguments: dict[str, Any] = {"messages": sent.messages, "custom_llm_provider": translation.provider}
    return transform_request_body(
        model=translation.model,
        litellm_params=sent.litellm_params,
        cached_content=None,
        optional_params=sent.optional,
        **arguments,
    )


def converse_body(translation: Translation, sent: Sent) -> Any:
    """The body of Bedrock's ``converse``."""
    return translation.config._transform_request(
        model=translation.model,
        messages=sent.messages,
        optional_params=sent.optional,
        litellm_params=sent.litellm_params,
        headers=sent.headers,
    )


def _copied(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The turns, for LiteLLM to change. Most hold texts alone; the others go through what LiteLLM does to each call."""
    if not any("tool_calls" in one or "tool_call_id" in one for one in messages):
        return [dict(one) for one in messages]
    from litellm.utils import validate_and_fix_openai_messages  # noqa: PLC0415

    fixed: list[dict[str, Any]] = validate_and_fix_openai_messages(messages=copy.deepcopy(list(messages)))
    return fixed


def with_token(token: str, body: bytes, headers: Mapping[str, str]) -> Mapping[str, str]:
    """The headers with a token in the places that were left for it."""
    return {name: value.replace(NO_TOKEN, token) for name, value in headers.items()}
