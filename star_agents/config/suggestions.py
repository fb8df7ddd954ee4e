"""The word that somebody meant who wrote another."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

_NAMES_COMPARED = 200
"""Of more names than that, none is looked for that was meant."""


def did_you_mean(word: str, known: Sequence[str], elsewhere: Mapping[str, str] = MappingProxyType({})) -> str:
    """The word that was meant; ``elsewhere``: other words, and what to write for them."""
    words = (*known, *elsewhere)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6) if len(known) <= _NAMES_COMPARED else []
    if close:
        return f"did you mean `{elsewhere.get(close[0], close[0])}`?"
    return f"known here: {', '.join(known)}" if known else ""
