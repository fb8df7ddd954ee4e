"""Calls to Google: to Gemini by a key, to Vertex AI by a token that google-auth fetches in bounds of ours."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
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
from star_agents.agents.transports.litellm_capture import NO_PROJECT, NO_TOKEN, NotCaptured
from star_agents.agents.transports.litellm_translations import Translation, gemini_body, new_translation, with_token
from star_agents.agents.transports.token_http import TokenReply, exchange

NO_PROJECT_KNOWN = "since its project has to be asked of the machine: name it by `vertex_project` or VERTEXAI_PROJECT"
"""Why LiteLLM sends to Vertex."""
_PROJECTS = ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT")
"""What google-auth takes for the project, before the file of the credentials."""
_LARGEST_FILE = 1 << 20


def google(litellm: ModuleType, owner: Any, given: dict[str, Any], known: CredentialsByName) -> Translation:
    """``VertexLLM.async_completion``: Gemini, by a key or of Vertex AI."""
    provider, model, optional = str(given["custom_llm_provider"]), given["model"], given["optional_params"]
    is_by_key = provider == "gemini"
    project = given["vertex_project"] if is_by_key else project_of(given["vertex_credentials"], given["vertex_project"])
    if "cached_content" in optional:
        raise NotCaptured("since it asks for what is cached")
    auth, url = owner._get_token_and_url(
        model=model,
        gemini_api_key=given["gemini_api_key"],
        auth_header=None if is_by_key else NO_TOKEN,
        vertex_project=project,
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
    translation = new_translation(given, config, provider, url, headers, optional, gemini_body)
    if is_by_key:
        return translation
    return replace(
        translation, credentials=_credentials(given["vertex_credentials"], project, known), authorise=with_token
    )


def with_googles_token(translation: Translation, arguments: Mapping[str, Any], known: CredentialsByName) -> Translation:
    """A call to a model of Vertex AI's partners, which was captured with something else in the token's place.

    Args:
        translation: The call.
        arguments: What LiteLLM would have fetched a token by.
        known: Of the endpoint.

    Raises:
        NotCaptured: Its project is not known without asking anybody.
    """
    project = project_of(arguments.get("credentials"), arguments.get("project_id"))
    return replace(
        translation,
        url=translation.url.replace(NO_PROJECT, project),
        credentials=_credentials(arguments.get("credentials"), project, known),
        authorise=with_token,
    )


def project_of(credentials: Any, project: Any) -> str:
    """The project, as LiteLLM would find it, as far as nobody has to be asked.

    Raises:
        NotCaptured: Somebody has to.
    """
    if isinstance(project, str) and project:
        return project
    if credentials is None:
        named = next((os.environ[name] for name in _PROJECTS if os.environ.get(name)), "")
        credentials = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
        if named or not credentials:
            return named or _unknown()
    told = _as_json(from_environment(credentials))
    found = told.get("quota_project_id" if told.get("type") == "authorized_user" else "project_id")
    return found if isinstance(found, str) and found else _unknown()


def _unknown() -> str:
    raise NotCaptured(NO_PROJECT_KNOWN)


def _as_json(credentials: Any) -> Mapping[str, Any]:
    """Credentials as a mapping, as JSON or as a file of JSON; what is none of these is told when a token is fetched."""
    read = credentials
    try:
        if isinstance(read, str):
            file = Path(read)
            is_file = not read.lstrip().startswith("{") and file.is_file() and file.stat().st_size < _LARGEST_FILE
            read = json.loads(file.read_bytes() if is_file else read)
    except (OSError, ValueError, RecursionError):
        return {}
    return read if isinstance(read, Mapping) else {}


def _credentials(credentials: Any, project: str, known: CredentialsByName) -> Credentials:
    key = ("google", repr(credentials), project)
    return known.get(key, "Google's token server", lambda: _fetched(from_environment(credentials), project))


def _fetched(credentials: Any, project: str) -> Fetched:
    """A new token. The credentials are read anew each time, so that a file may be replaced."""
    from litellm.llms.vertex_ai.vertex_llm_base import VertexBase  # noqa: PLC0415  LiteLLM is loaded by now

    class Loader(VertexBase):
        """LiteLLM's reading of every kind of credentials, with our request."""

        def refresh_auth(self, credentials: Any) -> None:
            credentials.refresh(_request)

    try:
        found, _ = Loader().load_auth(credentials, project)
    except (CredentialsRefused, CredentialsUnavailable):
        raise
    except ImportError:
        raise CredentialsRefused("google-auth is not installed: pip install 'star-agents[vertex]'") from None
    except Exception as error:
        raise _readable(error) from None
    token, expiry = getattr(found, "token", None), getattr(found, "expiry", None)
    if not isinstance(token, str) or not token or not (token.isascii() and token.isprintable()):
        raise CredentialsUnavailable("what Google's token server gave is no token")
    lasts_s = None if expiry is None else (expiry - datetime.now(UTC).replace(tzinfo=None)).total_seconds()
    return Fetched(value=token, lasts_s=lasts_s, secrets=non_empty_strings((token,)))


def _request(
    url: str, method: str = "GET", body: Any = None, headers: Any = None, timeout: Any = None, **_: Any
) -> TokenReply:
    """As google-auth calls for a request."""
    from google.auth.exceptions import TransportError  # noqa: PLC0415  an extra

    try:
        sent = body.encode() if isinstance(body, str) else body
        return exchange(method, url, headers=headers or {}, body=sent)
    except CredentialsUnavailable as error:
        raise TransportError(str(error)) from None


def _readable(error: Exception) -> Exception:
    """What google-auth or LiteLLM says: a refusal, unless it says itself that another try may help."""
    # Google-auth's errors hold the whole reply beside what it says.
    first = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    said = error_text(first)
    is_transport = "TransportError" in {cls.__name__ for cls in type(error).__mro__}
    if is_transport or getattr(error, "retryable", False):
        return CredentialsUnavailable(said)
    return CredentialsRefused(said)
