"""Reads a referee's reply, so that what a candidate wrote can never be taken for the verdict (design §4, Eq. 6).

A reply that holds no verdict, or two that differ, is unreadable: ``None``. Nothing here guesses. There are two ways:

- The object that carries the code, which no candidate can know: from JSON, strict or as people write it.
- Words without the code, such as "The better answer is B.": only where neither question nor answer holds anything that
  could be read so, where they are the reply's first or last sentence, and where nothing in the reply says otherwise.
"""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from star_agents.agents.judging.verdict_words import claims, plain, statement
from star_agents.agents.replies.thoughts import part

Side = Literal["A", "B", "tie"]
Pairs = list[tuple[str, Any]]

_NEAREST = 8
"""Braces tried before a mention of the code, whatever follows them."""
_NEAREST_KEYED = 32
"""Likewise of those that one of our keys follows: an object may quote any number of braces before its code."""
_SIDES: dict[str, Side] = {"a": "A", "b": "B", "tie": "tie"}
_PAPER_SIDES: dict[str, Side] = {"A": "A", "B": "B", "C": "tie"}
_LONGEST_SHOWN = 100_000
"""Characters of a shown text that are searched for verdicts: a tenth of a second."""
_KEYED = re.compile(r"""\{\s*["'“”‘’]?(?:code|verdict|reason)\b""", re.IGNORECASE)
_FENCE = re.compile(r"```[a-z]*\n?(.*?)\n?```", re.DOTALL | re.IGNORECASE)
_STRING = r"""(?:"(?:[^"\\]|\\.)*"|“[^“”]*”|'[^'\n]*'|‘[^‘’]*’|\w+)"""
_PAIR = re.compile(rf"\s*({_STRING})\s*:\s*({_STRING})\s*(,|(?=\}}))")
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
        text: The reply; thoughts in it, as journals of before hold them, are cut off.
        nonce: The code that was asked for.
        shown: Every text that the referee was shown: none of it may be taken for its word.
        is_whole: False where the reply was cut: then words without the code may not be all that it had to say.
    """
    text = part(text).answer
    coded = [pairs for pairs in _objects(text, nonce) if ("code", nonce) in pairs]
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
    text = part(text).answer
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    match = _PAPER_LINE.fullmatch(lines[-1]) if lines else None
    if match:
        return _PAPER_SIDES[(match["double"] or match["single"]).upper()]
    return None if _could_be_quoted(shown) else _in_words(text, _PAPER_SIDES)


def _could_be_quoted(shown: Sequence[str]) -> bool:
    """Whether a verdict in words may be a quotation: something shown says one, or is too long to look."""
    return any(len(one) > _LONGEST_SHOWN or claims(one) for one in shown)


def _in_words(text: str, sides: dict[str, Side]) -> Side | None:
    """A verdict that the reply begins or ends with and nowhere contradicts."""
    said = statement(text)
    if said is None or claims(text) - {said}:
        return None
    return "tie" if said == "tie" else sides.get(said)


def _bare_object(text: str) -> Side | None:
    """A reply that is one object with a verdict and no code, and nothing else."""
    fenced = _FENCE.fullmatch(text.strip())
    whole = (fenced[1] if fenced else text).strip()
    if not (whole.startswith("{") and whole.endswith("}")):
        return None
    found = _object_at(whole, 0)
    if found is None or found[1] != len(whole) or any(key == "code" for key, _ in found[0]):
        return None
    return _side([("code", ""), *found[0]])


def _objects(text: str, nonce: str) -> Iterator[Pairs]:
    """Every object that may carry the code, as pairs, so that a key given twice is seen.

    Only braces before a mention of the code are tried, and not too many: a reply that is nothing but braces costs no
    time.
    """
    every = [brace.start() for brace in re.finditer(r"\{", text)]
    keyed = [brace.start() for brace in _KEYED.finditer(text)]
    starts: set[int] = set()
    for mention in re.finditer(re.escape(nonce), text):
        for braces, most in ((every, _NEAREST), (keyed, _NEAREST_KEYED)):
            before = bisect.bisect(braces, mention.start())
            starts.update(braces[max(0, before - most) : before])
    for start in sorted(starts):
        found = _object_at(text, start)
        if found is not None:
            yield found[0]


def _object_at(text: str, start: int) -> tuple[Pairs, int] | None:
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


def _side(pairs: Pairs) -> Side | None:
    """The verdict of one object; a second ``code`` or ``verdict`` makes it worthless."""
    verdicts = [value for key, value in pairs if key == "verdict"]
    codes = [value for key, value in pairs if key == "code"]
    if len(verdicts) != 1 or len(codes) != 1 or not isinstance(verdicts[0], str):
        return None
    said = _VALUE.fullmatch(plain(verdicts[0]))
    return _SIDES[said[1].casefold()] if said else None
