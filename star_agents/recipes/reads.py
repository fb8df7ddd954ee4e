"""How a reply is read where it is asked for: as text, JSON by a schema, a rating, a choice. Pure.

A reader says what is wrong with a reply in words that the model can mend it by: it is asked once more with them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

from star_agents.limits.json_structure import JsonBounds, measure
from star_agents.records import Message, Reply, Tool
from star_agents.records.replies import total_usd
from star_agents.records.tool_text import as_text

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
_BOUNDS = JsonBounds(depth=50, containers=20_000, keys=20_000, elements=50_000)
_STARTS_TRIED = 100
"""Braces of a reply at which an object is looked for."""
_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)\n\s*```", re.DOTALL)


class Unreadable(ValueError):
    """What is wrong with a reply, in words that whoever wrote it can mend it by."""


class Reads(Protocol[T_co]):
    """A way to read a reply."""

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """JSON schema that the reply can be bound to, where the provider does that; ``None`` for text."""
        ...

    @property
    def request(self) -> str:
        """What is said to the model beside its prompt where the schema is sent; empty without one."""
        ...

    def read(self, text: str) -> T_co:
        """The value of a reply. Raises ``Unreadable``."""
        ...


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """A reply as it was read."""

    value: T
    reply: Reply
    earlier: tuple[Reply, ...] = ()
    """Replies to the same question before it, which called tools, or could not be read."""
    trace: tuple[Message, ...] = ()
    """The calls of tools that led to it with their results, mistakes and what was said of them included."""
    tool_turns: tuple[Message, ...] = ()
    """The same without the mistakes: a dialogue that may be taught, as ``tool_turns`` of a sample."""
    tools: tuple[Tool, ...] = ()
    """What was offered."""

    @property
    def cost_usd(self) -> float | None:
        """Of all of them; ``None`` where nobody knows the price of one."""
        return total_usd(one.cost_usd for one in (*self.earlier, self.reply))

    @property
    def text(self) -> str:
        """The reply itself."""
        return self.reply.text

    @property
    def trace_text(self) -> str:
        """What was called and what it gave, to be read: for the notes of a trial, under ``trace``."""
        return "\n\n".join(turn.content for turn in as_text(self.trace))


@dataclass(frozen=True, slots=True)
class Text:
    """The whole reply, without blanks at its ends."""

    schema: None = None
    request: str = ""

    def read(self, text: str) -> str:
        """The text. Raises ``Unreadable`` where there is none."""
        if not text.strip():
            raise Unreadable("the reply is empty")
        return text.strip()


@dataclass(frozen=True, slots=True)
class Json:
    """One JSON object by a schema, every property of which is required, wherever in the reply it stands."""

    schema: Mapping[str, Any]

    def __post_init__(self) -> None:
        if problem := _unknown_type(self.schema):
            raise ValueError(f"the schema has type {problem!r}; there are: {', '.join(_TYPES)}, one for each value")

    @property
    def request(self) -> str:
        """What is said beside the prompt."""
        return "Reply with one JSON object and nothing else."

    def read(self, text: str) -> dict[str, Any]:
        """The object. Raises ``Unreadable``."""
        value = _first_object(text)
        if problem := _mismatch(value, self.schema, "the object"):
            raise Unreadable(problem)
        return value


@dataclass(frozen=True, slots=True)
class Rating:
    """A number between two ends, such as 1 and 10; the first ``[[n]]`` of the reply, else the only number in it."""

    low: float = 1.0
    high: float = 10.0
    schema: None = None
    request: str = ""

    def read(self, text: str) -> float:
        """The number. Raises ``Unreadable``."""
        marked = re.search(r"\[\[\s*(-?\d+(?:\.\d+)?)\s*\]\]", text)
        numbers = [marked.group(1)] if marked else re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\w)", text)
        if len(numbers) != 1:
            raise Unreadable("the reply does not say one number; end it with the rating in double brackets: [[7]]")
        value = float(numbers[0])
        if not (math.isfinite(value) and self.low <= value <= self.high):
            raise Unreadable(f"the rating {numbers[0]} is not between {self.low:g} and {self.high:g}")
        return value


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words. The last line that holds exactly one of them decides, else the whole reply."""

    words: Sequence[str]
    schema: None = None
    request: str = ""

    def read(self, text: str) -> str:
        """The word, as it is spelt here. Raises ``Unreadable``."""
        for part in (*reversed(text.splitlines()), text):
            found = [word for word in self.words if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", part, re.IGNORECASE)]
            if len(found) == 1:
                return found[0]
        raise Unreadable(f"the reply does not say one of: {', '.join(self.words)}")


TEXT: Reads[str] = Text()


def _first_object(text: str) -> dict[str, Any]:
    """The first JSON object of a text: in a fence, or after whatever is said before it."""
    try:
        measure(text.encode("utf-8", "replace"), _BOUNDS)
    except ValueError as error:
        raise Unreadable(str(error)) from None
    places = [found.group(1) for found in _FENCED.finditer(text)] + [text]
    decoder = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)
    for place in places:
        for found in islice(re.finditer(r"\{", place), _STARTS_TRIED):
            try:
                value, _ = decoder.raw_decode(place, found.start())
            except ValueError:
                continue
            if isinstance(value, dict):
                return value
    raise Unreadable("the reply holds no JSON object")


def _finite(number: str) -> float:
    """A number of a reply; ``1e999``, ``NaN`` and their kin are none. Raises ValueError."""
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is no number")
    return value


_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "array": list,
    "object": dict,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}


def _unknown_type(schema: Mapping[str, Any]) -> object:
    """The first type of a schema that nothing is checked by; ``None`` if there is none."""
    kind = schema.get("type", "object")
    inner = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
    found = [kind] if not isinstance(kind, str) or kind not in _TYPES else [_unknown_type(one) for one in inner]
    return next((one for one in found if one is not None), None)


def _mismatch(value: object, schema: Mapping[str, Any], what: str) -> str:
    """What keeps a value from a schema (its type, enum, properties, items, minItems); empty if nothing does."""
    kind = schema.get("type")
    if isinstance(kind, str) and (
        not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind in ("integer", "number"))
    ):
        return f"{what} is no {kind}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{what} is none of {', '.join(map(str, schema['enum']))}"
    if isinstance(value, dict):
        properties: Mapping[str, Any] = schema.get("properties", {})
        if missing := [name for name in properties if name not in value]:
            return f"{what} has no {missing[0]!r}"
        problems = (_mismatch(value[name], inner, repr(name)) for name, inner in properties.items())
        return next(filter(None, problems), "")
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            return f"{what} has fewer than {schema['minItems']} items"
        inner = schema.get("items", {})
        problems = (_mismatch(one, inner, f"item {number} of {what}") for number, one in enumerate(value, start=1))
        return next(filter(None, problems), "")
    return ""
