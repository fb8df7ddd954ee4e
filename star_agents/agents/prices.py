"""What a call costs: its upper bound before it is sent, and its price afterwards. ``None`` is unknown, and never 0."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from star_agents.agents.budget_ledger import Charge
from star_agents.records import Message

T = TypeVar("T", int, float)

_TOKENS_PER_MESSAGE = 16
"""More than any chat template puts around one message."""
_DEARER_THAN_LISTED = 10
"""A call may cost more than its tokens at the dearest prices of the list (writing a cache), but not so many times."""
_REGIONAL = "regional_endpoint_uplift_multiplier"
_TIER = re.compile(r"(?:input_cost_per_token|output_cost_per_token|cache_read_input_token_cost)_above_(\d+)(k?)_tokens")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tier:
    """US dollars per token where the prompt is longer than ``above`` tokens."""

    above: int
    prompt: float
    cached: float
    """Of the prompt's tokens that the provider had in its cache."""
    completion: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """US dollars per token; where a provider has tiers, those of the dearest."""

    prompt: float
    completion: float
    longest: int | None = None
    """Most tokens that the model can write, where LiteLLM knows it."""
    is_assumed: bool = False
    """Nobody stated it: a server on this machine or in a private network counts as free."""
    from_config: bool = True
    """False: from LiteLLM's list, which knows tiers and discounts; where LiteLLM sent, what a call cost is LiteLLM's to
    say."""
    tiers: tuple[Tier, ...] = ()
    """By length of the prompt, the shortest first, where the price is from the list."""

    @property
    def is_free(self) -> bool:
        """Whether a call costs nothing however long it is."""
        return not self.prompt and not self.completion


def most_tokens(messages: Sequence[Message]) -> int:
    """Upper bound of the tokens of a prompt: a token is at least one byte, so no tokenizer runs on the event loop."""
    texts = (text for message in messages for text in message.texts)
    text = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    return text + _TOKENS_PER_MESSAGE * (len(messages) + 1)


def worst_case(prices: Iterable[Price | None], prompt_tokens: int, max_tokens: int | None, answers: int = 1) -> Charge:
    """The most that one request for so many answers may take, whichever endpoint answers.

    Dollars are unknown where the price or the length of an answer has no bound, tokens where that length has none.
    """
    usd: list[float | None] = []
    tokens: list[int | None] = []
    for price in prices:
        longest = max_tokens if max_tokens is not None else price.longest if price is not None else None
        tokens.append(None if longest is None else prompt_tokens + longest * answers)
        if price is None or (longest is None and price.completion):
            usd.append(None)
        else:
            usd.append(price.prompt * prompt_tokens + price.completion * (longest or 0) * answers)
    return Charge(usd=_most(usd), tokens=_most(tokens), calls=answers)


def _most(bounds: Sequence[T | None]) -> T | None:
    known = [bound for bound in bounds if bound is not None]
    return max(known, default=None) if len(known) == len(bounds) else None


def listed_price(entry: Mapping[str, object], *, region: str | None = None) -> Price:
    """The price that an entry of LiteLLM's list states: read once per endpoint, so that no call has to ask for it.

    Args:
        entry: Of the model.
        region: Of Vertex AI, where the call is answered; some models cost more in any but ``global``.
    """
    dearer = entry.get(_REGIONAL)
    if region is not None and region.lower() != "global" and isinstance(dearer, (int, float)):
        prices = {name: value for name, value in entry.items() if isinstance(value, (int, float)) and "_cost" in name}
        entry = {**entry, **{name: value * dearer for name, value in prices.items()}, _REGIONAL: None}
    longest = entry.get("max_output_tokens")
    return Price(
        prompt=_dearest(entry, "input_cost_per_token"),
        completion=_dearest(entry, "output_cost_per_token"),
        longest=longest if isinstance(longest, int) else None,
        from_config=False,
        tiers=_tiers(entry),
    )


def cost(
    price: Price | None, prompt_tokens: int, completion_tokens: int, listed: float | None, cached_tokens: int = 0
) -> float | None:
    """What a reply cost in US dollars.

    Args:
        price: Of the endpoint that answered.
        prompt_tokens: As the provider counted them, cached ones included.
        completion_tokens: As the provider counted them.
        listed: What LiteLLM makes of it, where LiteLLM read: it takes over what some providers say. LiteLLM says 0 for
            models that it does not know, and for some that it does, so this counts only where ``price`` comes from its
            list and it can be so.
        cached_tokens: Those of the prompt that have the price of cached ones, where the list has one.
    """
    if price is None:
        return None
    if price.is_free:
        return 0.0
    if not prompt_tokens and not completion_tokens:
        return None
    dearest = price.prompt * prompt_tokens + price.completion * completion_tokens
    if not price.from_config and listed is not None and 0 < listed <= _DEARER_THAN_LISTED * dearest:
        return float(listed)
    if not price.tiers:
        return dearest
    tier = next((tier for tier in reversed(price.tiers) if prompt_tokens > tier.above), price.tiers[0])
    fresh = max(prompt_tokens - cached_tokens, 0)
    return tier.prompt * fresh + tier.cached * cached_tokens + tier.completion * completion_tokens


def _tiers(entry: Mapping[str, object]) -> tuple[Tier, ...]:
    """The list's tiers; what one does not state is that of the tier below, and a cached token's price the prompt's."""
    thresholds = {"": 0} | {
        f"_above_{match[1]}{match[2]}_tokens": int(match[1]) * (1000 if match[2] else 1)
        for match in map(_TIER.fullmatch, entry)
        if match
    }
    tiers = [Tier(above=0, prompt=0.0, cached=0.0, completion=0.0)]
    cached: float | None = None
    for suffix, above in sorted(thresholds.items(), key=lambda pair: pair[1]):
        below = tiers[-1]
        prompt = _usd(entry, f"input_cost_per_token{suffix}", below.prompt)
        completion = _usd(entry, f"output_cost_per_token{suffix}", below.completion)
        stated = entry.get(f"cache_read_input_token_cost{suffix}")
        cached = float(stated) if isinstance(stated, (int, float)) else cached
        tiers.append(
            Tier(above=above, prompt=prompt, cached=prompt if cached is None else cached, completion=completion)
        )
    return tuple(tiers[1:])


def _usd(entry: Mapping[str, object], name: str, otherwise: float) -> float:
    value = entry.get(name)
    return float(value) if isinstance(value, (int, float)) else otherwise


def _dearest(entry: Mapping[str, object], name: str) -> float:
    """The highest of a list price and its tiers for long prompts."""
    values = [value for key, value in entry.items() if key == name or key.startswith(f"{name}_above_")]
    return max((float(value) for value in values if isinstance(value, (int, float))), default=0.0)
