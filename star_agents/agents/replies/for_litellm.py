"""A reply's body as LiteLLM gets to read it, and a copy of it as it was sent: no field beside an answer may cost it.

LiteLLM parses what stands beside an answer into types of its own, and raises where a provider wrote "many" or 1e30 for
a count, 5 for an id, or no role; the answer, which is paid for, would be lost. So counts that cannot be are 0 in what
it reads, and ``usage.read_usage`` judges them as they were sent. Where it raises all the same over a reply in OpenAI's
form, ``transports.litellm`` reads the copy as the direct way does.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from star_agents.agents.replies.usage import Claims, openai_claims
from star_agents.limits.numbers import MOST_TOKENS

_OBJECTS = ("usage", "usageMetadata", "meta")
"""Objects that hold counts: of OpenAI and most others, of Gemini, of Cohere."""
_NUMBERS = ("prompt_eval_count", "eval_count")
"""Counts that stand in the reply itself: Ollama's."""
_COUNT_NAMES = ("token", "count", "units")
"""What counts have in their names. Beside them stand prices, seconds and words."""
_GROUPS = ("tokens", "billed_units")
"""Names of objects that hold counts, though they sound like one: Cohere's."""
_WITH_COUNTS = frozenset({"content", "output", "message"})
"""Where Anthropic, Bedrock and Cohere put an answer, beside which LiteLLM wants ``usage``."""
_DEEPEST = 6
_ZEROS: Mapping[str, int] = dict.fromkeys(("input_tokens", "output_tokens", "inputTokens", "outputTokens"), 0)
"""Counts by the names of Anthropic and Cohere, and of Bedrock, each of which LiteLLM insists on."""


@dataclass(slots=True)
class Heard:
    """What the last reply within a call was, as it was sent."""

    body: bytes = b""
    """Unpacked; empty where it was an error, or is in a form that only LiteLLM reads."""
    claims: Claims | None = None
    """Its counts, where one of them cannot be; LiteLLM was given 0 for that."""


_heard: ContextVar[Heard | None] = ContextVar("heard", default=None)


@contextlib.contextmanager
def hearing() -> Iterator[Heard]:
    """Keep what is received within, in whichever task or thread."""
    heard = Heard()
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)


def forget() -> None:
    """A further request is sent: what came before was not the reply."""
    if (heard := _heard.get()) is not None:
        heard.body, heard.claims = b"", None


def note(read: Mapping[str, Any], body: bytes) -> dict[str, Any] | None:
    """Keep a good reply for whoever hears, and return what LiteLLM is to read instead; ``None`` where that is the same.

    Args:
        read: The reply.
        body: The same as it was sent.
    """
    mender, is_openai = _Mender(), "choices" in read
    mended = {name: mender.mended_object(read[name], is_openai) for name in _OBJECTS if read.get(name) is not None}
    mended |= {name: mender.mended(name, read[name]) for name in _NUMBERS if name in read}
    left_out = {} if is_openai else _left_out(read, mended)
    if (heard := _heard.get()) is not None:
        heard.body = body if is_openai else b""
        if mender.wrong:
            heard.claims = openai_claims(read.get("usage")) if is_openai else Claims(form=mender.wrong[0])
        elif left_out:
            heard.claims = Claims()
    return {**read, **mended, **left_out} if mender.wrong or left_out else None


def _left_out(read: Mapping[str, Any], mended: Mapping[str, Any]) -> dict[str, Any]:
    """Zeros where a form has counts and the reply has none; Ollama's may be missing, but not null."""
    if "done" in read:
        return {name: 0 for name in _NUMBERS if name in read and read[name] is None}
    place = "usageMetadata" if "candidates" in read else "usage" if read.keys() & _WITH_COUNTS else ""
    if not place or mended.get(place):
        return {}
    return {place: dict(_ZEROS)}


@dataclass
class _Mender:
    wrong: list[Any] = field(default_factory=list)
    """What could not be counts, as it was sent."""

    def mended_object(self, value: Any, is_openai: bool) -> Any:
        """One of ``_OBJECTS``; zeros, where it is no object at all."""
        if isinstance(value, Mapping):
            return self.mended("", value)
        self.wrong.append(value)
        if is_openai:
            return {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        return dict(_ZEROS)

    def mended(self, name: str, value: Any, depth: int = 0) -> Any:
        """A value below, of that name."""
        is_count = any(part in name for part in _COUNT_NAMES)
        is_group = not is_count or "details" in name or name in _GROUPS
        if is_group and depth < _DEEPEST and isinstance(value, Mapping):
            return {key: self.mended(str(key).lower(), one, depth + 1) for key, one in value.items()}
        if is_group and depth < _DEEPEST and isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
            return [self.mended(name, one, depth + 1) for one in value]
        if value is None or not is_count or _can_be_a_count(value):
            return value
        self.wrong.append(value)
        return None if "details" in name else 0


def _can_be_a_count(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and 0 <= value <= MOST_TOKENS and value == math.floor(value)
