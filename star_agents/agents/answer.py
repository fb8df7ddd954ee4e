"""What goes to a provider and what comes back, whichever way it is sent.

There are three ways: through LiteLLM whole (``litellm.py``), which every provider can take; over one connection pool of
ours (``direct.py``) to servers that speak OpenAI's protocol or Ollama's; and to a function in this process
(``in_process.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from star_agents.agents.endpoints import Endpoint
from star_agents.records import Tool, ToolCall


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One request to one deployment."""

    endpoint: Endpoint
    deployment: str = ""
    """Its id on LiteLLM's Router, where that sends."""
    messages: Sequence[Mapping[str, Any]]
    shape: Mapping[str, Any]
    """Sampling parameters, as ``sampling.sampling`` gives them."""
    n: int = 1
    """Answers wanted; a provider may give fewer."""
    timeout_s: float
    tools: tuple[Tool, ...] = ()
    """What the model may call, told by the shape or by the messages: calls in the reply are read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One answer."""

    text: str
    """The answer without the model's thoughts; empty where the provider sent none."""
    finish_reason: str
    """As ``finish_reasons`` reads it."""
    reasoning: str = ""
    """The thoughts, as far as the provider shows them."""
    flaw: str = ""
    """Why the text is no answer, where the reply itself shows it."""
    tool_calls: tuple[ToolCall, ...] = ()
    """What it asks of the tools that the call offers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A provider's reply, its usage for all choices together. ``replies.reading`` makes its choices."""

    choices: tuple[Choice, ...]
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    """Those of the prompt that the provider bills at its price for cached ones."""
    listed_usd: float | None = None
    """What LiteLLM makes of the cost; ``None`` on the direct way."""
    usage_doubt: str = ""
    """Why the provider's counts cannot be so, in which case they are 0; see ``usage``."""
    answered_as: str = ""
    """What the reply calls the model that wrote it, see ``reading.name_in``; empty where it does not say."""

    @property
    def count(self) -> int:
        """Answers that came back."""
        return len(self.choices)


@dataclass(frozen=True, kw_only=True, slots=True)
class Embedded:
    """What an embedding model made of some texts."""

    vectors: list[list[float]]
    model: str
    prompt_tokens: int
    cost_usd: float | None
    deployment: str


class Transport(Protocol):
    """A way to send a call."""

    async def complete(self, call: Call) -> Answer:
        """Send once. Raises whatever the library below raises; ``translate`` makes one of our errors of it."""
        ...
