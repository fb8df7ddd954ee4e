"""reStructuredText: sections, paragraphs, literal blocks and directives, by docutils' specification.

No part of the document are its fields (also those of a PEP), comments, targets, substitutions, and directives that show
or include something (``HIDDEN``).
"""

from __future__ import annotations

import re

from star_agents.documents.extracted import LONGEST_MARKED, Extracted, Gathering, Line, first_heading, lines_of

HIDDEN = {
    *("contents", "image", "figure", "include", "toctree", "raw", "meta", "index", "highlight", "sectnum", "header"),
    *("footer", "role", "default-role", "target-notes", "module", "currentmodule", "only", "sectionauthor"),
}
CODE = {"code", "code-block", "sourcecode", "parsed-literal", "prompt", "doctest", "testcode", "math"}
_RULER = re.compile(r"([!-/:-@\[-`{-~])\1{2,}\s*")
_FIELD = re.compile(r"(?::([^:\s][^:]*):|([A-Z][A-Za-z-]*):)(?:\s+(.*))?")
_DIRECTIVE = re.compile(r"\s*\.\. (?:\|[^|]+\| )?([A-Za-z][\w:.+-]*)::")
_EXPLICIT = re.compile(r"\s*\.\.(?:\s|$)")
_FOOTNOTE = re.compile(r"\s*\.\. \[[^\]]+\]\s")


def read_restructured(text: str) -> Extracted:
    """Read the blocks of a reStructuredText document."""
    lines, found, levels = list(lines_of(text)), Gathering(), dict[str, int]()
    place, title = _fields(lines)
    while place < len(lines):
        place = _read(lines, place, found, levels)
    found.close()
    blocks = tuple(found.blocks)
    return Extracted(text=text, blocks=blocks, title=title or first_heading(blocks))


def _fields(lines: list[Line]) -> tuple[int, str]:
    """Where the document begins after its fields, such as a PEP has them, and the title among these."""
    names, title, place = 0, "", 0
    while place < len(lines) and not lines[place].is_blank:
        if field := _FIELD.fullmatch(lines[place].words):
            names += 1
            if (field[1] or field[2]).lower() == "title":
                title = field[3] or ""
        elif not (names and lines[place].indent):
            return 0, ""
        place += 1
    return (place, title) if names > 1 else (0, "")


def _read(lines: list[Line], place: int, found: Gathering, levels: dict[str, int]) -> int:
    """Read what begins at a line; the place of the line that follows it."""
    line = lines[place]
    if line.is_blank:
        return _read_literal(lines, place, found) if _announces_literal(found) else _close(found, place)
    if len(line.words) > LONGEST_MARKED:
        found.add(line)
        return place + 1
    if after := _read_heading(lines, place, found, levels):
        return after
    if not found.paragraph and _EXPLICIT.match(line.words):
        return _read_explicit(lines, place, found)
    if _RULER.fullmatch(line.words) and not found.paragraph and _blank_at(lines, place + 1):
        return place + 1
    found.add(line)
    return place + 1


def _close(found: Gathering, place: int) -> int:
    found.close()
    return place + 1


def _read_heading(lines: list[Line], place: int, found: Gathering, levels: dict[str, int]) -> int:
    """A title with a line under it, and perhaps one above; 0 where none stands here."""
    if found.paragraph:
        return 0
    is_over = _RULER.fullmatch(lines[place].words) is not None
    at = place + is_over
    if at + 1 >= len(lines) or lines[at].is_blank or (lines[at].indent and not is_over):
        return 0
    name, ruler = lines[at].words.strip(), lines[at + 1].words.rstrip()
    if not _RULER.fullmatch(ruler) or len(ruler) < min(len(name), 4) or _RULER.fullmatch(name):
        return 0
    if is_over and lines[place].words.rstrip() != ruler:
        return 0
    level = levels.setdefault(f"{ruler[0]}{is_over}", len(levels) + 1)
    found.heading(lines[place].start, lines[at + 1].start + len(ruler), level, name.replace("``", ""))
    return at + 2


def _announces_literal(found: Gathering) -> bool:
    return bool(found.paragraph) and found.paragraph[-1].words.rstrip().endswith("::")


def _read_literal(lines: list[Line], place: int, found: Gathering) -> int:
    """The indented block after a paragraph that ends in two colons."""
    indent = found.paragraph[0].indent
    found.close()
    end = _end_of_body(lines, place, indent)
    found.put(lines[place:end], "code")
    return max(end, place + 1)


def _read_explicit(lines: list[Line], place: int, found: Gathering) -> int:
    """A directive, a footnote, or what is no part of the document."""
    line = lines[place]
    end = _end_of_body(lines, place + 1, line.indent)
    directive = _DIRECTIVE.match(line.words)
    name = directive[1].rpartition(":")[2] if directive else ""
    if name in CODE:
        found.put(lines[place:end], "code")
    elif (directive and not (name in HIDDEN or name.startswith("canonical-"))) or _FOOTNOTE.match(line.words):
        found.put(lines[place:end], "text")
    return end


def _end_of_body(lines: list[Line], place: int, indent: int) -> int:
    """The first line that is not indented more than so much."""
    while place < len(lines) and (lines[place].is_blank or lines[place].indent > indent):
        place += 1
    return place


def _blank_at(lines: list[Line], place: int) -> bool:
    return place >= len(lines) or lines[place].is_blank
