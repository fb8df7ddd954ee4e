"""In-process providers: a plain function becomes the LiteLLM provider ``<name>/<model>``.

The offline agents come in this way, through the same Router, limits and errors as every other agent. Choose a prefix
that is no provider of LiteLLM's; then ``offline/gpt-4o-mini`` can never reach OpenAI.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, Protocol


class Completion(Protocol):
    """What an in-process provider returns."""

    @property
    def text(self) -> str:
        """The answer."""

    @property
    def finish_reason(self) -> str:
        """``stop``, or ``length`` where ``max_tokens`` cut the answer."""

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the messages."""

    @property
    def completion_tokens(self) -> int:
        """Tokens of the answer."""


CompletionFunction = Callable[[str, Sequence[Mapping[str, str]], int | None], Completion]
"""``respond(model, messages, max_tokens)``. It runs on the event loop, so it has to be quick."""


def register(litellm: ModuleType, providers: Mapping[str, CompletionFunction]) -> None:
    """Make each function the LiteLLM provider of its name; LiteLLM keeps them per process, the latest one counts."""
    kept = [item for item in litellm.custom_provider_map if item["provider"] not in providers]
    added = [{"provider": name, "custom_handler": _handler(litellm, respond)} for name, respond in providers.items()]
    litellm.custom_provider_map[:] = [*kept, *added]
    litellm.utils.custom_llm_setup()


def _handler(litellm: ModuleType, respond: CompletionFunction) -> object:
    """An instance of ``CustomLLM``, whose class exists only once LiteLLM is imported."""

    async def acompletion(
        self: object, model: str, messages: list[dict[str, str]], model_response: Any, optional_params: Any, **_: Any
    ) -> Any:
        answer = respond(model, messages, optional_params.get("max_tokens"))
        choice = model_response.choices[0]
        choice.message.content = answer.text
        choice.finish_reason = answer.finish_reason
        model_response.model = model
        model_response.usage = litellm.Usage(
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            total_tokens=answer.prompt_tokens + answer.completion_tokens,
        )
        return model_response

    handler: object = type("InProcess", (litellm.CustomLLM,), {"acompletion": acompletion})()
    return handler
