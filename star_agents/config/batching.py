"""`batch` of an agent in agents.yaml: how its calls go out in the half-price batches of its provider."""

from __future__ import annotations

from pydantic import Field

from star_agents.config.base import LONGEST_S, Section

MOST_REQUESTS = 50_000
"""Of one batch: OpenAI takes no more, Anthropic twice as many."""


class BatchConfig(Section):
    """How calls gather, how often the provider is asked, and what becomes of those that it leaves unanswered."""

    max_requests: int = Field(default=10_000, ge=1, le=MOST_REQUESTS)
    """Calls that go out as one batch as soon as so many wait; fewer where the provider's limit of bytes comes first."""
    max_wait_s: float = Field(default=300.0, ge=0, le=LONGEST_S)
    """Seconds after which those that wait go out, however few. A `run` that has nothing else to do does not wait."""
    poll_s: float = Field(default=60.0, ge=0.01, le=86_400)
    """Seconds between two questions about batches that are at the provider."""
    max_batches: int = Field(default=20, ge=1, le=1_000)
    """Batches at the provider at once; further calls wait here."""
    tries: int = Field(default=2, ge=1, le=20)
    """Batches that may leave a call unanswered: they expire, are cancelled, or the provider fails at it."""
    fall_back: bool = True
    """Calls that so many batches left unanswered are then sent one by one, at the full price. `false`: they fail."""
    model: str = Field(default="", max_length=200)
    """Name of the model in batches, where it is another one than that of calls sent alone: a batch deployment of
    Azure's, which answers nothing else. Left out, it is that of `model`."""
    price: float | None = Field(default=None, ge=0, le=1)
    """Share of the ordinary price that a batched call costs (`0.5`), where LiteLLM's list has no price for batches of
    the model. Left out, such a call's cost is unknown, and budgets count what was reserved: the full price."""
