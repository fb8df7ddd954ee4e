"""Schemas of one pattern: alike but for the texts among which a value is to be chosen. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_MARK = "mark-of-a-text-"
_MARKED = re.compile(rf"{_MARK}(\d+)-")


def marked(schema: Any, texts: list[str]) -> Any:
    """The schema with a mark in the place of each text of an ``enum``; the texts are added to the list, in order."""
    if isinstance(schema, Mapping):
        return {
            name: _chosen(value, texts) if name == "enum" else marked(value, texts) for name, value in schema.items()
        }
    if isinstance(schema, list):
        return [marked(one, texts) for one in schema]
    return schema


def keeps_marks(value: Any, count: int) -> bool:
    """Whether plain data holds each of so many marks once, as a text of its own, and nothing else of them."""
    found = [text for text in _texts(value) if _MARK in text]
    return sorted(found) == sorted(_mark(number) for number in range(count))


def filled(value: Any, texts: Sequence[str]) -> Any:
    """Plain data with the texts in the place of their marks."""
    if isinstance(value, str):
        mark = _MARKED.fullmatch(value)
        return texts[int(mark[1])] if mark else value
    if isinstance(value, Mapping):
        return {name: filled(one, texts) for name, one in value.items()}
    if isinstance(value, list):
        return [filled(one, texts) for one in value]
    return value


def _chosen(values: Any, texts: list[str]) -> Any:
    if not isinstance(values, list) or not all(isinstance(one, str) and _MARK not in one for one in values):
        return values
    texts += values
    return [_mark(len(texts) - len(values) + number) for number in range(len(values))]


def _mark(number: int) -> str:
    return f"{_MARK}{number}-"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield str(name)
            yield from _texts(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _texts(one)
