"""Objects of a reply that carry a code which only the prompt had, so that nothing a reply quotes is taken for them."""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

CODE = "code"
"""The key that the code stands under."""
Pairs = list[tuple[str, Any]]
"""An object with its keys as they are written, so that one that is given twice is seen."""
_NEAREST = 8
"""Braces tried before a mention of the code, whatever follows them."""
_NEAREST_KEYED = 32
"""Likewise of those that one of our keys follows: an object may quote any number of braces before its code."""
_STRING = r"""(?:"(?:[^"\\]|\\.)*"|“[^“”]*”|'[^'\n]*'|‘[^‘’]*’|\w+)"""
_PAIR = re.compile(rf"\s*({_STRING})\s*:\s*({_STRING})\s*(,|(?=\}}))")


def coded_objects(text: str, code: str, keys: Sequence[str]) -> Iterator[Pairs]:
    """Every object of a text that carries the code.

    Only braces before a mention of the code are tried, and not too many: a reply that is nothing but braces costs no
    time.

    Args:
        text: A reply.
        code: What stands under ``code`` in the object.
        keys: What an object may begin with.
    """
    keyed_brace = re.compile(rf"""\{{\s*["'“”‘’]?(?:{"|".join(map(re.escape, keys))})\b""", re.IGNORECASE)
    every = [brace.start() for brace in re.finditer(r"\{", text)]
    keyed = [brace.start() for brace in keyed_brace.finditer(text)]
    starts: set[int] = set()
    mention = text.find(code)  # Each code is met once: a pattern of it would be compiled for nothing.
    while mention >= 0:
        for braces, most in ((every, _NEAREST), (keyed, _NEAREST_KEYED)):
            before = bisect.bisect(braces, mention)
            starts.update(braces[max(0, before - most) : before])
        mention = text.find(code, mention + max(1, len(code)))
    for start in sorted(starts):
        found = object_at(text, start)
        if found is not None and (CODE, code) in found[0]:
            yield found[0]


def object_at(text: str, start: int) -> tuple[Pairs, int] | None:
    """The object that begins here and where it ends: as JSON, or else flat and as people write it."""
    try:
        pairs, end = json.JSONDecoder(object_pairs_hook=list, strict=False).raw_decode(text, start)
        return pairs, end
    except (ValueError, RecursionError):
        return _written_by_hand(text, start)


def _written_by_hand(text: str, start: int) -> tuple[Pairs, int] | None:
    """A flat object with single, smart or no quotes, or a comma after the last pair; ``None`` where it is not one."""
    pairs: Pairs = []
    at = start + 1
    while (pair := _PAIR.match(text, at)) is not None:
        pairs.append((_unquoted(pair[1]), _unquoted(pair[2])))
        at = pair.end()
    end = re.compile(r"\s*\}").match(text, at)
    return (pairs, end.end()) if pairs and end else None


def _unquoted(text: str) -> str:
    return text if text[0].isalnum() or text[0] == "_" else text[1:-1]
