"""Reads a referee's reply, so that what a candidate wrote can never be taken for the verdict (design §4, Eq. 6).

A reply that holds no verdict, or two that differ, is unreadable: ``None``. Nothing here guesses. There are two ways:

- The object that carries the code, which no candidate can know: from JSON, strict or as people write it.
- Words without the code, such as "The better answer is B.": only where neither question nor answer holds anything that
  could be read so, where they are the reply's first or last sentence, and where nothing in the reply says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from star_agents.agents.judging.verdict_words import claimed_sides, plain_text, stated_side
from star_agents.agents.replies.thoughts import split_thoughts
from star_agents.text.coded_objects import Pairs, coded_objects, object_at

Side = Literal["A", "B", "tie"]

_SIDES: dict[str, Side] = {"a": "A", "b": "B", "tie": "tie"}
_PAPER_SIDES: dict[str, Side] = {"A": "A", "B": "B", "C": "tie"}
_LONGEST_SHOWN = 100_000
"""Characters of a shown text that are searched for verdicts: a tenth of a second."""
_KEYS = ("code", "verdict", "reason")
_FENCE = re.compile(r"```[a-z]*\n?(.*?)\n?```", re.DOTALL | re.IGNORECASE)
_VALUE = re.compile(r"[\W_]*(?:(?:answer|assistant|response|option)[\W_]+)?(a|b|tie)[\W_]*", re.IGNORECASE)
_PAPER_LINE = re.compile(
    r"""[*_#>\s]*
        (?:\[?final\ verdict\]?[*_\s]*:[*_\s]*)?  # the words that the prompt ends with
        ["“'‘`]?
        (?:\[\[(?P<double>[ABC])\]\]|\[(?P<single>[ABC])\])
        ["”'’`]?
        [*_\s.]*""",
    re.VERBOSE | re.IGNORECASE,
)


def read_verdict(text: str, nonce: str, shown: Sequence[str] = (), *, is_whole: bool = True) -> Side | None:
    """Read the reply to our own prompt.

    Code fences, prose around the object, smart or single quotes, a trailing comma and the case of the verdict do not
    matter. Every object with the code has to say the same, and a verdict besides A, B and tie is none. A referee that
    leaves the code out is read where that is safe.

    Args:
        text: The reply; thoughts in it, as journals of older releases hold them, are cut off.
        nonce: The code that was asked for.
        shown: Every text that the referee was shown: none of it may be taken for its word.
        is_whole: False where the reply was cut: then words without the code may not be all that it had to say.
    """
    text = split_thoughts(text).answer
    coded = list(coded_objects(text, nonce, _KEYS))
    if coded:
        found = {_side(pairs) for pairs in coded}
        return found.pop() if len(found) == 1 else None
    if not is_whole or _could_be_quoted(shown):
        return None
    return _bare_object(text) or _in_words(text, {"A": "A", "B": "B"})


def read_paper_verdict(text: str, shown: Sequence[str] = ()) -> Side | None:
    """Read the reply to the paper's prompt: its last line, where that is one verdict and nothing else; else its words.

    ``[A]`` as the paper asks, ``[[A]]`` as in FastChat, ``“[A]”``, in bold or after "Final Verdict:"; ``[C]`` is a tie.
    This prompt has no code, so a reply that ends in a quotation of a candidate can be misread in one order; the other
    order then says the opposite, and the two together are a tie. Words are read as ``read_verdict`` reads them.
    """
    text = split_thoughts(text).answer
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    match = _PAPER_LINE.fullmatch(lines[-1]) if lines else None
    if match:
        return _PAPER_SIDES[(match["double"] or match["single"]).upper()]
    return None if _could_be_quoted(shown) else _in_words(text, _PAPER_SIDES)


def _could_be_quoted(shown: Sequence[str]) -> bool:
    """Whether a verdict in words may be a quotation: something shown says one, or is too long to look."""
    return any(len(one) > _LONGEST_SHOWN or claimed_sides(one) for one in shown)


def _in_words(text: str, sides: dict[str, Side]) -> Side | None:
    """A verdict that the reply begins or ends with and nowhere contradicts."""
    said = stated_side(text)
    if said is None or claimed_sides(text) - {said}:
        return None
    return "tie" if said == "tie" else sides.get(said)


def _bare_object(text: str) -> Side | None:
    """A reply that is one object with a verdict and no code, and nothing else."""
    fenced = _FENCE.fullmatch(text.strip())
    whole = (fenced[1] if fenced else text).strip()
    if not (whole.startswith("{") and whole.endswith("}")):
        return None
    found = object_at(whole, 0)
    if found is None or found[1] != len(whole) or any(key == "code" for key, _ in found[0]):
        return None
    return _side([("code", ""), *found[0]])


def _side(pairs: Pairs) -> Side | None:
    """The verdict of one object; a second ``code`` or ``verdict`` makes it worthless."""
    verdicts = [value for key, value in pairs if key == "verdict"]
    codes = [value for key, value in pairs if key == "code"]
    if len(verdicts) != 1 or len(codes) != 1 or not isinstance(verdicts[0], str):
        return None
    said = _VALUE.fullmatch(plain_text(verdicts[0]))
    return _SIDES[said[1].casefold()] if said else None
