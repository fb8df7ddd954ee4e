"""Calls that OpenAI's SDK would send, to OpenAI, to Azure and to others: its client knows address and headers.

Azure's may go with a token of Entra: by the secret of a client, which is exchanged here, or by whatever else
``azure-identity`` knows (a machine's identity, a workload's, a user's password), which fetches it in a thread.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Any

from star_agents.agents.transports.credentials import (
    Credentials,
    CredentialsByName,
    CredentialsRefused,
    CredentialsUnavailable,
    Fetched,
    error_text,
    from_environment,
    non_empty_strings,
)
from star_agents.agents.transports.litellm_capture import NO_TOKEN, Deferred, NotCaptured
from star_agents.agents.transports.litellm_translations import (
    Translation,
    config_body,
    new_translation,
    plain_headers,
    with_token,
)
from star_agents.agents.transports.token_http import token_by_form
from star_agents.text.redaction import redactor

_TENANT = re.compile(r"[A-Za-z0-9.-]+")
_ENTRA = "https://login.microsoftonline.com"


def openai(litellm: ModuleType, owner: Any, given: dict[str, Any], known: CredentialsByName) -> Translation:
    """``OpenAIChatCompletion.acompletion``; of Azure's o-series too, for which a client of Azure's is handed on."""
    provider = str(given["litellm_params"].get("custom_llm_provider") or "openai")
    optional, config = given["optional_params"], given["provider_config"]
    if provider == "azure":
        return _at_azure(owner, given["client"], given, config, known)
    names = ("api_key", "api_base", "api_version", "timeout", "max_retries", "organization", "shared_session")
    client = owner._get_openai_client(
        is_async=True, litellm_params=given["litellm_params"], **{name: given.get(name) for name in names}
    )
    url, headers = _of_the_sdk(client, optional, given["model"])
    if "authorization" not in {name.lower() for name in headers}:
        raise NotCaptured("since OpenAI's SDK fetches a token for it")
    extra_body = optional.pop("extra_body", None)
    return new_translation(given, config, provider, url, headers, optional, config_body, extra_body=extra_body)


def azure(litellm: ModuleType, owner: Any, given: dict[str, Any], known: CredentialsByName) -> Translation:
    """``AzureChatCompletion.completion``."""
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
    is_gpt_5 = litellm.AzureOpenAIGPT5Config.is_model_gpt_5_model(model=litellm_params.get("base_model") or model)
    config = litellm.AzureOpenAIGPT5Config() if is_gpt_5 else litellm.AzureOpenAIConfig()
    return _at_azure(owner, client, given, config, known)


def _at_azure(owner: Any, client: Any, given: Mapping[str, Any], config: Any, known: CredentialsByName) -> Translation:
    optional, key, token = given["optional_params"], given["api_key"], getattr(client, "_azure_ad_token", None)
    deferred = None if token else _deferred(owner, given)
    told = {"Authorization": f"Bearer {token or NO_TOKEN}"} if token or deferred is not None else {}
    url, headers = _of_the_sdk(client, optional, given["model"], told)
    more: dict[str, Any] = {"extra_body": optional.pop("extra_body", None)}
    if deferred is not None:
        more |= {"credentials": _credentials(deferred, known), "authorise": with_token}
    elif not {name.lower() for name in headers} & {"authorization", "api-key"}:
        if not key:
            raise NotCaptured("since it has no key, and LiteLLM knows of no token")
        headers["api-key"] = key
    return new_translation(given, config, "azure", url, headers, optional, config_body, **more)


def _deferred(owner: Any, given: Mapping[str, Any]) -> Deferred | None:
    """How LiteLLM would fetch a token; the client itself may be one that LiteLLM made for an earlier call."""
    names = ("litellm_params", "api_key", "api_base", "api_version")
    asked = owner.initialize_azure_sdk_client(
        **{name: given[name] for name in names}, model_name=given["model"], is_async=True
    )
    found = asked.get("azure_ad_token_provider")
    return found if isinstance(found, Deferred) else None


def _of_the_sdk(
    client: Any, optional: dict[str, Any], model: str, told: Mapping[str, str] = MappingProxyType({})
) -> tuple[str, dict[str, str]]:
    """Where OpenAI's SDK would send, and its headers; those that the call adds are taken out of its parameters."""
    from openai._models import FinalRequestOptions  # noqa: PLC0415  the SDK is LiteLLM's

    extra, query = optional.pop("extra_headers", None), optional.pop("extra_query", None)
    asked: Any = {"headers": {**told, **(extra or {})}, "params": query or {}, "json_data": {"model": model}}
    request = client._build_request(FinalRequestOptions.construct(method="post", url="/chat/completions", **asked))
    return str(request.url), plain_headers(request.headers)


def _credentials(deferred: Deferred, known: CredentialsByName) -> Credentials:
    key = (deferred.kind, repr(sorted(deferred.arguments.items())))
    if deferred.kind == "entra":
        return known.get(key, "Entra's token server", lambda: _of_a_client(deferred.arguments))
    return known.get(key, "azure-identity", lambda: _by_azure_identity(deferred))


def _of_a_client(given: Mapping[str, Any]) -> Fetched:
    """A token by a client's id and secret: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow"""
    names = ("tenant_id", "client_id", "client_secret", "scope")
    tenant, client, secret, scope = (str(from_environment(given.get(name)) or "") for name in names)
    if not _TENANT.fullmatch(tenant):
        raise CredentialsRefused("`tenant_id` (AZURE_TENANT_ID) is no tenant: letters, digits, `-` and `.` make one")
    redactor.keep([secret])
    authority = os.environ.get("AZURE_AUTHORITY_HOST") or _ENTRA
    authority = authority if "://" in authority else f"https://{authority}"
    form = {"client_id": client, "client_secret": secret, "grant_type": "client_credentials", "scope": scope}
    token, lasts_s = token_by_form(f"{authority.rstrip('/')}/{tenant}/oauth2/v2.0/token", form)
    return Fetched(value=token, lasts_s=lasts_s, secrets=non_empty_strings((token,)))


def _by_azure_identity(deferred: Deferred) -> Fetched:
    """A token by azure-identity, which has its own cache and does not say how long it holds: at least some minutes."""
    try:
        token = deferred()
    except ImportError:
        message = "it has no `api_key`, and azure-identity is not installed: pip install 'star-agents[azure-identity]'"
        raise CredentialsRefused(message) from None
    except Exception as error:
        said = error_text(str(error))
        # Its own words for "the provider said no"; one that was not reached is a `CredentialUnavailableError`.
        if type(error).__name__ == "ClientAuthenticationError" or isinstance(error, (ValueError, KeyError)):
            raise CredentialsRefused(said) from None
        raise CredentialsUnavailable(f"{type(error).__name__}: {said}") from None
    if not isinstance(token, str) or not (token.isascii() and token.isprintable()):
        raise CredentialsUnavailable("what azure-identity gave is no token")
    return Fetched(value=token, lasts_s=None, secrets=non_empty_strings((token,)))
