"""How much structure a JSON text may have: its bytes say what it weighs, not what it costs to read.

15 MB of ``{}`` take fourteen seconds and a gigabyte once they are objects; 15 MB of prose take nothing. So what comes
from elsewhere is measured, piece by piece as it arrives, before anybody parses it. Strings are skipped, whatever they
hold, and a text that is no JSON is measured like any other: what is wrong with it is the parser's to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_BRACKETS = 8192
"""Looked at in one step, which other threads have to wait for."""

SMALL_BYTES = 64 << 10
"""A text up to here is parsed at once: whatever it holds takes a few milliseconds."""


class TooMuchJson(ValueError):
    """A text with more structure than there may be; the message says of what."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JsonBounds:
    """How much of each there may be in one text."""

    depth: int
    """Lists and objects within each other."""
    containers: int
    """Lists and objects."""
    keys: int
    """Of all objects together."""
    elements: int
    """Elements of lists and members of objects, counted by the commas between them."""


class JsonMeter:
    """Measures one text.

    Args:
        bounds: What it may have.
    """

    def __init__(self, bounds: JsonBounds) -> None:
        self._bounds = bounds
        self._depth = self._containers = self._keys = self._commas = 0
        self._in_string = False
        self._begun = b""
        """A backslash that the last piece ended with, where the character that it escapes is still to come."""

    def feed(self, piece: bytes) -> None:
        """Take the next piece, of any length.

        Raises:
            TooMuchJson: as soon as one of the bounds is passed.
        """
        outside = self._outside_strings(piece)
        self._containers += outside.count(b"[") + outside.count(b"{")
        self._keys += outside.count(b":")
        self._commas += outside.count(b",")
        self._refuse_beyond(self._containers, self._bounds.containers, "lists and objects")
        self._refuse_beyond(self._keys, self._bounds.keys, "keys")
        self._refuse_beyond(self._commas, self._bounds.elements, "elements")
        self._refuse_too_deep(outside)

    def _refuse_too_deep(self, outside: bytes) -> None:
        brackets = outside.translate(None, _NO_BRACKETS)
        for start in range(0, len(brackets), _BRACKETS):
            some = brackets[start : start + _BRACKETS]
            opened = some.count(b"[") + some.count(b"{")
            if self._depth + opened > self._bounds.depth:
                deepest = max(accumulate(map(_STEP.__getitem__, some), initial=self._depth))
                self._refuse_beyond(deepest, self._bounds.depth, "levels of lists and objects within each other")
            self._depth += 2 * opened - len(some)

    def _outside_strings(self, piece: bytes) -> bytes:
        """What stands between strings."""
        if self._begun or b"\\" in piece:
            # Pairs first: in a row of backslashes of odd length it is the last that escapes what follows.
            piece = (self._begun + piece).replace(b"\\\\", b"").replace(b'\\"', b"")
            self._begun = b"\\" if piece.endswith(b"\\") else b""
        parts = piece.split(b'"')
        outside = b"".join(parts[self._in_string :: 2])
        self._in_string ^= len(parts) % 2 == 0
        return outside

    @staticmethod
    def _refuse_beyond(count: int, most: int, what: str) -> None:
        if count > most:
            raise TooMuchJson(f"the JSON has more than {most:,} {what}")


def measure(text: bytes, bounds: JsonBounds) -> None:
    """Measure a text that lies there whole, in steps between which other threads may run.

    Raises:
        TooMuchJson: one of the bounds is passed.
    """
    opened = text.count(b"[") + text.count(b"{")
    if opened <= min(bounds.depth, bounds.containers) and len(text) <= min(bounds.keys, bounds.elements):
        return  # Strings included there is less than may be: most replies, and nothing of them needs to be taken apart.
    meter = JsonMeter(bounds)
    for start in range(0, len(text), SMALL_BYTES):
        meter.feed(text[start : start + SMALL_BYTES])
