"""Lines on pages as one text: without what stands on every page, in paragraphs, with headings. Pure."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from star_agents.documents.extracted import Block, Extracted, first_heading

EDGE = 3
"""Lines at the top and at the bottom of a page that may be of every page."""
REPEATED = 3
"""Pages on which a line stands at the same place, numbers aside, that is of every page."""
LARGER = 1.15
"""Times the size of most letters that a heading has at least."""
WIDER = 1.4
"""Times the usual distance of lines that two of different paragraphs have at least."""
LONGEST_HEADING = 150
DEEPEST = 6
_NUMBER = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(
    r"\W*(?:(?:page|seite|p\.?)\s*)?(?:\d{1,5}|[ivxlc]{1,7})(?:\s*(?:of|/|von)\s*\d{1,5})?\W*", re.I
)
_NUMBERED = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,3})\.?\s+[A-Z].*[^.,;:]")
_ITEM = re.compile(r"(?:[•▪◦‣·*–-]|\(?\d{1,3}[.)]|[a-z]\))\s")
_ENDS = (".", "!", "?", ":", "”", '"', "。", "！", "？")


class PageLine(NamedTuple):
    """A line on a page."""

    words: str
    size: float
    """Of its largest letters, in points; 0 where nobody knows."""
    height: float
    """Where it stands, in points, upwards; NaN where nobody knows."""


def text_of_pages(pages: Sequence[Sequence[PageLine]], *, title: str = "", notes: Sequence[str] = ()) -> Extracted:
    """Put the lines of all pages together; ``notes`` as ``Extracted`` has them."""
    pages = _without_furniture(pages)
    sizes = Counter[float]()
    for page in pages:
        for line in page:
            sizes[round(line.size, 1)] += len(line.words)
    usual = sizes.most_common(1)[0][0] if sizes else 0.0
    gap = _usual_gap(pages)
    paragraphs = _headings_told(_paragraphs(pages, usual, gap))
    text, blocks = list[str](), list[Block]()
    at = 0
    for one in paragraphs:
        blocks.append(Block(at, at + len(one.words), "heading" if one.level else "text", one.level, one.name, one.page))
        text.append(one.words)
        at += len(one.words) + 2
    named = tuple(blocks)
    return Extracted(text="\n\n".join(text), blocks=named, title=title or first_heading(named), notes=tuple(notes))


class _Paragraph(NamedTuple):
    words: str
    page: int
    size: float
    """Of a heading by its size; else 0."""
    level: int = 0

    @property
    def name(self) -> str:
        return self.words if self.level else ""


def _without_furniture(pages: Sequence[Sequence[PageLine]]) -> list[Sequence[PageLine]]:
    """Pages without running heads, running feet and page numbers."""
    gap = _usual_gap(pages)
    edges = [(_edge(page, gap), _edge(page[::-1], gap)) for page in pages]
    known = Counter(key for both in edges for edge in both for key in {_key(line) for line in edge})
    kept = []
    for page, (top, bottom) in zip(pages, edges, strict=True):
        first = _furniture(top, known)
        last = _furniture(bottom[: len(page) - first], known)
        kept.append(page[first : len(page) - last])
    return kept


def _edge(page: Sequence[PageLine], gap: float) -> Sequence[PageLine]:
    """The outermost lines, as far as more than the usual distance parts them from the rest; at least one."""
    for count in range(1, min(EDGE, len(page) - 1) + 1):
        if abs(page[count - 1].height - page[count].height) > WIDER * gap:
            return page[:count]
    return page[:1]


def _key(line: PageLine) -> tuple[str, int]:
    place = -1 if math.isnan(line.height) else round(line.height / 4)
    return _NUMBER.sub("#", line.words.casefold()), place


def _furniture(edge: Sequence[PageLine], known: Counter[tuple[str, int]]) -> int:
    """How many of the outermost lines are of every page."""
    return max(
        (
            count
            for count, line in enumerate(edge, start=1)
            if known[_key(line)] >= REPEATED or (count == 1 and _PAGE_NUMBER.fullmatch(line.words))
        ),
        default=0,
    )


def _usual_gap(pages: Sequence[Sequence[PageLine]]) -> float:
    """How far lines are apart from each other, mostly; infinite where nobody knows."""
    gaps = [
        above.height - below.height
        for page in pages
        for above, below in itertools.pairwise(page)
        if above.height > below.height
    ]
    return median(gaps) if gaps else math.inf


def _paragraphs(pages: Sequence[Sequence[PageLine]], usual: float, gap: float) -> list[_Paragraph]:
    found: list[_Paragraph] = []
    before: PageLine | None = None
    for number, page in enumerate(pages, start=1):
        for place, line in enumerate(page):
            size = line.size if line.size >= LARGER * usual and len(line.words) <= LONGEST_HEADING else 0.0
            if before is not None and found and _goes_on(found[-1], before, line, size, gap, new_page=place == 0):
                found[-1] = found[-1]._replace(words=_joined(found[-1].words, line.words))
            else:
                found.append(_Paragraph(line.words, number, size))
            before = line
    return found


def _goes_on(last: _Paragraph, before: PageLine, line: PageLine, size: float, gap: float, *, new_page: bool) -> bool:
    """Whether a line belongs to the paragraph before it."""
    if last.size != size or _ITEM.match(line.words):
        return False
    if new_page:
        return not size and not before.words.endswith(_ENDS)
    return not abs(before.height - line.height) > WIDER * (gap if not size else max(gap, size))


def _joined(words: str, more: str) -> str:
    """Two lines of one paragraph; a word that was parted by a hyphen is one again."""
    if len(words) > 1 and words[-1] in "-\xad" and words[-2].isalpha() and more[:1].islower():
        return words[:-1] + more
    return f"{words} {more}"


def _headings_told(paragraphs: Sequence[_Paragraph]) -> list[_Paragraph]:
    """The same with the levels of headings: by their sizes, and below these by their numbers."""
    sizes = sorted({round(one.size, 1) for one in paragraphs if one.size}, reverse=True)
    return [one._replace(level=_level(one, sizes)) for one in paragraphs]


def _level(one: _Paragraph, sizes: Sequence[float]) -> int:
    if one.size:
        return min(DEEPEST, 1 + sizes.index(round(one.size, 1)))
    numbered = _NUMBERED.fullmatch(one.words) if len(one.words) <= LONGEST_HEADING // 2 else None
    return min(DEEPEST, len(sizes) + 1 + numbered[1].count(".")) if numbered else 0
