"""PDF files: their lines with size and place. The home of pypdf; only ``child`` reads them, in bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from pypdf import PageObject, PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

from star_agents.documents.extracted import MOST_CHARACTERS, DocumentError, Extracted
from star_agents.documents.pages import PageLine, text_of_pages

_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "\xa0": " ", "\0": " "}
)


_LAST_BYTES = 4096


def read_pdf(path: Path) -> Extracted:
    """Read the text of a PDF.

    Raises:
        DocumentError: it gives none.
    """
    try:
        reader = PdfReader(path, strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise _encrypted()
        pages, unread = _read_pages(reader)
        title = _title_of(reader)
    except (DependencyError, FileNotDecryptedError):
        raise _encrypted() from None
    except PyPdfError as error:
        raise DocumentError("is a damaged PDF", f"save it again ({error})") from error
    notes = []
    if unread:
        notes.append(f"{unread:,} of {len(pages):,} pages could not be read")
    if not _has_an_end(path):
        notes.append("its end is missing, and pages may be lost with it")
    if not any(line.words for page in pages for line in page):
        raise DocumentError("holds no text: its pages are pictures, as of a scanner", "read them by OCR first")
    return text_of_pages(pages, title=title, notes=notes)


def _has_an_end(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - _LAST_BYTES))
        return b"%%EOF" in file.read()


def _read_pages(reader: PdfReader) -> tuple[list[list[PageLine]], int]:
    """The lines of every page, and how many pages could not be read."""
    pages, unread, characters = list[list[PageLine]](), 0, 0
    for number in range(len(reader.pages)):
        try:
            lines = _lines_of(reader.pages[number])
        except (MemoryError, RecursionError):
            raise
        except Exception:  # pypdf lets whatever a broken object leads to pass through; other pages are none the worse.
            lines, unread = [], unread + 1
        pages.append(lines)
        characters += sum(len(line.words) for line in lines)
        if characters > MOST_CHARACTERS:
            raise DocumentError(f"holds more than {MOST_CHARACTERS // 1_000_000} million characters", "split it")
    if unread and unread == len(pages):
        raise DocumentError("is a damaged PDF", "save it again")
    return pages, unread


def _lines_of(page: PageObject) -> list[PageLine]:
    lines, words, size, height = list[PageLine](), list[str](), 0.0, math.nan

    def end_line() -> None:
        nonlocal words, size, height
        said = " ".join("".join(words).translate(_LIGATURES).split())
        if said:
            lines.append(PageLine(said, size, height))
        words, size, height = [], 0.0, math.nan

    def hear(text: str, outer: Sequence[float], inner: Sequence[float], _: object, font_size: float) -> None:
        nonlocal size, height
        for number, piece in enumerate(text.split("\n")):
            if number:
                end_line()
            if piece.strip():
                words.append(piece)
                size = max(size, abs(font_size * math.hypot(inner[2], inner[3]) * math.hypot(outer[2], outer[3])))
                if math.isnan(height):
                    height = inner[4] * outer[1] + inner[5] * outer[3] + outer[5]
            elif piece:
                words.append(" ")

    page.extract_text(visitor_text=hear)
    end_line()
    return lines


def _title_of(reader: PdfReader) -> str:
    """What its maker called it; programs that only say which file they made it of are not heard."""
    try:
        title = str((reader.metadata and reader.metadata.title) or "")
    except (PyPdfError, ValueError, TypeError, AttributeError, KeyError):
        return ""
    title = " ".join(title.replace("\0", "").split())
    is_of_a_file = title.lower().startswith(("untitled", "microsoft word - ")) or Path(title).suffix.lower() in (
        *(".doc", ".docx", ".pdf", ".tex", ".dvi", ".indd", ".qxd", ".rtf", ".odt"),
    )
    return "" if is_of_a_file else title[:300]


def _encrypted() -> DocumentError:
    return DocumentError("is encrypted", "save it without a password")
