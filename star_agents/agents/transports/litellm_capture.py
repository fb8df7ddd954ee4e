"""How LiteLLM would send a call, seen where its translation ends and its sending begins: nothing goes out.

``litellm.completion`` finds provider, key, address and parameters of a call, and hands them to one of a few handlers,
which ask a provider's config for body and headers and send. Each of those handlers is wrapped once; within ``capture``
the wrapper notes what it was handed and returns, everywhere else it does nothing. So what LiteLLM makes of a
deployment is never written down here a second time.
"""

from __future__ import annotations

import contextlib
import copy
import datetime
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, Literal

Handler = Literal["common", "anthropic", "openai", "azure", "google", "converse"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Captured:
    """What a handler of LiteLLM was handed."""

    handler: Handler
    owner: Any
    """The handler itself."""
    arguments: Mapping[str, Any] = field(repr=False)
    """By name; keys are among them."""


class NotCaptured(Exception):
    """LiteLLM has to send such a call by itself; the message says why, from "since" on."""


_TELLING: Sequence[Mapping[str, str]] = (
    {"role": "system", "content": "Be brief."},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "Hello."},
    {"role": "user", "content": "Who are you?"},
)
"""Turns that show whether LiteLLM changes turns: whatever it does about roles, these have."""

_noted: ContextVar[list[Captured] | None] = ContextVar("noted", default=None)


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


def _noting(handler: Handler, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def handle(self: Any, *positional: Any, **named: Any) -> Any:
        noted = _noted.get()
        if noted is None:
            return original(self, *positional, **named)
        noted.append(Captured(handler=handler, owner=self, arguments=named))
        return None

    return handle


def capture(
    litellm: ModuleType,
    params: Mapping[str, Any],
    shape: Mapping[str, Any],
    messages: Sequence[Mapping[str, Any]],
    n: int,
) -> Captured:
    """What LiteLLM makes of a call before it sends.

    It may read files (credentials of AWS), so it is called in a thread where the provider is one that does.

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
    if not noted:
        if hasattr(pending, "close"):
            pending.close()
        raise NotCaptured("since LiteLLM asks such a model in another protocol, such as OpenAI's Responses")
    if noted[-1].arguments["messages"] != turns:
        # It does so before it hands the call on, so that we would send what stood there before.
        raise NotCaptured("since its `extra` has LiteLLM change the messages")
    return replace(noted[-1], arguments={**noted[-1].arguments, "messages": turns[len(_TELLING) :]})


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
def nothing_goes_out() -> Iterator[list[Captured]]:
    """Within, handlers only note what they are handed, and LiteLLM's clients refuse to send."""
    noted: list[Captured] = []
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)
