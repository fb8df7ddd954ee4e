"""What is tolerated, in numbers and in words: which part failed, how often, and why.

A seed goes on without a candidate, a vote, a score or a vector that could not be had. Whoever tolerates that notes it
here, the store counts it with the seed's outcome (``storage.failure_tallies``), every place where a user looks shows
``FailureCount.sentence``, and past a share the work stops (``engine.failure_limits``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

Part = Literal[
    "agent",
    "referee",
    "scorer",
    "embedder",
    "usage",
    "seeds",
    "documents",
    "chunks",
    "recipe",
    "tool",
    "instructions",
    "arm",
    "pool",
    "rows",
    "reported",
    "admission",
]
"""Who was asked: an agent for a text, a referee for a vote, the scorer for a score, an embedder for a vector;
an agent's provider for what its replies took; a file of seeds for rows, where bad ones were let be left out; a
folder of documents for documents, and these for chunks, of which not all can or may be seeds; a recipe for an
outcome; a tool for a result; a recipe for instructions, of which some were refused, or an arm of a pool for them; a
recipe for new arms of a pool; a recipe for rows, of which admission refused some, or reports them; or admission itself
for seeds from outside."""

UNREADABLE = "no verdict could be read"
BUDGET_SPENT = "its budget is spent"
DOWN = "it was down"
USAGE_DOUBTED = "the provider's counts of tokens cannot be so; the most that was reserved counts instead"
CALLED_BADLY = "it was called with what it does not take"
"""A tool: the model's mistake, which it is told."""
REPEATS_A_DOCUMENT = "repeats an earlier document"
"""A chunk of a document."""
OTHER = "other reasons"
"""Takes in every reason beyond ``REASONS_KEPT`` of a part."""
_SUBJECTS: Mapping[str, str] = {
    "usage": "agent",
    **dict.fromkeys(("instructions", "arm", "rows"), "recipe"),
}
_FIRST: Mapping[str, str] = {
    "usage": "counted a reply wrongly",
    "instructions": "gave an instruction that was refused",
    "pool": "refused a new arm",
    "rows": "gave a row that was refused",
    "reported": "are reported",
    "admission": "refused a seed",
}
"""What became of one try; of all other parts: it failed."""
NO_FAULT = frozenset({BUDGET_SPENT, DOWN})
"""Reasons that pass, or that somebody wished for: they are counted and told, and no limit counts them."""
FLAWS: Mapping[str, str] = {
    "empty": "the reply held no text",
    "length": "the reply was cut at its longest",
    "format": "the reply was no usable text, or did not end well",
}
"""Kind of a trial's failure (``records.Failure``) to the reason that is counted."""

REASONS_KEPT = 12
"""Reasons that are told apart for one part of one name: texts of providers must not fill the store."""
LONGEST_REASON = 120
LONGEST_EXAMPLE = 200
_NUMBER = re.compile(r"\d[\d.,]*")


def one_line(text: str, longest: int = LONGEST_EXAMPLE) -> str:
    """The text in one line that any terminal may show, cut after so many characters."""
    line = " ".join(text.split())
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


@dataclass(frozen=True, kw_only=True, slots=True)
class CountedFailure:
    """Why something could not be had, so many times."""

    reason: str
    """In words that do not change from one time to the next."""
    example: str = ""
    """What was said the first time; one line, without secrets."""
    count: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the store."""
        return {"reason": self.reason, "example": self.example, "count": self.count}


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """What one seed asked of one part, and what of it failed."""

    part: Part
    name: str
    """Of the agent, embedder, file or recipe; empty for the scorer."""
    tries: int
    failures: tuple[CountedFailure, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the store."""
        failures = tuple(one.to_dict() for one in self.failures)
        return {"part": self.part, "name": self.name, "tries": self.tries, "failures": failures}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        failures = tuple(CountedFailure(**failure) for failure in data["failures"])
        return cls(part=data["part"], name=data["name"], tries=data["tries"], failures=failures)


def joined(failures: Iterable[CountedFailure]) -> tuple[CountedFailure, ...]:
    """Each reason once, with its first example."""
    found: dict[str, CountedFailure] = {}
    for one in failures:
        first = found.get(one.reason)
        found[one.reason] = one if first is None else replace(first, count=first.count + one.count)
    return tuple(found[reason] for reason in sorted(found))


def without_numbers(text: str) -> str:
    """The text with each number as N: what is said of two samples alike is one reason."""
    return one_line(_NUMBER.sub("N", text), LONGEST_REASON)


def all_tried(tried: Iterable[Tried]) -> tuple[Tried, ...]:
    """Each part of each name once."""
    found: dict[tuple[Part, str], list[Tried]] = {}
    for one in tried:
        found.setdefault((one.part, one.name), []).append(one)
    return tuple(
        Tried(
            part=part,
            name=name,
            tries=sum(one.tries for one in some),
            failures=joined(of for one in some for of in one.failures),
        )
        for (part, name), some in sorted(found.items())
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class FailureCount:
    """How often one part failed for one reason."""

    part: Part
    name: str
    reason: str
    failures: int
    tries: int
    """Of the part, whatever came of them."""
    example: str = ""
    """What was said the first time."""

    @property
    def sentence(self) -> str:
        """In words: ``agent b failed 40 of 40 calls: the provider does not know the model (first: …)``."""
        has_more = self.example and self.example != self.reason
        return f"{self.finding} (first: {self.example})" if has_more else self.finding

    @property
    def finding(self) -> str:
        """The same without what a model or a provider said: for logs, and for whoever may not read texts."""
        return self._statement if self.reason == UNREADABLE else f"{self._statement}: {self.reason}"

    @property
    def _statement(self) -> str:
        subject, failures = _subject(self.part, self.name), f"{self.failures:,}"
        of = f"{failures} of {self.tries:,}"
        match self.part:
            case "referee" if self.reason == UNREADABLE:
                return f"{subject} gave {of} votes unreadable"
            case "referee":
                return f"{subject} did not give {of} votes"
            case "scorer":
                return f"{subject} refused {of} samples"
            case "embedder":
                return f"{subject} failed {of} instructions"
            case "usage":
                return f"{subject} counted {failures} replies wrongly"
            case "seeds":
                return f"{failures} rows of {self.name} were left out"
            case "documents":
                return f"{of} documents in {self.name} gave nothing"
            case "chunks":
                return f"{of} chunks of {self.name} were left out"
            case "agent":
                return f"{subject} failed {of} calls"
            case "recipe":
                return f"{subject} failed {of} seeds"
            case "tool":
                return f"{subject} gave no result in {of} calls"
            case "instructions" | "arm":
                return f"{of} instructions of {subject} were refused"
            case "pool":
                return f"{subject} refused {of} new arms"
            case "rows":
                return f"{of} rows of {subject} were refused"
            case "reported":
                return f"{subject} are kept and reported {failures} times"
            case "admission":
                return f"{subject} refused {of} seeds"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for summary, status and API, the sentence included."""
        return {**asdict(self), "sentence": self.sentence}


def counts_of(tried: Tried) -> list[FailureCount]:
    """What failed of one part, by reason."""
    return [
        FailureCount(
            part=tried.part,
            name=tried.name,
            reason=one.reason,
            failures=one.count,
            tries=tried.tries,
            example=one.example,
        )
        for one in tried.failures
    ]


def first_of_its_kind(part: str, name: str, reason: str) -> str:
    """What is said when a part fails for a reason for which it did not fail before, in words."""
    return f"{_subject(part, name)} {_FIRST.get(part, 'failed')}, the first time for this reason: {reason}"


def _subject(part: str, name: str) -> str:
    if part == "reported":
        return f"rows of {name}" if name else "seeds"
    return f"{_SUBJECTS.get(part, part)} {name}".rstrip()


def by_frequency(counts: Iterable[FailureCount]) -> list[FailureCount]:
    """The most frequent first."""
    return sorted(counts, key=lambda one: -one.failures)
