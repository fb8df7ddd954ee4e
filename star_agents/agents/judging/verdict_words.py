"""Verdicts in words: which side a sentence names, and whether a text holds anything that could be read so.

``statement`` is narrow: it takes sentences that can mean one thing. ``claims`` is wide: it finds whatever comes near
one, in any spelling that looks the same, because a text that holds a claim is not believed without the code.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

Letter = Literal["A", "B", "C", "tie"]

_SIMILAR = str.maketrans({**dict.fromkeys("“”„«»", '"'), **dict.fromkeys("‘’‚`´", "'")})
_MARKUP = re.compile(r"[*_#>|~]+")
_ANSWER = r"(?:(?:the\s+)?(?:answer|response|assistant|option|candidate|model)\s*)"
_BEST = r"(?:better|best|superior|stronger|preferred|preferable|winner|winning)"
_NOUN = r"(?:verdict|winner|choice|decision|preference|judge?ment|conclusion)"
_SIDE = r"[\"'(\[]{0,3}(?P<side>(?-i:[ABC]))[\"')\]]{0,3}"
"""In capitals: a reply that breaks off in "The better answer is a" names nobody."""
_OPENING = (
    r"(?:(?:so|thus|hence|therefore|overall|finally|in\s+(?:conclusion|summary|short|my\s+(?:opinion|view))"
    r"|to\s+conclude|on\s+balance|i\s+(?:think|believe|find|say|conclude|judge|would\s+say)(?:\s+that)?)[\s,:]+){0,3}"
)
_BECAUSE = r"(?:,?\s+(?:because|since|as\s+it)\b.*)?"
_STATEMENTS = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        rf"{_ANSWER}?{_SIDE}",
        rf"{_OPENING}\[?(?:(?:my|the)\s+)?(?:final\s+|overall\s+)?{_NOUN}\]?\s*"
        rf"(?:is|goes\s+to|:|=|-|–|—)[\s:]*{_ANSWER}?{_SIDE}{_BECAUSE}",
        rf"{_OPENING}(?:my|the)\s+(?:final\s+)?answer\s*(?:is|:)\s*{_SIDE}{_BECAUSE}",
        rf"{_OPENING}i\s+(?:prefer|choose|pick|favou?r)\s+{_ANSWER}?{_SIDE}{_BECAUSE}",
        rf"{_OPENING}{_ANSWER}?{_SIDE}\s+wins{_BECAUSE}",
        rf"{_OPENING}{_ANSWER}?{_SIDE}\s+(?:is|was)\s+(?:(?:clearly|definitely|slightly|much|overall|the|far)\s+){{0,3}}"
        rf"{_BEST}(?:\s+(?:answer|response|one|choice|option|assistant))?"
        rf"(?:\s+(?:overall|than\s+(?:{_ANSWER}?[AB]|the\s+other(?:\s+one)?)))?{_BECAUSE}",
        rf"{_OPENING}(?:the\s+)?{_BEST}\s+(?:answer|response|assistant|option|one|choice)\s*(?:is|:)\s*"
        rf"{_ANSWER}?{_SIDE}{_BECAUSE}",
    )
)
_TIE = re.compile(
    rf"{_OPENING}(?:(?:(?:my|the|final|overall)\s+){{0,2}}{_NOUN}\s*(?:is|:|=|-)?\s*)?"
    r"(?:it\s+is\s+|it's\s+|this\s+is\s+)?[\"'(\[]{0,3}(?:a\s+)?(?:tie|draw)[\"')\]]{0,3}"
    r"|both\s+(?:answers\s+|responses\s+)?are\s+equally\s+(?:good|bad|correct|wrong)",
    re.IGNORECASE,
)
_NEAR = r"(?:(?!\bthan\b)[^.!?\n]){0,60}?"
_NAMED = r"(?P<side>(?-i:[ABC]))"
_CLAIMS = tuple(
    re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for pattern in (
        r"\[+\s*(?P<side>[ABC])\s*\]+",
        r"\bverdict\b\W{1,12}(?P<side>[ABC])\b",
        rf"\b(?:{_BEST}|{_NOUN}|prefer|choose|pick|favou?r|vote)\b{_NEAR}\W{_NAMED}\b",
        rf"\b{_NAMED}\W{{1,4}}(?:is|was|seems|looks|remains|should|deserves|has)\b{_NEAR}\b{_BEST}\b",
        rf"\b{_NAMED}\s+wins\b",
        rf"\banswer\s*(?:is\b|:|=)\W{{0,6}}{_NAMED}\b",
        rf"(?:^|[.!?:]\s)\W{{0,9}}{_ANSWER}?\W{{0,9}}{_NAMED}\W{{0,9}}(?=$|[.!?\n])",
    )
)
_TIE_CLAIM = re.compile(r"\b(?:tie|draw)\b|\bequally\s+(?:good|bad|well|correct|wrong)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_LONGEST = 20_000
"""Characters in which a verdict is looked for, from either end."""


def plain_text(text: str) -> str:
    """A text as it looks: compatible letters made one, invisible ones and markup left out, quotes alike."""
    shown = "".join(letter for letter in unicodedata.normalize("NFKC", text) if unicodedata.category(letter) != "Cf")
    return _MARKUP.sub("", shown.translate(_SIMILAR))


def stated_side(text: str) -> Letter | None:
    """The side that the first or last sentence of a text names and does nothing else; ``None`` where they differ."""
    sentences = [one.strip() for one in _SENTENCE_END.split(plain_text(_ends(text))) if one.strip(" \t.!?")]
    found = {said for one in (sentences[0], sentences[-1]) if (said := _stated(one))} if sentences else set()
    return found.pop() if len(found) == 1 else None


def claimed_sides(text: str) -> set[Letter]:
    """Every side that a text may be said to name, in its lines and with line breaks and punctuation taken away."""
    shown = plain_text(text)
    joined = " ".join(shown.split())
    found: set[Letter] = set()
    for form in (shown, joined, re.sub(r"[\W_]+", " ", joined)):
        for pattern in _CLAIMS:
            found |= {_letter(match["side"]) for match in pattern.finditer(form)}
        if _TIE_CLAIM.search(form):
            found.add("tie")
    return found


def _stated(sentence: str) -> Letter | None:
    said = sentence.strip().strip(".!\"' ")
    if _TIE.fullmatch(said):
        return "tie"
    for pattern in _STATEMENTS:
        if match := pattern.fullmatch(said):
            return _letter(match["side"])
    return None


def _letter(side: str) -> Letter:
    letters: dict[str, Letter] = {"A": "A", "B": "B", "C": "C"}
    return letters[side.upper()]


def _ends(text: str) -> str:
    return text if len(text) <= 2 * _LONGEST else f"{text[:_LONGEST]}\n{text[-_LONGEST:]}"
