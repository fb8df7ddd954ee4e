"""The tool ``search``: passages of the texts at hand that share the rarest words with a query.

Okapi BM25 (Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009, eq. 3.15; k1 1.2, b 0.75) over passages
of whole paragraphs. The index is held in memory, within a bound, and grows as texts come; nothing of it is kept, since
what a search gave is kept where it was used.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.to_thread

from star_agents.records import Document, Tool
from star_agents.tools.running import RunnableTool

MOST_CHARACTERS = 8_000_000
"""Of all texts together; those that come later are not searched."""
PASSAGE_CHARACTERS = 1_200
MOST_RESULTS = 5
LONGEST_QUERY = 1_000
_K1, _B = 1.2, 0.75
_WORD = re.compile(r"\w+")
NextTexts = Callable[[], Awaitable[Sequence[Document]]]
"""Gives the texts that have come since it was asked last."""
SEARCH = Tool.of(
    "search",
    f"Searches the documents at hand and returns up to {MOST_RESULTS} passages that match best, each with its title.",
    {
        "type": "object",
        "properties": {"query": {"type": "string", "description": "A few words that the passage should hold."}},
        "required": ["query"],
        "additionalProperties": False,
    },
)


def search_tool(next_texts: NextTexts) -> RunnableTool:
    """The tool over texts that are handed in as they come."""
    return RunnableTool(tool=SEARCH, run=_Search(next_texts).run)


class _Search:
    def __init__(self, next_texts: NextTexts) -> None:
        self._next_texts = next_texts
        self._passages = Passages()
        self._turn = anyio.Lock()

    async def run(self, arguments: Mapping[str, Any]) -> str:
        """The passages as text."""
        async with self._turn:
            while not self._passages.is_full and (texts := await self._next_texts()):
                await anyio.to_thread.run_sync(self._passages.add, texts)
            found = await anyio.to_thread.run_sync(self._passages.best, arguments["query"][:LONGEST_QUERY])
        if not len(self._passages):
            return "There are no documents to search."
        if not found:
            return "No passage holds any of these words."
        return "\n\n".join(f"[{number}] {one.title or 'Untitled'}\n{one.text}" for number, one in enumerate(found, 1))


@dataclass(frozen=True, slots=True)
class Passage:
    """Some paragraphs of a text."""

    title: str
    text: str


class Passages:
    """An index of passages.

    Args:
        most_characters: Of all texts together.
    """

    def __init__(self, most_characters: int = MOST_CHARACTERS) -> None:
        self._most = most_characters
        self._passages: list[Passage] = []
        self._lengths: list[int] = []
        self._counts: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        """By word: the passages that hold it, each with how often."""
        self._characters = 0

    def __len__(self) -> int:
        """How many passages there are."""
        return len(self._passages)

    @property
    def is_full(self) -> bool:
        """Whether nothing more is taken."""
        return self._characters >= self._most

    def add(self, texts: Sequence[Document]) -> None:
        """Take texts in, until it is full; the one that fills it is cut."""
        for text in texts:
            room = self._most - self._characters
            for passage in passages_of(text.text[:room]):
                self._add(Passage(text.title, passage))
            self._characters += min(len(text.text), room)

    def best(self, query: str, most: int = MOST_RESULTS) -> list[Passage]:
        """The passages that match a query best, the best first; among equals those that came first."""
        scores: Counter[int] = Counter()
        mean = sum(self._lengths) / max(1, len(self._lengths))
        for word in set(_words(query)):
            holding = self._counts.get(word, [])
            rarity = math.log(1 + (len(self._passages) - len(holding) + 0.5) / (len(holding) + 0.5))
            for place, count in holding:
                norm = _K1 * (1 - _B + _B * self._lengths[place] / mean)
                scores[place] += rarity * count * (_K1 + 1) / (count + norm)  # type: ignore[assignment]
        ranked = sorted(scores, key=lambda place: (-scores[place], place))
        return [self._passages[place] for place in ranked[:most]]

    def _add(self, passage: Passage) -> None:
        counted = Counter(_words(f"{passage.title}\n{passage.text}"))
        for word, count in counted.items():
            self._counts[word].append((len(self._passages), count))
        self._passages.append(passage)
        self._lengths.append(counted.total())


def passages_of(text: str) -> Iterator[str]:
    """A text in passages of whole paragraphs, up to ``PASSAGE_CHARACTERS``; a longer paragraph is cut at blanks."""
    passage = ""
    for paragraph in re.split(r"\n\s*\n", text):
        for piece in _pieces(paragraph.strip()):
            if passage and len(passage) + len(piece) + 2 > PASSAGE_CHARACTERS:
                yield passage
                passage = ""
            passage = f"{passage}\n\n{piece}" if passage else piece
    if passage:
        yield passage


def _pieces(paragraph: str) -> Iterator[str]:
    while len(paragraph) > PASSAGE_CHARACTERS:
        cut = paragraph.rfind(" ", PASSAGE_CHARACTERS // 2, PASSAGE_CHARACTERS)
        end = cut if cut > 0 else PASSAGE_CHARACTERS
        yield paragraph[:end].strip()
        paragraph = paragraph[end:].strip()
    if paragraph:
        yield paragraph


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]
