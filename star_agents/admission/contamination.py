"""Whether a row of a dataset holds items of benchmarks, so that a model trained on it has seen what it is tested on.

An item has parts: its question, later turns of the user, its answer. A row holds a part that it has enough of:

    words of the part       is held by a row that has
    32 and more             over half of them, by 8-grams that both have, wherever those stand in the row
    16 to 31, no answer     the same; or in one stretch as long, and in their order, all but one in 8
    8 to 15, no answer      in one stretch as long, and in their order, all but one: a word changed in the middle takes
                            every 8-gram with it, and 8 of 15 are a phrase that anybody writes
    5 to 7, a question      all of them in their order, with one word more among them at the most
    3 and 4, a question     all of them as a whole turn, and nothing else in that turn
    fewer; an answer of     it is not looked for: a row that holds "Paris.", "How so?" or the usual lines of code
    fewer than 32           that tell a prime has not seen the item

Words are those of ``text.words``. In a script without spaces, whose characters they are, all these numbers are larger
by the characters that a word has there (``characters_a_word``): 13 for 8 in Chinese.

N-grams of more than ``FREQUENT`` different parts are left out, of the part too: a benchmark's form, such as "Which of
the following statements is true", is nobody's item. A part of whose words less than half are left is not looked for by
those n-grams. Parts in the same words are looked for once, and told of every item that has them.

Pure and in memory: 60 to 110 bytes for each word of the benchmarks. A row takes time by its own length alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import repeat
from math import ceil, floor
from typing import NamedTuple

import numpy as np

from star_agents.admission.ngram_table import Hashes, NgramTable, longer, word_number
from star_agents.records.contamination import BenchmarkItem, Contamination, PartKind
from star_agents.records.failures import one_line
from star_agents.text.words import characters_a_word, normalised, places_of_words, words_in

NGRAM, COVERAGE = 8, 0.5
LONG_FROM, MIDDLE_FROM, CONTAINED_FROM, WHOLE_FROM = 4, 2, 5 / 8, 3 / 8
"""Times the words of an n-gram: from where a part is long, and an answer somebody's own; from where half a part is more
than a phrase; from where a question is looked for inside a turn, and as a whole one."""
FREQUENT = 10
"""Parts in which an n-gram may stand before it is nobody's."""
OFFSETS_TRIED = 8
"""Stretches of a row that are compared with one short part."""
LEAST_OWN = 0.5
"""Share of a part's words that have to stand in n-grams which are not frequent."""
LONGEST_MATCH = 200
"""Characters of evidence."""


class _Owner(NamedTuple):
    item: BenchmarkItem
    kind: PartKind


class _Part(NamedTuple):
    """In whatever items the same words stand."""

    words: Hashes
    owners: list[_Owner]


class _Look(NamedTuple):
    """A part, sought by n-grams of one length: they have to cover enough of it, or say where it may stand in order."""

    part: _Part
    length: int
    least: float = 0.0
    """Share of its own words that n-grams are to cover."""
    missing: int | None = None
    """How many of its words may be missing where the others are to stand in order; ``None``: they need not."""
    between: int = 0
    """How many words the stretch in which they stand may have more than the part."""


class _Held(NamedTuple):
    """What a row holds of a part."""

    part: _Part
    coverage: float
    first: int
    """Of the row's words, and how many from there: the longest run of the part's words."""
    words: int


class _Sought:
    """Parts that are sought by n-grams of one length."""

    def __init__(self, length: int, looks: Sequence[_Look]) -> None:
        self.looks = looks
        self.table = NgramTable(length, [look.part.words for look in looks], FREQUENT)
        self.own: list[int] = self.table.own.tolist()

    def is_sought(self, look: int) -> bool:
        """Whether enough of a part's words are its own."""
        one = self.looks[look]
        return self.own[look] >= (1 if one.missing is not None else LEAST_OWN * len(one.part.words))

    def held(self, hashes: Hashes, row: Hashes) -> Iterator[_Held]:
        """What a row holds, by its n-grams of this length and its words."""
        hits = self.table.find(hashes)
        if hits is None:
            return
        by_look: dict[int, list[tuple[int, int]]] = {}
        for number, place, row_place in zip(*(one.tolist() for one in hits), strict=True):
            by_look.setdefault(number, []).append((place, row_place))
        for number, pairs in by_look.items():
            look, own = self.looks[number], self.own[number]
            if look.missing is not None:
                held = _held_in_order(look, look.missing, pairs, row)
            else:
                held = _held_by_ngrams(look, own, pairs) if self.is_sought(number) else None
            if held is not None:
                yield held


def _held_by_ngrams(look: _Look, own: int, pairs: Sequence[tuple[int, int]]) -> _Held | None:
    """Whether n-grams cover enough of a part; ``pairs``: their places in the part and in the row."""
    needed = look.least * own
    if len(pairs) * look.length < needed:
        return None
    covered = end = 0
    for place in sorted({place for place, _ in pairs}):
        covered += place + look.length - max(place, end)
        end = place + look.length
    if covered < needed:
        return None
    first, longest, run, before = 0, 0, 0, (-2, -2)
    for pair in sorted(pairs):
        run = run + 1 if pair == (before[0] + 1, before[1] + 1) else 1
        before = pair
        if run > longest:
            first, longest = pair[1] - run + 1, run
    return _Held(look.part, covered / own, first, longest + look.length - 1)


def _held_in_order(look: _Look, missing: int, pairs: Sequence[tuple[int, int]], row: Hashes) -> _Held | None:
    """Whether nearly all words of a part stand in one stretch of the row; ``pairs`` say where that may be."""
    wanted = look.part.words.tolist()
    offsets = Counter(row_place - place for place, row_place in pairs)
    for offset, _ in offsets.most_common(OFFSETS_TRIED):
        first = max(0, offset - look.between)
        in_order = _common_in_order(wanted, row[first : offset + len(wanted) + look.between].tolist())
        if in_order >= len(wanted) - missing:
            return _Held(look.part, in_order / len(wanted), max(0, offset), len(wanted))
    return None


def _common_in_order(one: Sequence[int], other: Sequence[int]) -> int:
    """Length of the longest common subsequence, a word a bit (Hyyrö 2004)."""
    places: dict[int, int] = {}
    for place, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << place
    everywhere = (1 << len(one)) - 1
    free = everywhere
    for word in other:
        matched = free & places.get(word, 0)
        free = (free + matched | free - matched) & everywhere
    return len(one) - free.bit_count()


class BenchmarkIndex:
    """Benchmarks, as rows are compared with them.

    Args:
        items: Of all benchmarks, in order.
        ngram: Words of an n-gram.
        coverage: Share of a part's words from which a row holds it.

    Attributes:
        items: How many there are, by benchmark.
        too_short: Of those, how many are not looked for since no part of them is long enough.
        too_common: Likewise, since they consist of frequent n-grams.
    """

    def __init__(self, items: Iterable[BenchmarkItem], *, ngram: int = NGRAM, coverage: float = COVERAGE) -> None:
        self.items, self.too_short, self.too_common = Counter[str](), Counter[str](), Counter[str]()
        self._ngram, self._coverage = ngram, coverage
        self._numbers: dict[str, int] = {}
        self._whole: dict[tuple[str, ...], list[_Owner]] = {}
        parts: dict[bytes, _Part] = {}
        looks: list[_Look] = []
        for item in items:
            self.items[item.benchmark] += 1
            bare = replace(item, parts=())  # Its texts need not stay in memory.
            if not sum([self._add(bare, kind, text, parts, looks) for kind, text in item.parts]):
                self.too_short[item.benchmark] += 1
        self._sought = self._tables(looks)
        self._longest = max(self._sought, default=0)

    def check(self, texts: Sequence[str]) -> tuple[Contamination, ...]:
        """What a row holds of the benchmarks, the item that it covers most of first; each item once.

        Args:
            texts: The turns of the row; no n-gram is sought across two of them.
        """
        compared = [normalised(text) for text in texts]
        words = [words_in(text) for text in compared]
        found = [*self._as_whole(words), *self._by_ngrams(compared, words)]
        best: dict[tuple[str, str], Contamination] = {}
        for one in sorted(found, key=lambda one: -one.coverage):
            best.setdefault((one.benchmark, one.where), one)
        return tuple(best.values())

    def _as_whole(self, words: Sequence[Sequence[str]]) -> Iterator[Contamination]:
        for turn in words if self._whole else ():
            for owner in self._whole.get(tuple(turn), ()):
                yield _told(owner, 1.0, one_line(" ".join(turn), LONGEST_MATCH))

    def _by_ngrams(self, compared: Sequence[str], words: Sequence[Sequence[str]]) -> Iterator[Contamination]:
        numbers: list[int] = []
        for turn in words:
            numbers += map(self._numbers.get, turn, repeat(0))
            numbers.append(0)  # No word: what n-gram it stands in is nobody's.
        row = hashes = np.array(numbers, np.uint64)
        for length in range(1, min(self._longest, len(row)) + 1):
            hashes = hashes if length == 1 else longer(hashes, row, length - 1)
            if (sought := self._sought.get(length)) is None:
                continue
            for held in sought.held(hashes, row):
                matched = _matched(held, compared, words)
                yield from (_told(owner, held.coverage, matched) for owner in held.part.owners)

    def _add(
        self, item: BenchmarkItem, kind: PartKind, text: str, parts: dict[bytes, _Part], looks: list[_Look]
    ) -> bool:
        """Whether the part is looked for."""
        compared = normalised(text)
        words = words_in(compared)
        length = ceil(self._ngram * characters_a_word(compared))
        owner, is_question = _Owner(item, kind), kind == "question"
        if is_question and WHOLE_FROM * length <= len(words) < CONTAINED_FROM * length:
            self._whole.setdefault(tuple(words), []).append(owner)
            return True
        least = {"question": CONTAINED_FROM, "follow-up": 1, "answer": LONG_FROM}[kind]
        if len(words) < least * length:
            return False
        numbers = np.array([self._number(word) for word in words], np.uint64)
        part = parts.setdefault(numbers.tobytes(), _Part(numbers, []))
        part.owners.append(owner)
        if len(part.owners) == 1:
            looks += self._looks(part, length)
        return True

    def _number(self, word: str) -> int:
        known = self._numbers.get(word)
        if known is None:
            known = self._numbers[word] = word_number(word)
        return known

    def _looks(self, part: _Part, length: int) -> Iterator[_Look]:
        words = len(part.words)
        times = words // length
        if times == 0:  # One word more among them leaves half of them together.
            yield _Look(part, ceil(words / 2), missing=0, between=1)
            return
        if times >= MIDDLE_FROM:
            yield _Look(part, length, self._coverage)
        if times < LONG_FROM:
            missing = min(times, floor((1 - self._coverage) * words))
            yield _Look(part, length // 2, missing=missing, between=times)

    def _tables(self, looks: Iterable[_Look]) -> dict[int, _Sought]:
        """By the length of n-grams; items that are sought by none of them are counted."""
        by_length: dict[int, list[_Look]] = {}
        for look in looks:
            by_length.setdefault(look.length, []).append(look)
        tables = {length: _Sought(length, some) for length, some in by_length.items()}
        known, sought = dict[int, BenchmarkItem](), {id(owner.item) for some in self._whole.values() for owner in some}
        for table in tables.values():
            for number, look in enumerate(table.looks):
                of_look = {id(owner.item): owner.item for owner in look.part.owners}
                known |= of_look
                sought.update(of_look if table.is_sought(number) else ())
        self.too_common.update(item.benchmark for name, item in known.items() if name not in sought)
        return tables


def _matched(held: _Held, compared: Sequence[str], words: Sequence[Sequence[str]]) -> str:
    """The longest run of a part's words as it stands in the row, to the end of its turn at the most."""
    first = held.first  # One before the words of a turn where a stretch begins between two.
    for text, turn in zip(compared, words, strict=True):
        if turn and first < len(turn):
            spans = places_of_words(text)[max(0, first) : max(0, first) + held.words]
            return one_line(text[spans[0][0] : spans[-1][1]], LONGEST_MATCH)
        first -= len(turn) + 1
    return ""


def _told(owner: _Owner, coverage: float, matched: str) -> Contamination:
    item = owner.item
    return Contamination(
        benchmark=item.benchmark,
        item=item.id,
        where=item.where,
        part=owner.kind,
        coverage=round(coverage, 3),
        matched=matched,
    )
