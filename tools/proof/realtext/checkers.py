"""Instructions whose obedience a program can see, in the manner of IFEval (arXiv 2311.07911): all written here. Pure
but for the language, which py3langid tells.

Each rule stands with every topic. An answer without words passes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

Kind = Literal["format", "count", "language"]
TOPICS = ("the sea", "bicycles", "a good breakfast")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One thing that can be asked for and seen."""

    kind: Kind
    ask: str
    """With a place for the topic."""
    holds: Callable[[str], bool]
    """Of an answer that holds words, its outer blanks taken off."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkable:
    """A rule with a topic."""

    instruction: str
    rule: Rule

    def passes(self, answer: str) -> bool:
        """Whether the answer does what was asked for."""
        text = answer.strip()
        return bool(re.search(r"\w", text)) and self.rule.holds(text)


def checkables() -> list[Checkable]:
    """All of them, rule by rule within a topic."""
    return [Checkable(instruction=rule.ask.format(topic=topic), rule=rule) for topic in TOPICS for rule in RULES]


def words(text: str) -> list[str]:
    """Runs of letters, digits, hyphens and apostrophes."""
    return re.findall(r"[\w'’-]*\w[\w'’-]*", text)


def sentences(text: str) -> list[str]:
    """Parts that end in ``.``, ``!`` or ``?`` and hold a word."""
    return [part for part in re.split(r"(?<=[.!?])\s+", text) if words(part)]


def lines(text: str) -> list[str]:
    """Those that are not blank."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def bullets(text: str, count: int) -> bool:
    """Whether it is so many lines with a mark in front, and nothing else."""
    found = lines(text)
    return len(found) == count and all(re.match(r"[-*•] \S", line) for line in found)


def numbered(text: str, count: int) -> bool:
    """Whether it is lines numbered from 1 to ``count``, and nothing else."""
    found = lines(text)
    return len(found) == count and all(
        re.match(rf"{number}[.)] \S", line) for number, line in enumerate(found, start=1)
    )


def as_json(text: str) -> Any:
    """What it is as JSON, a fence around it allowed; ``None`` where it is none."""
    inside = re.fullmatch(r"```(?:json)?\s*(.*?)\s*```", text, flags=re.DOTALL)
    try:
        return json.loads(inside[1] if inside else text)
    except ValueError:
        return None


def has_keys(text: str, keys: Sequence[str]) -> bool:
    """Whether it is a JSON object with just these keys."""
    found = as_json(text)
    return isinstance(found, dict) and set(found) == set(keys)


def language_of(text: str) -> str:
    """ISO code, told apart among the languages that are asked for and English."""
    code: str = _identifier().classify(text)[0]
    return code


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415 - loads its model

    found = LanguageIdentifier.from_model_file(MODEL_FILE)
    found.set_languages(["en", "fr", "es", "de", "it"])
    return found


def in_language(code: str) -> Callable[[str], bool]:
    """Whether at least four words of it are in a language."""
    return lambda text: len(words(text)) >= 4 and language_of(text) == code


RULES = (
    Rule(kind="format", ask="Write one sentence about {topic} in capital letters only.", holds=str.isupper),
    Rule(kind="format", ask="Write one sentence about {topic} in lower case, without any capital.", holds=str.islower),
    Rule(
        kind="format",
        ask='Say something about {topic}. Begin with the word "Answer:".',
        holds=lambda text: text.startswith("Answer:") and len(words(text)) > 1,
    ),
    Rule(
        kind="format",
        ask='Say something about {topic}. End with the words "That is all."',
        holds=lambda text: text.endswith("That is all.") and len(words(text)) > 3,
    ),
    Rule(
        kind="format",
        ask="Write a sentence about {topic}, with quotation marks around the whole of it.",
        holds=lambda text: len(text) > 2 and text[0] in '"“' and text[-1] in '"”',
    ),
    Rule(
        kind="format",
        ask="Write two sentences about {topic} without a single comma.",
        holds=lambda text: "," not in text and len(words(text)) >= 6,
    ),
    Rule(
        kind="format",
        ask='Give me a JSON object about {topic} with the keys "name" and "use", and nothing else.',
        holds=lambda text: has_keys(text, ("name", "use")),
    ),
    Rule(
        kind="format",
        ask="Give a title for an essay about {topic}. Put it in double angle brackets, like <<title>>.",
        holds=lambda text: bool(re.search(r"<<[^<>\n]+>>", text)),
    ),
    Rule(
        kind="format",
        ask="Do people like {topic}? Answer with yes or no, and with nothing else.",
        holds=lambda text: text.lower().strip('.!"') in ("yes", "no"),
    ),
    Rule(
        kind="format",
        ask="Write two paragraphs about {topic}, separated by a line with three asterisks (***).",
        holds=lambda text: (
            [bool(words(part)) for part in re.split(r"^\*\*\*$", text, flags=re.MULTILINE)] == [True] * 2
        ),
    ),
    Rule(kind="count", ask="Name one thing about {topic} in one word.", holds=lambda text: len(words(text)) == 1),
    Rule(
        kind="count",
        ask="Write exactly two sentences about {topic}.",
        holds=lambda text: len(sentences(text)) == 2,
    ),
    Rule(
        kind="count",
        ask="Describe {topic} in at most ten words.",
        holds=lambda text: len(words(text)) <= 10,
    ),
    Rule(
        kind="count",
        ask="Describe {topic} in at least thirty words.",
        holds=lambda text: len(words(text)) >= 30,
    ),
    Rule(
        kind="count",
        ask='List three facts about {topic} as bullet points that begin with "- ", and nothing else.',
        holds=lambda text: bullets(text, 3),
    ),
    Rule(
        kind="count",
        ask="Give four tips about {topic} as a numbered list from 1 to 4, and nothing else.",
        holds=lambda text: numbered(text, 4),
    ),
    Rule(
        kind="count",
        ask="Name five words that go with {topic}, separated by commas, on one line.",
        holds=lambda text: len(lines(text)) == 1 and [len(words(part)) > 0 for part in text.split(",")] == [True] * 5,
    ),
    Rule(
        kind="count",
        ask='Write about {topic} and use the word "blue" at least twice.',
        holds=lambda text: len(re.findall(r"\bblue\b", text.lower())) >= 2,
    ),
    Rule(kind="language", ask="Write a sentence about {topic} in French.", holds=in_language("fr")),
    Rule(kind="language", ask="Write a sentence about {topic} in Spanish.", holds=in_language("es")),
    Rule(kind="language", ask="Write a sentence about {topic} in German.", holds=in_language("de")),
    Rule(kind="language", ask="Write a sentence about {topic} in Italian.", holds=in_language("it")),
)
