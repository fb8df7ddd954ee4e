"""Word files (.docx): the paragraphs of their body, with headings and tables.

Read by hand, and not by a library: of all that a Word file may hold, a chunk needs paragraphs, styles and tables, which
are a hundred lines here; they stream, so that a part which unpacks to terabytes costs what may be read of it and no
more; and no document type is let in, so that no entity is ever expanded. Headers, footers, notes and comments stand in
parts of their own, which are not opened; what was deleted under revision is left out.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from star_agents.documents.extracted import MOST_CHARACTERS, Block, DocumentError, Extracted, first_heading

MOST_BYTES = 16 * MOST_CHARACTERS
"""Of one part of the file, unpacked: markup is much of it."""
MOST_PARTS = 100_000
_READ_AT_ONCE = 1 << 16
_DEEPEST = 200
_BODY, _CORE, _STYLES = "word/document.xml", "docProps/core.xml", "word/styles.xml"
_HEADING = re.compile(r"heading\s*([1-9])", re.IGNORECASE)
_HIDDEN = {"del", "moveFrom", "instrText", "delText", "txbxContent"}
"""Elements whose text is not read: what was deleted, fields' instructions, text boxes, which Word keeps twice."""
_BETWEEN = {"tab": " ", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}


def read_docx(path: Path) -> Extracted:
    """Read the body of a Word file.

    Raises:
        DocumentError: it gives no text.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            if len(packed.infolist()) > MOST_PARTS:
                raise DocumentError(f"has more than {MOST_PARTS:,} parts")
            if _BODY not in packed.namelist():
                raise DocumentError("is no Word document", "save it as .docx")
            body = _Body(_levels(packed))
            _parse(packed, _BODY, body)
            blocks = tuple(body.blocks)
            title = body.title or _title(packed)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError, ValueError) as error:
        raise DocumentError("is a damaged Word document", "save it again") from error
    except RuntimeError as error:  # zipfile has no better word for a password.
        raise DocumentError("is encrypted", "save it without a password") from error
    if not blocks:
        raise DocumentError("is empty")
    return Extracted(text="".join(body.text), blocks=blocks, title=title or first_heading(blocks))


def _parse(packed: zipfile.ZipFile, part: str, into: _Elements) -> None:
    """Read one part of the file as it is unpacked."""
    parser = expat.ParserCreate(namespace_separator="|")
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.StartElementHandler = into.begin
    parser.EndElementHandler = into.end
    parser.CharacterDataHandler = into.words
    size = 0
    try:
        with packed.open(part) as file:
            while data := file.read(_READ_AT_ONCE):
                size += len(data)
                if size > MOST_BYTES:
                    raise DocumentError(f"unpacks to more than {MOST_BYTES >> 20} MiB")
                parser.Parse(data, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise DocumentError("is a damaged Word document", "save it again") from error


def _refuse_document_type(*_: object) -> NoReturn:
    raise DocumentError("declares a document type, as no Word document does")


def _levels(packed: zipfile.ZipFile) -> Mapping[str, int]:
    """Of each style that is of headings, its level: their ids are translated, and their names are not."""
    if _STYLES not in packed.namelist():
        return {}
    styles = _Styles()
    _parse(packed, _STYLES, styles)
    return styles.levels


def _title(packed: zipfile.ZipFile) -> str:
    if _CORE not in packed.namelist():
        return ""
    core = _Core()
    _parse(packed, _CORE, core)
    return " ".join("".join(core.title).split())[:300]


class _Elements:
    """Hears of elements by their local names."""

    def __init__(self) -> None:
        self.depth = 0

    def begin(self, name: str, attributes: Mapping[str, str]) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise DocumentError("is nested too deeply")
        values = {key.rpartition("|")[2]: value for key, value in attributes.items()}
        self.begins(name.rpartition("|")[2], values)

    def end(self, name: str) -> None:
        self.depth -= 1
        self.ends(name.rpartition("|")[2])

    def words(self, text: str) -> None:
        """Text within an element."""

    def begins(self, name: str, values: Mapping[str, str]) -> None:
        """An element begins."""

    def ends(self, name: str) -> None:
        """An element ends."""


class _Styles(_Elements):
    def __init__(self) -> None:
        super().__init__()
        self.levels: dict[str, int] = {}
        self._style = ""

    def begins(self, name: str, values: Mapping[str, str]) -> None:
        if name == "style":
            self._style = values.get("styleId", "")
        elif name == "name" and (heading := _HEADING.fullmatch(values.get("val", ""))):
            self.levels[self._style] = int(heading[1])
        elif name == "name" and values.get("val", "").lower() == "title":
            self.levels[self._style] = 0


class _Core(_Elements):
    def __init__(self) -> None:
        super().__init__()
        self.title: list[str] = []
        self._is_title = False

    def begins(self, name: str, values: Mapping[str, str]) -> None:
        self._is_title = name == "title"

    def ends(self, name: str) -> None:
        self._is_title = False

    def words(self, text: str) -> None:
        if self._is_title:
            self.title.append(text)


class _Body(_Elements):
    """Gathers paragraphs and rows of tables."""

    def __init__(self, levels: Mapping[str, int]) -> None:
        super().__init__()
        self.text: list[str] = []
        self.blocks: list[Block] = []
        self.title = ""
        self._levels = levels
        self._at = 0
        self._words: list[str] = []
        self._cells: list[str] = []
        self._hidden = self._tables = 0
        self._is_words = self._in_table = False
        self._style = ""
        self._level: int | None = None

    def begins(self, name: str, values: Mapping[str, str]) -> None:
        if name in _HIDDEN:
            self._hidden += 1
        elif name == "p":
            self._style, self._level = "", None
        elif name == "pStyle":
            self._style = values.get("val", "")
        elif name == "outlineLvl" and values.get("val", "").isdecimal():
            self._level = int(values["val"]) + 1
        elif name == "tbl":
            self._tables += 1
        elif name == "t":
            self._is_words = True
        elif name in _BETWEEN and not self._hidden:
            self._words.append(_BETWEEN[name])

    def ends(self, name: str) -> None:
        if name in _HIDDEN:
            self._hidden -= 1
        elif name == "t":
            self._is_words = False
        elif name == "p" and self._tables:
            self._words.append(" ")
        elif name == "p":
            self._paragraph()
        elif name == "tc":
            self._cells.append(" ".join("".join(self._words).split()))
            self._words = []
        elif name == "tr":
            self._put(" | ".join(self._cells), joined=True)
            self._cells = []
        elif name == "tbl":
            self._tables -= 1
            self._in_table = False

    def words(self, text: str) -> None:
        if self._is_words and not self._hidden:
            self._words.append(text)

    def _paragraph(self) -> None:
        words = "\n".join(" ".join(line.split()) for line in "".join(self._words).split("\n")).strip()
        self._words = []
        heading = _HEADING.fullmatch(self._style)
        level = self._levels.get(self._style, int(heading[1]) if heading else self._level)
        if words and level == 0 and not self.title:
            self.title = words
        self._put(words, level=level if level is None else max(1, min(level, 9)))

    def _put(self, words: str, *, level: int | None = None, joined: bool = False) -> None:
        """Add a block; rows of a table are lines of one."""
        if not words.strip(" |"):
            return
        if self._at + len(words) > MOST_CHARACTERS:
            raise DocumentError(f"holds more than {MOST_CHARACTERS // 1_000_000} million characters", "split it")
        is_row = joined and bool(self.blocks) and self._in_table
        gap = "\n" if is_row else "\n\n" if self.text else ""
        start = self._at + len(gap)
        self.text += (gap, words)
        self._at = start + len(words)
        if is_row:
            self.blocks[-1] = self.blocks[-1]._replace(end=self._at)
        elif level:
            self.blocks.append(Block(start, self._at, "heading", level, " ".join(words.split())))
        else:
            self.blocks.append(Block(start, self._at))
        self._in_table = joined
