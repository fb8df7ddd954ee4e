"""Markdown: blocks by CommonMark's rules, as far as chunks need them.

No part of the document are front matter, comments, lines of nothing but tags, definitions of links, rules, and code
blocks that only include a file (mdBook).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from star_agents.documents.extracted import LONGEST_MARKED, Block, Extracted, Gathering, Line, first_heading, lines_of

_OPEN, _CLOSE = "<!--", "-->"
_EMPTY_QUOTE = re.compile(r"[ >]*>[ >]*")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*")
_RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})")
_TAGS = re.compile(r"""\s*(?:</?[A-Za-z](?:"[^"]*"|'[^']*'|[^<>"'])*+>\s*)+""")
_LINK = re.compile(r" {0,3}\[[^\]]+\]:\s*\S.*")
_INCLUDE = re.compile(r"\s*\{\{#\w+ [^}]*\}\}\s*")
_TITLE = re.compile(r"title\s*[:=]\s*(['\"]?)(.*?)\1\s*")
_MARKS = re.compile(r"[*_`]+|\{#[^}]*\}|<[^<>]*>")
"""What a heading's words are without: emphasis, anchors, tags."""


def read_markdown(text: str) -> Extracted:
    """Read the blocks of a Markdown document."""
    lines, found = list(lines_of(text)), Gathering()
    place, title = _front_matter(lines)
    last_comment = text.rfind(_CLOSE)
    while place < len(lines):
        begin, indent = lines[place].start, lines[place].indent
        if (
            text.startswith(_OPEN, begin + indent)
            and begin < last_comment
            and (after := _after_comment(text, lines, place))
        ):
            found.close()
            place = after
        else:
            place = _read(lines, place, found)
    found.close()
    blocks = tuple(found.blocks)
    hidden = tuple(one for block in blocks for one in _comments(text, block))
    return Extracted(text=text, blocks=blocks, title=title or first_heading(blocks), hidden=hidden)


def _front_matter(lines: list[Line]) -> tuple[int, str]:
    """Where the document itself begins, and the title that stands before it."""
    mark = lines[0].words.rstrip() if lines else ""
    if mark not in ("---", "+++"):
        return 0, ""
    title = ""
    for place, line in enumerate(lines[1:], start=1):
        if line.words.rstrip() == mark:
            return place + 1, title
        if not title and (named := _TITLE.fullmatch(line.words)):
            title = named[2]
    return 0, ""


def _read(lines: list[Line], place: int, found: Gathering) -> int:
    """Read what begins at a line; the place of the line that follows it."""
    line = lines[place]
    words = line.words
    if line.is_blank or _EMPTY_QUOTE.fullmatch(words):
        found.close()
    elif fence := _FENCE.match(words):
        return _read_fence(lines, place, fence[1], found)
    elif len(words) > LONGEST_MARKED:
        found.add(line)
    elif heading := _HEADING.fullmatch(words):
        found.heading(line.start, line.end, len(heading[1]), _plain(heading[2] or ""))
    elif len(found.paragraph) == 1 and (underline := _UNDERLINE.fullmatch(words)):
        named = found.paragraph.pop()
        found.heading(named.start, line.end, 1 if "=" in underline[1] else 2, _plain(named.words))
    elif _RULE.fullmatch(words) or _TAGS.fullmatch(words) or (not found.paragraph and _LINK.fullmatch(words)):
        found.close()
    else:
        found.add(line)
    return place + 1


def _read_fence(lines: list[Line], place: int, mark: str, found: Gathering) -> int:
    """A code block, to its closing mark or the end of the text."""
    end = place + 1
    while end < len(lines) and not (
        (closing := _FENCE.match(lines[end].words))
        and closing[1].startswith(mark)
        and not lines[end].words[closing.end() :].strip()
    ):
        end += 1
    inside = [line.words for line in lines[place + 1 : end] if not line.is_blank]
    if inside and not all(map(_INCLUDE.fullmatch, inside)):
        found.put(lines[place : end + 1], "code")
    else:
        found.close()
    return end + 1


def _after_comment(text: str, lines: list[Line], place: int) -> int:
    """The line after a comment that begins at this one; 0 where it has no end, or text behind its end."""
    close = text.find(_CLOSE, lines[place].start + len(_OPEN))
    end = place
    while end < len(lines) and lines[end].end < close:
        end += 1
    return 0 if close < 0 or text[close + len(_CLOSE) : lines[end].end].strip() else end + 1


def _comments(text: str, block: Block) -> Iterator[tuple[int, int]]:
    """The comments inside a paragraph."""
    at = block.start
    while block.kind != "code" and (begin := text.find(_OPEN, at, block.end)) >= 0:
        close = text.find(_CLOSE, begin + len(_OPEN), block.end)
        if close < 0:
            return
        at = close + len(_CLOSE)
        yield begin, at


def _plain(words: str) -> str:
    return _MARKS.sub("", words)
