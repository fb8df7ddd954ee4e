"""Hostile documents: each is refused in bounds of time and memory, in words, and the next one is read."""

from __future__ import annotations

import io
import os
import resource
import socket
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from document_files import WORDS, Put, book, docx, paragraph, pdf, pdf_of, stream, stream_of_blanks

from star_agents.documents.bounded import unchanged
from star_agents.documents.extracted import MOST_CHARACTERS, DocumentError
from star_agents.documents.folder import DEEPEST, files_below
from star_agents.documents.isolation import IsolatedReader
from star_agents.documents.reading import DocumentReader

PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>"
FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
CATALOGUE = b"<< /Type /Catalog /Pages 2 0 R >>"
GOOD = pdf([[Put("All is well here.")]])


def of_one_page(
    content: bytes, *, pages: bytes = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", font: bytes = FONT
) -> bytes:
    return pdf_of({1: CATALOGUE, 2: pages, 3: PAGE, 4: content, 5: font})


def hostile_pdfs() -> dict[str, bytes]:
    deep = b"[" * 100_000 + b"]" * 100_000
    words = b"BT /F1 11 Tf 72 700 Td (x) Tj ET "
    return {
        "pages-within-themselves": of_one_page(stream(words), pages=b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 >>"),
        "a-font-that-is-deep": of_one_page(
            stream(words), font=b"<< /Type /Font /Subtype /Type1 /Widths " + deep + b" >>"
        ),
        "a-page-that-unpacks-a-thousand-fold": of_one_page(stream_of_blanks(1 << 28)),
        "a-page-packed-many-times": of_one_page(
            b"<< /Filter [" + b"/FlateDecode " * 5000 + b"] /Length 4 >>\nstream\nabcd\nendstream"
        ),
        "tables-of-references-in-a-circle": GOOD.replace(b"/Size", b"/Prev 9 /Size"),
        "a-billion-pages": of_one_page(stream(words), pages=b"<< /Type /Pages /Kids [3 0 R] /Count 1000000000 >>"),
        "a-length-beyond-the-file": of_one_page(b"<< /Length 999999999 >>\nstream\nabcd\nendstream"),
        "cut-in-the-middle": pdf(book(3))[:4000],
        "an-encrypted-one": pdf_of(
            {1: CATALOGUE, 2: b"<< /Type /Pages /Kids [] /Count 0 >>"},
            trailer="/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <" + "00" * 32 + "> /U <" + "11" * 32 + "> >> "
            "/ID [<00> <00>] ",
        ),
    }


def hostile_docxs() -> dict[str, bytes]:
    laughs = "".join(f'<!ENTITY l{number} "{f"&l{number - 1};" * 10}">' for number in range(1, 20))
    entities = (
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]><w:document xmlns:w="{WORDS}">&l19;</w:document>'
    )
    return {
        "a-body-that-unpacks-a-thousand-fold": _bomb(),
        "entities-within-entities": docx("", more={"word/document.xml": entities.encode()}),
        "elements-within-elements": docx("<w:p>" * 10_000 + "</w:p>" * 10_000),
        "too-many-words": docx(paragraph("word " * 100_000) * (MOST_CHARACTERS // 500_000 + 1)),
        "no-end": docx(paragraph("words"))[:-30],
    }


def _bomb() -> bytes:
    """A quarter of a gigabyte of blanks, a quarter of a megabyte packed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed, packed.open("word/document.xml", "w") as part:
        part.write(f'<w:document xmlns:w="{WORDS}"><w:body>'.encode())
        for _ in range(256):
            part.write(b" " * (1 << 20))
    return out.getvalue()


@pytest.fixture
def reader() -> Iterator[DocumentReader]:
    with DocumentReader(max_bytes=1 << 26, timeout_s=20) as made:
        yield made


def test_hostile_pdfs_are_refused_and_the_next_one_is_read(tmp_path: Path, reader: DocumentReader) -> None:
    files = hostile_pdfs()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = {}
    for name, data in files.items():
        path = tmp_path / f"{name}.pdf"
        path.write_bytes(data)
        try:
            assert len(reader.read(path).text) < 100_000, name
        except DocumentError as error:
            refused[name] = str(error)
        (tmp_path / "good.pdf").write_bytes(GOOD)
        assert reader.read(tmp_path / "good.pdf").text == "All is well here.", name
    assert refused["an-encrypted-one"] == "is encrypted"
    assert len(refused) >= 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_hostile_word_files_are_refused_and_the_next_one_is_read(tmp_path: Path, reader: DocumentReader) -> None:
    refused = {}
    for name, data in hostile_docxs().items():
        path = tmp_path / f"{name}.docx"
        path.write_bytes(data)
        with pytest.raises(DocumentError) as told:
            reader.read(path)
        refused[name] = str(told.value)
        (tmp_path / "good.docx").write_bytes(docx(paragraph("All is well here.")))
        assert reader.read(tmp_path / "good.docx").text == "All is well here."
    assert refused == {
        "a-body-that-unpacks-a-thousand-fold": "unpacks to more than 244 MiB",
        "entities-within-entities": "declares a document type, as no Word document does",
        "elements-within-elements": "is nested too deeply",
        "too-many-words": "holds more than 16 million characters",
        "no-end": "is a damaged Word document",
    }


def test_hostile_pages_are_refused_or_read_in_bounds(tmp_path: Path, reader: DocumentReader) -> None:
    for name, page in {
        "deep": "<div>" * 100_000 + "words",
        "wide": "<p>word</p>" * 10_000,
        "attributes": f"<p {' '.join(f'a{number}=1' for number in range(5_000))}>words</p>",
    }.items():
        path = tmp_path / f"{name}.html"
        path.write_text(f"<html><body>{page}</body></html>")
        try:
            reader.read(path)
        except DocumentError as error:
            assert str(error)  # noqa: PT017 - either is good
    path.write_text("<html><body><p>All is well here.</p></body></html>")
    assert reader.read(path).text == "All is well here."


def test_a_file_that_takes_too_long_is_given_up_and_its_process_is_gone(tmp_path: Path) -> None:
    (tmp_path / "good.pdf").write_bytes(GOOD)
    (tmp_path / "long.pdf").write_bytes(pdf(book(400)))
    with IsolatedReader(0.5) as reader:
        reader.read(tmp_path / "good.pdf", "pdf")
        began = time.monotonic()
        with pytest.raises(DocumentError, match=r"takes longer than 0\.5 s|ends the process that reads it"):
            reader.read(tmp_path / "long.pdf", "pdf")
        assert time.monotonic() - began < 10
        assert reader.read(tmp_path / "good.pdf", "pdf").text == "All is well here."


def test_a_text_of_a_gigabyte_is_refused_without_being_read(tmp_path: Path, reader: DocumentReader) -> None:
    path = tmp_path / "long.txt"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DocumentError, match="is larger than 64 MiB") as told:
        reader.read(path)
    assert "documents.max_mib" in told.value.fix
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_a_text_of_too_many_characters_is_refused(tmp_path: Path, reader: DocumentReader) -> None:
    path = tmp_path / "long.md"
    path.write_bytes(b"words\n" * (MOST_CHARACTERS // 6 + 1))
    with pytest.raises(DocumentError, match="holds more than 16 million characters"):
        reader.read(path)


def test_a_file_that_changes_or_vanishes_while_it_is_read_gives_nothing(tmp_path: Path, reader: DocumentReader) -> None:
    path = tmp_path / "a.md"
    path.write_text("one")
    with pytest.raises(DocumentError, match="changed while it was read"), unchanged(path):
        path.write_text("two, and more")
    with pytest.raises(DocumentError, match="changed while it was read"), unchanged(path):
        path.unlink()
    with pytest.raises(DocumentError, match="is gone: it was removed or renamed meanwhile"):
        reader.read(path)


def test_what_is_no_file_is_never_opened(tmp_path: Path, reader: DocumentReader) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    (tmp_path / "link.md").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "door.md"))
        told = {}
        for name in ("pipe", "link", "door"):
            with pytest.raises(DocumentError) as error:
                reader.read(tmp_path / f"{name}.md")
            told[name] = str(error.value)
    assert told == {
        "pipe": "is a pipe, and is not read",
        "link": "is a symbolic link, which is not followed",
        "door": "is a socket, and is not read",
    }


def test_a_folder_is_gone_through_in_order_and_never_left(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    (folder / "b" / "deep").mkdir(parents=True)
    (folder / ".git").mkdir()
    for name in ("b/deep/z.md", "b/a.PDF", "c.txt", "a.rows.jsonl.gz", ".git/x.md", ".hidden.md", "x.png", "noext"):
        (folder / name).write_text("x")
    (folder / "b" / "loop").symlink_to(folder)
    (folder / "out.md").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    found = {str(path.relative_to(folder)): str(error) if error else "" for path, error in files_below(folder)}
    assert found == {
        "a.rows.jsonl.gz": "",
        "b/a.PDF": "",
        "b/deep/z.md": "",
        "b/loop": "is a symbolic link, which is not followed",
        "c.txt": "",
        "noext": "is of a kind that is not read",
        "out.md": "is a symbolic link, which is not followed",
        "pipe": "is a pipe, and is not read",
        "x.png": "is of a kind that is not read (.png)",
    }
    assert list(found) == sorted(found)


def test_folders_within_folders_end_somewhere(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(DEEPEST + 5):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "a.md").write_text("x")
    ((path, error),) = files_below(tmp_path)
    assert str(error) == f"is a folder below {DEEPEST} others, and is not read"
    assert len(path.relative_to(tmp_path).parts) == DEEPEST


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc to look at a process by")
def test_the_process_that_reads_documents_of_strangers_knows_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINE_TEST_KEY", "sk-line-test")
    (tmp_path / "page.html").write_text(
        "<html><body><p>The river Tal rises at Holm, and it flooded a mill.</p></body></html>"
    )
    with IsolatedReader(timeout_s=60) as reader:
        assert "rises at Holm" in reader.read(tmp_path / "page.html", "html").text
        assert reader._child is not None
        environment = Path(f"/proc/{reader._child.pid}/environ").read_bytes()
    assert b"PYTHONPATH=" in environment
    assert b"sk-line-test" not in environment
