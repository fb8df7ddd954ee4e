"""What a call costs: its upper bound before it is sent, and its price afterwards. ``None`` is unknown, and never 0."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from star_agents.records import Message

_TOKENS_PER_MESSAGE = 16
"""More than any chat template puts around one message."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """US dollars per token; where a provider has tiers, those of the dearest."""

    prompt: float
    completion: float
    longest: int | None = None
    """Most tokens that the model can write, where LiteLLM knows it."""
    from_config: bool = True
    """False: from LiteLLM's list, which knows tiers and discounts; what a call cost is then LiteLLM's to say."""

    @property
    def is_free(self) -> bool:
        """Whether a call costs nothing however long it is."""
        return not self.prompt and not self.completion


def most_tokens(messages: Sequence[Message]) -> int:
    """Upper bound of the tokens of a prompt: a token is at least one byte, so no tokenizer runs on the event loop."""
    text = sum(len(message.content.encode("utf-8", "surrogatepass")) for message in messages)
    return text + _TOKENS_PER_MESSAGE * (len(messages) + 1)


def worst_case(prices: Iterable[Price | None], prompt_tokens: int, max_tokens: int | None) -> float | None:
    """Upper bound in US dollars over every endpoint that may answer; ``None`` where price or length has no bound."""
    bounds: list[float] = []
    for price in prices:
        if price is None:
            return None
        longest = max_tokens if max_tokens is not None else price.longest
        if longest is None and price.completion:
            return None
        bounds.append(price.prompt * prompt_tokens + price.completion * (longest or 0))
    return max(bounds, default=None)


def cost(price: Price | None, prompt_tokens: int, completion_tokens: int, listed: float | None) -> float | None:
    """What a reply cost in US dollars.

    Args:
        price: Of the endpoint that answered.
        prompt_tokens: As the provider counted them.
        completion_tokens: As the provider counted them.
        listed: What LiteLLM makes of it. LiteLLM says 0 for models that it does not know, so this counts only where
            ``price`` comes from its list.
    """
    if price is None:
        return None
    if price.is_free:
        return 0.0
    if not prompt_tokens and not completion_tokens:
        return None
    if not price.from_config and listed is not None:
        return float(listed)
    return price.prompt * prompt_tokens + price.completion * completion_tokens
