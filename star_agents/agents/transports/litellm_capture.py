"""How LiteLLM would send a call, seen where its translation ends and its sending begins: nothing goes out.

``litellm.completion`` finds provider, key, address and parameters of a call, and hands them to one of a few handlers,
which ask a provider's config for body and headers and send. Each of those handlers is wrapped once; within ``capture``
the wrapper notes what it was handed and returns, everywhere else it does nothing. So what LiteLLM makes of a
deployment is never written down here a second time.

What fetches credentials is wrapped likewise: within ``capture`` it fetches none, and hands out how they would be.
"""

from __future__ import annotations

import contextlib
import copy
import datetime
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, Literal

Handler = Literal["common", "anthropic", "openai", "azure", "google", "converse"]
Kind = Literal["aws", "google", "entra", "azure"]
"""Of AWS; of Google; by a client's secret at Entra; by whatever else ``azure-identity`` knows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Captured:
    """What a handler of LiteLLM was handed."""

    handler: Handler
    owner: Any
    """The handler itself."""
    arguments: Mapping[str, Any] = field(repr=False)
    """By name; keys are among them."""
    deferred: Deferred | None = None
    """What was not fetched for it, where the handler is not told."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Deferred:
    """Credentials that LiteLLM would have fetched here."""

    kind: Kind
    arguments: Mapping[str, Any] = field(repr=False)
    """What they are fetched by, by name; secrets are among them."""
    fetch: Callable[[], Any] = field(repr=False)
    """LiteLLM's own way, which blocks."""

    def __call__(self) -> Any:
        """A token, where clients of OpenAI's SDK that were made meanwhile ask for one."""
        return self.fetch()()


NO_TOKEN, NO_PROJECT = "deferred-token", "deferred-project"
"""What stands in a captured call of Google's in place of what is fetched, or asked of the machine, later."""


class NotCaptured(Exception):
    """LiteLLM has to send such a call by itself; the message says why, from "since" on."""


_TELLING: Sequence[Mapping[str, str]] = (
    {"role": "system", "content": "Be brief."},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "Hello."},
    {"role": "user", "content": "Who are you?"},
)
"""Turns that show whether LiteLLM changes turns: whatever it does about roles, these have."""

_noted: ContextVar[list[Captured | Deferred] | None] = ContextVar("noted", default=None)


def is_capturing() -> bool:
    """Whether nothing may be sent just now: whoever sends refuses."""
    return _noted.get() is not None


def install(litellm: ModuleType) -> None:
    """Wrap the handlers; twice is once."""
    from litellm.llms.anthropic.chat.handler import AnthropicChatCompletion  # noqa: PLC0415  loads LiteLLM
    from litellm.llms.azure.azure import AzureChatCompletion  # noqa: PLC0415
    from litellm.llms.bedrock.chat.converse_handler import BedrockConverseLLM  # noqa: PLC0415
    from litellm.llms.custom_httpx.llm_http_handler import BaseLLMHTTPHandler  # noqa: PLC0415
    from litellm.llms.openai.openai import OpenAIChatCompletion  # noqa: PLC0415
    from litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini import VertexLLM  # noqa: PLC0415

    if hasattr(BaseLLMHTTPHandler.completion, "__wrapped__"):
        return
    wrapped: tuple[tuple[Handler, Any, str], ...] = (
        ("common", BaseLLMHTTPHandler, "completion"),
        ("anthropic", AnthropicChatCompletion, "completion"),
        ("openai", OpenAIChatCompletion, "acompletion"),
        ("azure", AzureChatCompletion, "completion"),
        ("google", VertexLLM, "async_completion"),
        ("converse", BedrockConverseLLM, "async_completion"),
    )
    for handler, owner, name in wrapped:
        setattr(owner, name, _noting(handler, getattr(owner, name)))
    _install_deferring()
    setattr(litellm.main, "_get_encoding", _tokenizer(litellm.main._get_encoding))  # noqa: B010  not ours to declare


def _install_deferring() -> None:
    from litellm.llms.azure import common_utils as azure  # noqa: PLC0415  LiteLLM is loaded by now
    from litellm.llms.bedrock.base_aws_llm import BaseAWSLLM  # noqa: PLC0415
    from litellm.llms.vertex_ai.vertex_llm_base import VertexBase  # noqa: PLC0415

    fetching: tuple[tuple[Kind, Any, str], ...] = (
        ("aws", BaseAWSLLM, "get_credentials"),
        ("google", VertexBase, "_ensure_access_token"),
        ("entra", azure, "get_azure_ad_token_from_entra_id"),
        ("azure", azure, "get_azure_ad_token_from_username_password"),
        ("azure", azure, "_cached_azure_ad_token_refresh_provider"),
    )
    for kind, owner, name in fetching:
        setattr(owner, name, _deferring(kind, getattr(owner, name)))


def _tokenizer(original: Callable[[], Any]) -> Callable[[], Any]:
    """LiteLLM's tokenizer, which it loads for every handler (0.2 s of CPU, 44 MB); one that only notes needs none."""

    def load() -> Any:
        return None if is_capturing() else original()

    return load


def _noting(handler: Handler, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def handle(self: Any, *positional: Any, **named: Any) -> Any:
        noted = _noted.get()
        if noted is None:
            return original(self, *positional, **named)
        noted.append(Captured(handler=handler, owner=self, arguments=named))
        return None

    return handle


def _deferring(kind: Kind, original: Callable[..., Any]) -> Any:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def fetch(*positional: Any, **named: Any) -> Any:
        noted = _noted.get()
        if noted is None or named.get("custom_llm_provider") == "gemini":
            return original(*positional, **named)
        arguments = dict(signature.bind(*positional, **named).arguments)
        deferred = Deferred(kind=kind, arguments=arguments, fetch=lambda: original(*positional, **named))
        noted.append(deferred)
        return (NO_TOKEN, arguments.get("project_id") or NO_PROJECT) if kind == "google" else deferred

    return fetch


def capture(
    litellm: ModuleType,
    params: Mapping[str, Any],
    shape: Mapping[str, Any],
    messages: Sequence[Mapping[str, Any]],
    n: int,
) -> Captured:
    """What LiteLLM makes of a call before it sends.

    It may read files (the region of AWS), so it is called in a thread where the provider is one that does.

    Args:
        litellm: The module.
        params: Of the deployment: model, key, address.
        shape: Sampling parameters.
        messages: Of the call; what is captured is the same for others, but for the messages themselves.
        n: Answers wanted.

    Raises:
        NotCaptured: LiteLLM would send it in a way of its own.
        Exception: What LiteLLM raises over the parameters.
    """
    from litellm.utils import validate_and_fix_openai_messages  # noqa: PLC0415  loads LiteLLM

    call = {**params, **shape, **({"n": n} if n > 1 else {})}
    turns = validate_and_fix_openai_messages(messages=[dict(message) for message in (*_TELLING, *messages)])
    with nothing_goes_out() as noted:
        # Beneath the decorator that logs, counts costs and starts threads; only the call itself is wanted.
        pending = litellm.completion.__wrapped__(
            **call,
            messages=copy.deepcopy(turns),
            timeout=60.0,
            acompletion=True,
            litellm_logging_obj=logging_object(call["model"], messages),
            _skip_mcp_handler=True,
        )
    handed = [one for one in noted if isinstance(one, Captured)]
    if not handed:
        if hasattr(pending, "close"):
            pending.close()
        raise NotCaptured("since LiteLLM asks such a model in a way of its own, such as OpenAI's Responses")
    last = handed[-1]
    if last.arguments["messages"] != turns:
        # It does so before it hands the call on, so that we would send what stood there before.
        raise NotCaptured("since its `extra` has LiteLLM change the messages")
    deferred = next((one for one in noted if isinstance(one, Deferred)), None)
    return replace(last, arguments={**last.arguments, "messages": turns[len(_TELLING) :]}, deferred=deferred)


def logging_object(model: str, messages: Sequence[Mapping[str, Any]]) -> Any:
    """A real one of LiteLLM's, which costs a few microseconds and tells nobody anything."""
    from litellm.litellm_core_utils.litellm_logging import Logging  # noqa: PLC0415

    now = datetime.datetime.now()
    return Logging(
        model=model,
        messages=list(messages),
        stream=False,
        call_type="acompletion",
        start_time=now,
        litellm_call_id="",
        function_id="",
    )


@contextlib.contextmanager
def nothing_goes_out() -> Iterator[list[Captured | Deferred]]:
    """Within, handlers only note what they are handed, and LiteLLM's clients refuse to send."""
    noted: list[Captured | Deferred] = []
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)
