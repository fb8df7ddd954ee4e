"""A document in chunks: on headings first, then blocks, then sentences or lines, within a limit of tokens.

- A chunk that is not the whole of its section never begins with the end of another one: a section that is too long is
  cut into parts of about the same length.
- A section of less than a quarter of the limit goes together with its neighbour, where both fit; its heading stands in
  the text, and the path of headings is that of the larger one.
- A block is cut only where it is longer than a chunk by itself: between sentences, in code between lines, and only
  where even these are too long between words, or characters.
- A chunk is what stands in the text, character by character: one span of it, or several where something between blocks
  is no part of the document.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from star_agents.documents.extracted import Block, Extracted, lines_of
from star_agents.documents.sentences import BYTES_PER_TOKEN, sentences, tokens_in

JOINT = "\n\n"
"""Stands between two spans of one chunk, where the first ends with its line."""
_BETWEEN = " \t\n>"
_WIDEST = 2 * BYTES_PER_TOKEN
"""Characters between two blocks that may stand in a chunk as they are."""
_SMALL = 4
"""A section below this part of the limit is small."""

Span = tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """A part of a document that can be read by itself."""

    text: str
    spans: tuple[Span, ...]
    """Where it stands in the document's text, in characters, end excluded; ``joined_text`` of them is its text."""
    headings: tuple[str, ...]
    """The path of headings under which it, or most of it, stands; the highest first."""
    page: int
    """On which it begins, from 1; 0 where there are no pages."""


class _Unit(NamedTuple):
    """What is never cut: a block, or a part of one."""

    start: int
    end: int
    tokens: int
    """With what stands before it, where it is not the first of its chunk."""
    page: int
    is_heading: bool


class _Part(NamedTuple):
    """Units that will be one chunk."""

    units: list[_Unit]
    headings: tuple[str, ...]
    tokens: int
    is_empty: bool
    """Whether there is nothing under its headings."""


def chunks_of(document: Extracted, *, chunk_tokens: int, overlap_tokens: int = 0) -> Iterator[Chunk]:
    """Cut a document.

    Args:
        document: What was read.
        chunk_tokens: Most tokens of a chunk, as ``tokens_in`` counts them.
        overlap_tokens: Of so many tokens at the most, the sentences before a chunk of the same section are
            repeated at its beginning; they come on top of ``chunk_tokens``.
    """
    parts = _joined(_parts(document, chunk_tokens), chunk_tokens)
    before: _Part | None = None
    for part in parts:
        spans = _spans(document.text, part.units)
        if overlap_tokens and before is not None and before.headings == part.headings and not part.units[0].is_heading:
            spans = [(_earlier(document.text, before.units, spans[0][0], overlap_tokens), spans[0][1]), *spans[1:]]
        spans = list(_without(document.hidden, spans))
        if not any(document.text[start:end].strip() for start, end in spans):
            continue
        yield Chunk(
            text=joined_text(document.text, spans), spans=tuple(spans), headings=part.headings, page=part.units[0].page
        )
        before = part


def _parts(document: Extracted, limit: int) -> Iterator[_Part]:
    """The sections, each cut into parts of about the same length where it is too long."""
    path: list[Block] = []
    section: list[Block] = []
    for block in document.blocks:
        if block.kind == "heading":
            yield from _cut(document.text, section, path, limit)
            path = [*(above for above in path if above.level < block.level), block]
            section = []
        section.append(block)
    yield from _cut(document.text, section, path, limit)


def _cut(text: str, section: Sequence[Block], path: Sequence[Block], limit: int) -> Iterator[_Part]:
    heading = tokens_in(text[section[0].start : section[0].end]) if section and section[0].kind == "heading" else 0
    room = limit - min(heading + _WIDEST // BYTES_PER_TOKEN, limit // 2)
    units = [unit for block in section for unit in _units(text, block, room)]
    headings = tuple(block.name for block in path if block.name)
    total = sum(unit.tokens for unit in units)
    wanted = total / max(1, -(-total // limit))
    part, filled, says_something = list[_Unit](), 0, False
    for unit in units:
        if says_something and (filled + unit.tokens > limit or filled >= wanted):
            yield _Part(part, headings, filled, is_empty=False)
            part, filled, says_something = [], 0, False
        part.append(unit)
        filled += unit.tokens
        says_something |= not unit.is_heading
    if part:
        yield _Part(part, headings, filled, not says_something)


def _units(text: str, block: Block, limit: int) -> Iterator[_Unit]:
    tokens = tokens_in(text[block.start : block.end])
    if tokens <= limit:
        yield _Unit(
            block.start, block.end, _with_gap(text, block.start, block.end), block.page, block.kind == "heading"
        )
        return
    pieces = _lines(text, block) if block.kind == "code" else sentences(text, block.start, block.end)
    for start, end in pieces:
        for begin, stop in _short(text, start, end, limit):
            yield _Unit(begin, stop, _with_gap(text, begin, stop), block.page, False)


def _with_gap(text: str, start: int, end: int) -> int:
    """The tokens of a span with the blanks before it, or with the joint that stands for them."""
    before = text[max(0, start - _WIDEST) : start]
    gap = min(_WIDEST, max(len(JOINT), len(before) - len(before.rstrip(_BETWEEN))))
    return tokens_in(text[start:end] + " " * gap)


def _lines(text: str, block: Block) -> Iterator[Span]:
    for line in lines_of(text[block.start : block.end]):
        if not line.is_blank:
            yield block.start + line.start, block.start + line.start + len(line.words.rstrip())


def _short(text: str, start: int, end: int, limit: int) -> Iterator[Span]:
    """A sentence or line in pieces that are no longer than a chunk: cut between words, where there are any."""
    while end - start > BYTES_PER_TOKEN * limit or tokens_in(text[start:end]) > limit:
        stop = start + limit
        while stop < end and tokens_in(text[start : stop + limit]) <= limit:
            stop += limit
        blank = max(text.rfind(" ", start + 1, stop), text.rfind("\n", start + 1, stop))
        stop = blank if blank > start else stop
        yield start, stop
        start = stop
        while start < end and text[start].isspace():
            start += 1
    if start < end:
        yield start, end


def _joined(parts: Iterator[_Part], limit: int) -> Iterator[_Part]:
    """The same, a small section together with its neighbour where both fit."""
    held: _Part | None = None
    for part in parts:
        if held is not None and min(held.tokens, part.tokens) * _SMALL < limit and held.tokens + part.tokens <= limit:
            larger = held if held.tokens >= part.tokens and not held.is_empty else part
            held.units.extend(part.units)
            tokens, is_empty = held.tokens + part.tokens, held.is_empty and part.is_empty
            held = _Part(held.units, larger.headings, tokens, is_empty)
            continue
        if held is not None and not held.is_empty:
            yield held
        held = part
    if held is not None and not held.is_empty:
        yield held


def _spans(text: str, units: Sequence[_Unit]) -> list[Span]:
    """Where units stand; those with nothing but blanks (and marks of a quotation) between them are one span."""
    spans: list[Span] = []
    for unit in units:
        gap = text[spans[-1][1] : unit.start] if spans else ""
        if spans and len(gap) <= _WIDEST and not gap.strip(_BETWEEN):
            spans[-1] = (spans[-1][0], unit.end)
        else:
            spans.append((unit.start, unit.end))
    return spans


def _without(hidden: Sequence[Span], spans: Sequence[Span]) -> Iterator[Span]:
    """Spans without what is hidden in them."""
    for start, end in spans:
        for begin, stop in hidden[bisect.bisect_left(hidden, (start, start)) :]:
            if begin >= end:
                break
            if start < begin:
                yield start, begin
            start = min(stop, end)
        if start < end:
            yield start, end


def joined_text(text: str, spans: Sequence[Span]) -> str:
    """The text of these spans: what was hidden within a line leaves no gap, what lies between lines an empty line."""
    pieces, last = list[str](), 0
    for start, end in spans:
        if pieces:
            gap = text[last:start]
            pieces.append(JOINT if gap.lstrip(" \t").startswith("\n") else " " if gap.isspace() else "")
        pieces.append(text[start:end])
        last = end
    return "".join(pieces)


def _earlier(text: str, before: Sequence[_Unit], start: int, most: int) -> int:
    """Where the last sentences before a place begin that have no more than so many tokens."""
    lowest = _spans(text, before)[-1][0]
    if text[before[-1].end : start].strip():
        return start
    begins = [begin for begin, _ in sentences(text, lowest, before[-1].end)]
    return next((begin for begin in begins if tokens_in(text[begin:start]) <= most), start)
