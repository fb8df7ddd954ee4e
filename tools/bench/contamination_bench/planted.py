"""An item as it may come into a dataset: as it stands, typed anew, edited, among other text."""

from __future__ import annotations

import random
import re

FILLERS = ("clearly", "really", "simply", "kindly", "please", "now", "then", "also", "carefully", "quickly")
GREETING, THANKS = "Hello! Could you help me with this?", "Thanks in advance."


def typed_anew(text: str, chance: random.Random) -> str:
    """In capitals or without, with half of the punctuation or all, in one line, between a greeting and thanks."""
    cased = chance.choice((str.upper, str.lower, str))(text)
    marks = re.sub(r"[,.;:!?](?=\s|$)", lambda mark: chance.choice((mark[0], "")), cased)
    return f"{GREETING} {' '.join(marks.split())} {THANKS}"


def edited(text: str, chance: random.Random, *, every: int) -> str:
    """One word in so many, at least one, is left out, replaced by a filler, followed by one, or misspelt."""
    pieces = re.split(r"(\s+)", text)
    places = [place for place in range(0, len(pieces), 2) if pieces[place]]
    for place in chance.sample(places, max(1, len(places) // every)):
        pieces[place] = _changed(pieces[place], chance)
    return "".join(pieces)


def _changed(word: str, chance: random.Random) -> str:
    match chance.randrange(4):
        case 0:
            return ""
        case 1:
            return chance.choice(FILLERS)
        case 2 if len(word) > 2:
            at = chance.randrange(len(word) - 1)
            return f"{word[:at]}{word[at + 1]}{word[at]}{word[at + 2 :]}"
        case _:
            return f"{word} {chance.choice(FILLERS)}"


def among(text: str, others: list[str], chance: random.Random, words: int) -> str:
    """In the middle of so many words of other texts."""
    around: list[str] = []
    while len(around) < words:
        around += chance.choice(others).split()
    return " ".join([*around[: words // 2], text, *around[words // 2 : words]])
