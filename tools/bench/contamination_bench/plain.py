"""The check that others use, for comparison: a row that has one n-gram of words with an item in common holds it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from star_agents.records.contamination import BenchmarkItem
from star_agents.text.words import normalised, words_in


class AnyNgram:
    """Items by their n-grams; one without any is never found."""

    def __init__(self, items: Iterable[BenchmarkItem], length: int) -> None:
        self._length = length
        self._known: dict[tuple[str, ...], set[str]] = {}
        for item in items:
            for _, text in item.parts:
                for gram in self._ngrams(text):
                    self._known.setdefault(gram, set()).add(item.where)

    def check(self, texts: Sequence[str]) -> set[str]:
        """Where the items stand that a row holds."""
        return {where for text in texts for gram in self._ngrams(text) for where in self._known.get(gram, ())}

    def _ngrams(self, text: str) -> Iterable[tuple[str, ...]]:
        words = words_in(normalised(text))
        return zip(*(words[start:] for start in range(self._length)), strict=False)
