"""What was read of one document: its text, and the blocks that it is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

MOST_CHARACTERS = 16_000_000
"""Of one document's text, twenty books; more is refused."""
BlockKind = Literal["heading", "text", "code"]


class DocumentError(Exception):
    """A document gives nothing; the message is the reason, in words that are the same for every such document.

    Attributes:
        fix: What to do about it; may be empty.
        is_fault: Whether something is wrong with it: what is no document, or was not wanted, is not at fault.
    """

    def __init__(self, message: str, fix: str = "", *, is_fault: bool = True) -> None:
        self.fix, self.is_fault = fix, is_fault
        super().__init__(message)


class Block(NamedTuple):
    """A heading, a paragraph, a list, a piece of code. What lies between blocks is no part of the document."""

    start: int
    end: int
    """Characters of the text, end excluded."""
    kind: BlockKind = "text"
    level: int = 0
    """Of a heading, from 1."""
    name: str = ""
    """Of a heading: its words."""
    page: int = 0
    """On which it begins, from 1; 0 where there are no pages."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Extracted:
    """The text of a document, with the blocks in their order."""

    text: str
    blocks: tuple[Block, ...]
    title: str = ""
    """What the document calls itself; empty where it does not."""
    code_language: str = ""
    """Of a file of source code: ``python``."""
    hidden: tuple[tuple[int, int], ...] = ()
    """What inside blocks is no part of the document, in order: comments within a paragraph."""
    notes: tuple[str, ...] = ()
    """What of it could not be read, a sentence each; the rest could."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, to be sent to another process."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        return cls(
            text=data["text"],
            blocks=tuple(Block(*block) for block in data["blocks"]),
            title=data["title"],
            code_language=data["code_language"],
            hidden=tuple((start, end) for start, end in data["hidden"]),
            notes=tuple(data["notes"]),
        )


LONGEST_MARKED = 1000
"""Characters of a line that may be a heading, a rule or a directive; a longer one is text."""


class Line(NamedTuple):
    """A line of a text, without its end."""

    start: int
    end: int
    words: str

    @property
    def indent(self) -> int:
        """Blanks before the first word."""
        return len(self.words) - len(self.words.lstrip())

    @property
    def is_blank(self) -> bool:
        """Whether it holds no word."""
        return not self.words or self.words.isspace()


def lines_of(text: str) -> Iterator[Line]:
    """The lines of a text whose lines end in a line feed."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield Line(start, end, text[start:end])
        start = end + 1


class Gathering:
    """Blocks as they are found; lines of a paragraph gather until something else comes."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.paragraph: list[Line] = []

    def add(self, line: Line) -> None:
        """Add a line to the paragraph."""
        self.paragraph.append(line)

    def close(self, kind: BlockKind = "text") -> None:
        """End the paragraph, if there is one."""
        if self.paragraph:
            first, last = self.paragraph[0], self.paragraph[-1]
            self.blocks.append(Block(first.start, last.start + len(last.words.rstrip()), kind))
            self.paragraph = []

    def put(self, lines: list[Line], kind: BlockKind) -> None:
        """End the paragraph, and add a block of these lines without the blank ones around them."""
        self.close()
        said = [place for place, line in enumerate(lines) if not line.is_blank]
        self.paragraph = lines[said[0] : said[-1] + 1] if said else []
        self.close(kind)

    def heading(self, start: int, end: int, level: int, name: str) -> None:
        """End the paragraph, and add a heading."""
        self.close()
        self.blocks.append(Block(start, end, "heading", level, " ".join(name.split())))


def first_heading(blocks: tuple[Block, ...]) -> str:
    """The words of the first heading, where a document begins with one."""
    return blocks[0].name if blocks and blocks[0].kind == "heading" else ""
