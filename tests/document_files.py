"""Files of documents, made by hand: PDFs of text, and hostile ones; Word files, and hostile ones."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

WORDS = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


class Put(NamedTuple):
    """Words on a page."""

    words: str
    x: float = 72
    y: float = 700
    size: float = 11


def pdf(pages: Sequence[Sequence[Put]], *, title: str = "", packed: bool = True) -> bytes:
    """A PDF whose pages hold these words, in Helvetica."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    }
    for number, page in enumerate(pages):
        content = 5 + 2 * number
        resources = "/Resources << /Font << /F1 3 0 R >> >> /MediaBox [0 0 612 792]"
        objects[content - 1] = f"<< /Type /Page /Parent 2 0 R {resources} /Contents {content} 0 R >>".encode()
        drawn = b"\n".join(map(_drawn, page))
        objects[content] = stream(drawn, packed=packed)
    info = 4 + 2 * len(pages)
    objects[info] = b"<< /Title (" + title.encode("cp1252") + b") >>"
    return pdf_of(objects, info=info)


def _drawn(put: Put) -> bytes:
    words = put.words.encode("cp1252")
    for mark in (b"\\", b"(", b")"):
        words = words.replace(mark, b"\\" + mark)
    return f"BT /F1 {put.size} Tf {put.x} {put.y} Td (".encode() + words + b") Tj ET"


def stream(data: bytes, *, packed: bool = True) -> bytes:
    """An object that holds a stream."""
    data = zlib.compress(data) if packed else data
    packing = "/Filter /FlateDecode " if packed else ""
    return f"<< {packing}/Length {len(data)} >>\nstream\n".encode() + data + b"\nendstream"


def stream_of_blanks(length: int) -> bytes:
    """An object that holds a stream of so many blanks, packed a megabyte at a time."""
    packer, pieces = zlib.compressobj(), list[bytes]()
    for _ in range(length >> 20):
        pieces.append(packer.compress(b" " * (1 << 20)))
    data = b"".join([*pieces, packer.flush()])
    return f"<< /Filter /FlateDecode /Length {len(data)} >>\nstream\n".encode() + data + b"\nendstream"


def pdf_of(objects: Mapping[int, bytes], *, info: int = 0, trailer: str = "") -> bytes:
    """A PDF of these objects; the first is its catalogue."""
    out = io.BytesIO()
    out.write(b"%PDF-1.7\n")
    places = {}
    for number, body in objects.items():
        places[number] = out.tell()
        out.write(f"{number} 0 obj\n".encode() + body + b"\nendobj\n")
    start, size = out.tell(), max(objects) + 1
    out.write(f"xref\n0 {size}\n0000000000 65535 f \n".encode())
    for number in range(1, size):
        out.write(f"{places[number]:010} 00000 n \n".encode() if number in places else b"0000000000 65535 f \n")
    named = f"/Info {info} 0 R " if info else ""
    out.write(f"trailer\n<< /Size {size} /Root 1 0 R {named}{trailer}>>\nstartxref\n{start}\n%%EOF\n".encode())
    return out.getvalue()


def book(pages: int, *, lines: int = 40) -> list[list[Put]]:
    """A book with a running head, page numbers, and a chapter on every tenth page."""
    made = []
    for number in range(1, pages + 1):
        page = [Put(f"The Book of Facts      Part {1 + number // 50}", y=770, size=9)]
        y = 740.0
        if number % 10 == 1:
            page.append(Put(f"Chapter {1 + number // 10}: Facts of the days", y=y, size=18))
            y -= 30
        for line in range(lines):
            ends = "." if line % 4 == 3 else ""
            page.append(
                Put(f"On day {number} the observer {line} counted {number * line + 7} birds near the river{ends}", y=y)
            )
            y -= 14 if line % 8 != 7 else 26
        page.append(Put(f"Page {number} of {pages}", x=280, y=30, size=9))
        made.append(page)
    return made


def docx(
    body: str, *, more: Mapping[str, bytes] | None = None, title: str = "", level: int = zipfile.ZIP_DEFLATED
) -> bytes:
    """A Word file whose body is this XML, with the prefix ``w``."""
    document = f'<?xml version="1.0"?><w:document xmlns:w="{WORDS}"><w:body>{body}</w:body></w:document>'
    core = (
        '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></cp:coreProperties>'
    )
    parts = {"word/document.xml": document.encode(), "docProps/core.xml": core.encode(), **(more or {})}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", level) as packed:
        for name, data in parts.items():
            packed.writestr(name, data)
    return out.getvalue()


def paragraph(words: str, style: str = "") -> str:
    """A paragraph of a Word file, in a style such as ``Heading1``."""
    styled = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{styled}<w:r><w:t>{words}</w:t></w:r></w:p>"
