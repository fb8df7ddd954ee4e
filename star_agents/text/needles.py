"""Many short texts, each looked for in another one: a process may know thousands of forms of hundreds of keys."""

from __future__ import annotations

from collections.abc import Iterable

_HEAD = 6
"""Characters that needles are told apart by at first. Keys of one provider begin alike: one look is for many."""
_MANY = 200
"""Heads from which on it is cheaper to cut the text into pieces than to look for each: on 600 characters."""


class Needles:
    """Texts to look for. Immutable.

    Args:
        needles: None of them empty.
    """

    def __init__(self, needles: Iterable[str] = ()) -> None:
        self._by_head: dict[str, list[str]] = {}
        self._short: list[str] = []
        """Those shorter than a head."""
        for needle in sorted(set(needles)):
            if len(needle) < _HEAD:
                self._short.append(needle)
            else:
                self._by_head.setdefault(needle[:_HEAD], []).append(needle)

    def found_in(self, text: str) -> list[str]:
        """Those that stand in the text."""
        by_head = self._by_head
        if len(by_head) < _MANY:
            heads = [head for head in by_head if head in text]
        else:
            heads = [*by_head.keys() & {text[at : at + _HEAD] for at in range(len(text) - _HEAD + 1)}]
        found = [needle for needle in self._short if needle in text]
        for head in heads:
            found += [needle for needle in by_head[head] if needle in text]
        return found
