"""What a provider says that a reply took, read in one place and believed only as far as it can be so. Pure.

A count is whole, finite, not negative, and no more than the texts and ``max_tokens`` allow. Where one count of a
reply is none of that, all are unknown: budgets then count the most that was reserved, and ``Usage.doubt`` says why.
The answer beside them is taken all the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from star_agents.agents.answer import Call
from star_agents.agents.replies.finish_reasons import most_tokens
from star_agents.limits.numbers import MOST_TOKENS
from star_agents.text.redaction import redactor

_ADDED_TO_PROMPT = 4_096
"""Tokens that a provider may put around a prompt: its template's own words (gpt-oss: 70), a tool's (Claude: 350)."""
_ADDED_TO_ANSWER = 16
"""Marks at the end of an answer that some servers count."""
_QUOTED = 40
_READ = 4_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Claims:
    """Counts as a provider sent them, whatever they are; ``None`` where it sent none."""

    prompt: Any = None
    completion: Any = None
    cached: Any = None
    form: Any = None
    """What stands where the counts should, if that is nothing that could hold any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Counts that can be so; 0 where nothing is known."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    doubt: str = ""
    """Which count cannot be so, with what it could be; empty where each can, or none was sent."""


def openai_claims(usage: Any) -> Claims:
    """The counts in OpenAI's form; cached ones under the names of OpenAI, DeepSeek and Anthropic."""
    if usage is None:
        return Claims()
    if not isinstance(usage, Mapping):
        return Claims(form=usage)
    details = usage.get("prompt_tokens_details")
    cached = (
        details.get("cached_tokens") if isinstance(details, Mapping) else None,
        usage.get("prompt_cache_hit_tokens"),
        usage.get("cache_read_input_tokens"),
    )
    return Claims(
        prompt=usage.get("prompt_tokens"),
        completion=usage.get("completion_tokens"),
        cached=next(filter(None, cached), None),
    )


def read_usage(claims: Claims, call: Call, replied: Sequence[Any]) -> Usage:
    """What of the claims can be so.

    Args:
        claims: As sent.
        call: What was asked.
        replied: The choices as sent; looked at only where ``max_tokens`` does not explain the count.
    """
    doubts: list[str] = []
    if claims.form is not None:
        doubts.append(f"usage is {_quoted(claims.form)}")
    longest = _ADDED_TO_PROMPT  # That every prompt allows: the texts are gone through only for another count.
    if claims.prompt is not None and not (type(claims.prompt) is int and 0 <= claims.prompt <= longest):
        longest = _longest_prompt(call.messages, call.shape)
    prompt = _count("prompt_tokens", claims.prompt, longest, doubts)
    most = _longest_answers(call)
    if _is_number(claims.completion) and claims.completion > most:
        most = max(most, _bytes_in(replied))
    completion = _count("completion_tokens", claims.completion, most, doubts)
    cached = _count("cached tokens", claims.cached, prompt, doubts)
    if doubts:
        return Usage(doubt="; ".join(doubts))
    return Usage(prompt_tokens=prompt, completion_tokens=completion, cached_tokens=cached)


def embedding_tokens(claimed: Any, texts: Iterable[str]) -> int:
    """Tokens of embedded texts; 0, which stands for unknown, where the claim cannot be so."""
    return _count("prompt_tokens", claimed, sum(map(_bytes_in, texts)) + _ADDED_TO_PROMPT, [])


def _count(name: str, claimed: Any, most: int, doubts: list[str]) -> int:
    """A count, or 0 where none was sent or it cannot be so, which is then among the doubts."""
    if claimed is None:
        return 0
    most = min(most, MOST_TOKENS)
    if _is_number(claimed) and 0 <= claimed <= most and claimed == math.floor(claimed):
        return int(claimed)
    doubts.append(f"{name} is {_quoted(claimed)}, and can be 0 to {most:,}")
    return 0


def _is_number(claimed: Any) -> bool:
    return isinstance(claimed, (int, float)) and not isinstance(claimed, bool)


def _longest_prompt(messages: Sequence[Mapping[str, Any]], shape: Mapping[str, Any]) -> int:
    """A token is at least one byte, whatever the tokenizer."""
    return _bytes_in(messages) + _bytes_in(shape) + _ADDED_TO_PROMPT


def _longest_answers(call: Call) -> int:
    """What the call, or else the model, allows for all answers together."""
    price = call.endpoint.price
    longest = most_tokens(call.shape) or (price.longest if price is not None else None)
    return MOST_TOKENS if longest is None else (longest + _ADDED_TO_ANSWER) * max(1, call.n)


def _bytes_in(value: Any) -> int:
    """Bytes of all the text in plain data, names included, without following it where it nests deeply."""
    total, left = 0, [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            total += len(one.encode("utf-8", "surrogatepass"))
        elif isinstance(one, Mapping):
            left += one.keys()
            left += one.values()
        elif isinstance(one, (list, tuple)):
            left += one
    return total


def _quoted(claimed: Any) -> str:
    """A claim as a few characters; a whole number of 5,000 digits has no text at all in Python."""
    if isinstance(claimed, int) and not isinstance(claimed, bool) and abs(claimed) >= 10**_QUOTED:
        return "a number of more than 40 digits"
    text = repr(claimed) if isinstance(claimed, (str, int, float, bool)) else f"a {type(claimed).__name__}"
    text = redactor.known(text[:_READ])  # Before it is cut: half a secret is none that the redactor knows.
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"
