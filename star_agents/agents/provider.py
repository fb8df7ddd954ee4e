"""What a provider on this machine is: a function behind the names ``<prefix>/<model>``.

A prefix that is also one of LiteLLM's belongs to the function; ``offline/gpt-4o-mini`` can never reach OpenAI.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Background:
    """A provider that takes its time, elsewhere."""

    complete: Callable[[str, Sequence[Mapping[str, str]], Mapping[str, Any]], Awaitable[Completion]]
    """``await complete(model, messages, shape)``, with the sampling parameters of the call. Raises AgentError."""


Provider = CompletionFunction | Background
