"""Whether a text shows anything to whoever reads it: the same for what agents reply and for what seeds hold."""

from __future__ import annotations

import unicodedata

_BLANKS = frozenset("\u2800\u3164\u115f\u1160\uffa0")
"""Letters and symbols, as Unicode counts them, that show nothing: the blank of Braille, Hangul's fillers."""


def is_visible(text: str) -> bool:
    """Whether a text shows anything: not only blanks, zero-width and other format characters, and marks on nothing."""
    return any(_shows(character) for character in text)


def _shows(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNPS" and character not in _BLANKS
