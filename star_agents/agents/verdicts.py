"""Reads a referee's reply, so that what a candidate wrote can never be taken for the verdict (design §4, Eq. 6).

A reply that holds no verdict, or two that differ, is unreadable: ``None``. Nothing here guesses.
"""

from __future__ import annotations

import bisect
import json
import re
from typing import Any, Literal

Side = Literal["A", "B", "tie"]

_NEAREST = 8
"""Braces tried before a mention of the code: the object's own, and some inside it."""
_SIDES: dict[str, Side] = {"a": "A", "b": "B", "tie": "tie"}
_PAPER_SIDES: dict[str, Side] = {"A": "A", "B": "B", "C": "tie"}
_PAPER_LINE = re.compile(
    r"""[*_#>\s]*
        (?:\[?final\ verdict\]?[*_\s]*:[*_\s]*)?  # the words that the prompt ends with
        ["“'‘`]?
        (?:\[\[(?P<double>[ABC])\]\]|\[(?P<single>[ABC])\])
        ["”'’`]?
        [*_\s.]*""",
    re.VERBOSE | re.IGNORECASE,
)


def read_verdict(text: str, nonce: str) -> Side | None:
    """Read the reply to our own prompt: the JSON object that carries the code ``nonce``, which no candidate can know.

    Code fences, prose around the object and the case of the verdict do not matter. Every object with the code has to
    say the same, and a verdict besides A, B and tie is none.
    """
    found = {_side(pairs) for pairs in _objects(text, nonce) if ("code", nonce) in pairs}
    return found.pop() if len(found) == 1 else None


def read_paper_verdict(text: str) -> Side | None:
    """Read the reply to the paper's prompt: its last line, which has to be one verdict and nothing else.

    ``[A]`` as the paper asks, ``[[A]]`` as in FastChat, ``“[A]”``, in bold or after "Final Verdict:"; ``[C]`` is a tie.
    This prompt has no code, so a reply that ends in a quotation of a candidate can be misread in one order; the other
    order then says the opposite, and the two together are a tie.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    match = _PAPER_LINE.fullmatch(lines[-1]) if lines else None
    return _PAPER_SIDES[(match["double"] or match["single"]).upper()] if match else None


def _objects(text: str, nonce: str) -> list[list[tuple[str, Any]]]:
    """Every JSON object that may carry the code, as pairs, so that a key given twice is seen.

    Only the braces just before a mention of the code are tried: a reply that is nothing but braces costs no time.
    """
    braces = [brace.start() for brace in re.finditer(r"\{", text)]
    starts: set[int] = set()
    for mention in re.finditer(re.escape(nonce), text):
        before = bisect.bisect(braces, mention.start())
        starts.update(braces[max(0, before - _NEAREST) : before])
    decoder = json.JSONDecoder(object_pairs_hook=list)
    found: list[list[tuple[str, Any]]] = []
    for start in sorted(starts):
        try:
            found.append(decoder.raw_decode(text, start)[0])
        except (ValueError, RecursionError):
            continue
    return found


def _side(pairs: list[tuple[str, Any]]) -> Side | None:
    """The verdict of one object; a second ``code`` or ``verdict`` makes it worthless."""
    verdicts = [value for key, value in pairs if key == "verdict"]
    codes = [value for key, value in pairs if key == "code"]
    if len(verdicts) != 1 or len(codes) != 1 or not isinstance(verdicts[0], str):
        return None
    return _SIDES.get(verdicts[0].strip().casefold())
