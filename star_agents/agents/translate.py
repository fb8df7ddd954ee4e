"""Foreign exceptions become ours here and nowhere else.

LiteLLM, the OpenAI SDK, httpx and aiohttp share class names for the same failure, so one table by name, looked up along
the class hierarchy, serves them all and needs none of them imported. A class that no row knows counts as unavailable:
it is retried a few times, then reported by its name. A test walks ``litellm.exceptions`` and fails if one is missing.

What a class or a status leaves open, the provider's words decide. LiteLLM reads them for some providers, not for
others, and never where it did not send; read here, the same reply is the same error whichever way it came.

A message names agent and model, quotes the provider (shortened, secrets removed) and says what to do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from star_agents.agents.http_failure import FailedElsewhere
from star_agents.errors import AgentError, AgentRateLimited, AgentRefused, AgentUnavailable
from star_agents.text.redaction import redactor

_LONGEST_RETRY_AFTER_S = 86_400.0
"""Quotas begin anew once a day at the latest; what asks for more is a mistake, and must not silence an agent for good.
"""
_QUOTE = 300
"""Characters of a provider's message that are quoted."""
_READ = 4_000
"""Characters of it in which secrets are looked for; all the others are cut away."""

_SEARCHED = 64 << 10
"""Characters of it that are searched for words."""


@dataclass(frozen=True, slots=True)
class _Row:
    kind: type[AgentError]
    what: str
    advice: str


_LIMITED = _Row(AgentRateLimited, "the provider asks to slow down (429)", "lower `max_concurrency`, or wait")
_SPENT = _Row(AgentRefused, "the provider's account has no credit left", "top it up with the provider")
_TIMEOUT = _Row(AgentUnavailable, "no answer in time", "raise `timeout_s`, or lower `max_concurrency`")
_CONNECTION = _Row(AgentUnavailable, "no connection", "is the server at `api_base` up?")
_SERVER = _Row(AgentUnavailable, "the provider failed", "it is at the provider's end; `retries` sets how often to try")
_UNREADABLE = _Row(AgentUnavailable, "the reply cannot be read", "does `api_base` point at an API of this provider?")
_KEY = _Row(AgentRefused, "the provider refused the key", "check the variable that `api_key` names")
_NOT_GIVEN = _Row(
    AgentRefused,
    "its credentials were refused, or are none",
    "look at what the agents' README says of its provider's credentials",
)
_NOT_HAD = _Row(AgentUnavailable, "its credentials could not be had", "is whoever gives them out up?")
_MOVED = _Row(AgentRefused, "the server points to another address", "write that address into `api_base`")
_MISSING = _Row(AgentRefused, "the provider does not know the model", "check `model` and `api_base`")
REFUSED_REQUEST = "the provider refused the request"
_REQUEST = _Row(
    AgentRefused, REFUSED_REQUEST, "`check` tries the agent's parameters one by one and says which one it is"
)
_LONG = _Row(AgentRefused, "the text is too long for the model", "use a model with more context, or a shorter seed")
_TOO_LARGE = _Row(
    AgentRefused,
    "one request is larger than the provider's tokens per minute",
    "lower `max_tokens`, or shorten the seed",
)
_CONTENT = _Row(AgentRefused, "the provider's filter refused the text", "use another agent for such seeds")
_WHATEVER_THE_TEXT = frozenset({_SPENT, _KEY, _NOT_GIVEN, _NOT_HAD, _MOVED, _MISSING})
"""What would be said of any request. All else may lie in what the request holds: servers fail on texts, too."""

TABLE: Mapping[str, _Row] = {
    "RateLimitError": _LIMITED,
    "RouterRateLimitError": _SERVER,  # the Router's own "no deployment left", not a provider's 429
    "Timeout": _TIMEOUT,
    "APITimeoutError": _TIMEOUT,
    "TimeoutError": _TIMEOUT,
    "TimeoutException": _TIMEOUT,
    "APIConnectionError": _CONNECTION,
    "ClientError": _CONNECTION,
    "TransportError": _CONNECTION,
    "OSError": _CONNECTION,
    "InternalServerError": _SERVER,
    "ServiceUnavailableError": _SERVER,
    "BadGatewayError": _SERVER,
    "MidStreamFallbackError": _SERVER,
    "APIResponseValidationError": _UNREADABLE,
    "JSONSchemaValidationError": _UNREADABLE,
    "LookupError": _UNREADABLE,
    "TypeError": _UNREADABLE,
    "ValueError": _UNREADABLE,
    "AuthenticationError": _KEY,
    "PermissionDeniedError": _KEY,
    "CredentialsRefused": _NOT_GIVEN,
    "CredentialsUnavailable": _NOT_HAD,
    "PaymentRequiredError": _SPENT,
    "BudgetExceededError": _SPENT,
    "NotFoundError": _MISSING,
    "LiteLLMUnknownProvider": _MISSING,
    "ModelNotMappedError": _MISSING,
    "BadRequestError": _REQUEST,
    "InvalidRequestError": _REQUEST,
    "UnprocessableEntityError": _REQUEST,
    "UnsupportedParamsError": _REQUEST,
    "RejectedRequestError": _REQUEST,
    "ImageFetchError": _REQUEST,
    "VectorStoreSearchError": _REQUEST,
    "ContextWindowExceededError": _LONG,
    "ContentPolicyViolationError": _CONTENT,
    "GuardrailRaisedException": _CONTENT,
    "BlockedPiiEntityError": _CONTENT,
    "ModifyResponseException": _CONTENT,
    "SensitiveDataRouteException": _CONTENT,
    "APIError": _SERVER,
    "MockException": _SERVER,
    "OpenAIError": _SERVER,
    "Exception": _SERVER,
}
"""Class name to what it means. ``APIError`` and its like are refined by their HTTP status."""

_UNCONNECTED = frozenset(
    {"ClientConnectorError", "ClientConnectorDNSError", "ConnectionTimeoutError", "ConnectionRefusedError"}
    | {"CredentialsUnavailable"}
)
"""There was no connection, or no right to one, so nothing can have been sent or billed."""
_BY_STATUS = {401: _KEY, 402: _SPENT, 403: _KEY, 404: _MISSING, 408: _TIMEOUT, 409: _SERVER, 413: _LONG, 429: _LIMITED}
_BY_STATUS |= {504: _TIMEOUT} | dict.fromkeys(range(300, 400), _MOVED)
_VAGUE = frozenset(
    {"APIError", "APIStatusError", "OpenAIError", "MockException", "CustomLLMError", "BaseLLMException", "HttpFailure"}
)
_WORDS: tuple[tuple[frozenset[_Row], re.Pattern[str], _Row], ...] = tuple(
    (frozenset(rows), re.compile(pattern, re.IGNORECASE), better)
    for rows, pattern, better in (
        ({_REQUEST, _SERVER, _LIMITED}, r"request too large.*(?:tokens per min|\bTPM\b)", _TOO_LARGE),
        ({_REQUEST, _SERVER}, r"rate[\s_-]*limit|service tier capacity exceeded|request too large", _LIMITED),
        (
            {_REQUEST, _SERVER},
            r"context[ _](?:length|size|limit|window)|`inputs` (?:tokens|must have less)|maximum input length is"
            r"|input tokens exceed|maximum number of tokens allowed",
            _LONG,
        ),
        ({_REQUEST}, r"model_not_found", _MISSING),
        ({_REQUEST}, r"content_policy_violation|violating our usage policy|of (?:the|our) safety system", _CONTENT),
        (
            {_SERVER, _CONNECTION},  # LiteLLM's own words, and those of the parsers under it
            r"invalid response (?:object|from LLM)|returned (?:a response with no )?'choices'"
            r"|get json response|Expecting (?:value|property|'.' delim)|codec can't decode|must be a mapping"
            r"|not subscriptable|not iterable|KeyError|Unterminated string|has no attribute '(?:get|items)'",
            _UNREADABLE,
        ),
        ({_SERVER}, r"Connection error\.|Cannot connect to host|Server disconnected", _CONNECTION),
    )
)
"""Rows that words may refine, the words, and what they mean; the first that fits counts."""
_NO_CREDIT = re.compile(r"insufficient_quota|exceeded your current quota|credit balance is too low", re.IGNORECASE)
_PREFIX = re.compile(r"^(?:(?:litellm\.)?\w*(?:Error|Exception|Timeout)\w*(?: - |: ))+")


def translate(error: Exception, *, agent: str, model: str) -> AgentError:
    """Return our error for a foreign one; one of ours comes back as it is.

    Raise it outside of the ``except`` block that caught the foreign one: a chained traceback would print the foreign
    message, which may hold a key.
    """
    if isinstance(error, AgentError):
        return error
    row = _row(error)
    said = _quoted(_first_line(error))
    quoted = f": {said}" if said else ""
    message = f"agent {agent} ({model}): {row.what}{quoted} [{_names(error)[0]}]; {row.advice}"
    ours = _of_kind(row.kind, message, error)
    ours.what, ours.said = row.what, said
    ours.may_lie_in_the_text = row not in _WHATEVER_THE_TEXT
    return ours


def _of_kind(kind: type[AgentError], message: str, error: Exception) -> AgentError:
    if kind is AgentRateLimited:
        return AgentRateLimited(message, retry_after=_retry_after(error))
    if kind is AgentUnavailable:
        unavailable = AgentUnavailable(message, retry_after=_retry_after(error))
        unavailable.certainly_unpaid = not _UNCONNECTED.isdisjoint(_names(error))
        return unavailable
    return kind(message)


def _names(error: Exception) -> Sequence[str]:
    """Of its class and of those that it is derived from, wherever it was raised."""
    if isinstance(error, FailedElsewhere) and error.names:
        return error.names
    return [cls.__name__ for cls in type(error).__mro__]


def _quoted(text: str) -> str:
    """What was said without secrets, shortened. What is far beyond the quotation is not looked at."""
    said = redactor.text(text[:_READ])
    return said if len(said) <= _QUOTE else f"{said[:_QUOTE]}…"


def _row(error: Exception) -> _Row:
    status, said = getattr(error, "status_code", None), _whole(error)
    names = _names(error)
    if (status == 429 or "RateLimitError" in names) and _NO_CREDIT.search(said):
        return _SPENT
    if names[0] in _VAGUE and isinstance(status, int):
        row = _BY_STATUS.get(status, _REQUEST if 400 <= status < 500 else _SERVER)
    else:
        row = next((TABLE[name] for name in names if name in TABLE), _SERVER)
    return next((better for rows, words, better in _WORDS if row in rows and words.search(said)), row)


def _whole(error: Exception) -> str:
    """All that is known of what the provider said, its codes included; without LiteLLM's tracebacks, which say much."""
    said = f"{str(getattr(error, 'body', None) or '')[:_SEARCHED]} {str(error)[:_SEARCHED]}"
    return said.partition("Traceback (most recent call last)")[0]


def _first_line(error: Exception) -> str:
    """What the provider said, without LiteLLM's prefixes and the tracebacks and hints it appends."""
    lines = str(error)[:_SEARCHED].strip().splitlines()
    return _PREFIX.sub("", lines[0]).strip() if lines else ""


def _retry_after(error: Exception) -> float | None:
    """Seconds that the provider asks to wait, at most a day: ``retry-after-ms``, or ``retry-after`` as a number or a
    date."""
    headers = _headers(error)
    try:
        if "retry-after-ms" in headers:
            return _seconds(float(headers["retry-after-ms"]) / 1000)
        if "retry-after" in headers:
            return _seconds(float(headers["retry-after"]))
    except ValueError:
        return _until(headers.get("retry-after", ""), headers.get("date", ""))
    return None


def _seconds(value: float) -> float | None:
    return min(value, _LONGEST_RETRY_AFTER_S) if math.isfinite(value) and value >= 0 else None


def _until(date: str, now: str) -> float | None:
    """Seconds from the server's own clock to its date, so that ours need not be right."""
    try:
        start = parsedate_to_datetime(now) if now else datetime.now(UTC)
        return _seconds(max(0.0, (parsedate_to_datetime(date) - start).total_seconds()))
    except (TypeError, ValueError):
        return None


def _headers(error: Exception) -> dict[str, str]:
    """The reply's headers, from wherever LiteLLM put them, or as the direct way has them; names in lower case."""
    response = getattr(error, "response", None)
    own, litellms = getattr(error, "headers", None), getattr(error, "litellm_response_headers", None)
    for headers in (litellms, getattr(response, "headers", None), own):
        if headers:
            return {str(name).lower(): str(value) for name, value in headers.items()}
    return {}
