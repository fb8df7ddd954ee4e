"""Real documents: PEPs, chapters of a book, stories. Chunks are sane, without boilerplate, and point to their text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from star_agents.admission.language import UNKNOWN, language_of
from star_agents.documents.chunks import Chunk, chunks_of, joined_text
from star_agents.documents.extracted import Extracted
from star_agents.documents.folder import files_below
from star_agents.documents.reading import DocumentReader
from star_agents.documents.sentences import tokens_in

LIMIT = 500


@pytest.fixture
def real(shared_data: Path) -> dict[str, tuple[Extracted, list[Chunk]]]:
    """What is read of every document, and its chunks, by the file's name."""
    found = {}
    with DocumentReader(max_bytes=1 << 26, timeout_s=60) as reader:
        for path, why_not in files_below(shared_data / "documents"):
            if why_not is None and path.name != "LICENSE.md":
                document = reader.read(path)
                found[path.name] = (document, list(chunks_of(document, chunk_tokens=LIMIT)))
    assert len(found) == 11 + 7 + 3
    return found


def test_real_documents_give_chunks_that_can_be_read_by_themselves(
    real: dict[str, tuple[Extracted, list[Chunk]]], shared_data: Path
) -> None:
    languages = Counter[str]()
    for name, (document, chunks) in real.items():
        sizes = [tokens_in(chunk.text) for chunk in chunks]
        assert max(sizes) <= LIMIT
        assert sorted(sizes)[len(sizes) // 2] > LIMIT / 2, name
        assert sum(size < LIMIT / 8 for size in sizes) <= 1, name
        assert document.title, name
        languages.update(language_of(chunk.text).code for chunk in chunks)
        assert all(chunk.headings for chunk in chunks), name
        assert not any(chunk.text[-1].isspace() for chunk in chunks), name
        kept = sum(end - start for chunk in chunks for start, end in chunk.spans)
        least = 0.7 if name.startswith("ch") else 0.9  # A fifth of the book's chapters are includes, links, comments.
        assert kept > least * len(document.text.strip()), name
        for chunk in chunks:
            assert chunk.text == joined_text(document.text, chunk.spans)
        if not name.endswith(".xhtml"):
            (path,) = (shared_data / "documents").rglob(name)
            with path.open(encoding="utf-8-sig") as file:
                assert file.read() == document.text  # So spans point into the file as Python reads it.
    assert languages["en"] > 0.97 * languages.total()
    assert languages.keys() <= {"en", UNKNOWN}  # A piece of a grammar is of no language.


def test_real_documents_are_rid_of_what_is_only_around_their_text(
    real: dict[str, tuple[Extracted, list[Chunk]]],
) -> None:
    text = {name: "\n".join(chunk.text for chunk in chunks) for name, (_, chunks) in real.items()}
    for name in text:
        if name.startswith("pep"):
            assert not any(mark in text[name] for mark in ("Post-History:", "Content-Type:", "Local Variables:")), name
            assert "\n.. _" not in text[name], name
        if name.startswith("ch"):
            assert not any(mark in text[name] for mark in ("<!--", "-->", "{{#", "<Listing", "</Listing")), name
            assert "\n[" not in text[name].replace("\n[“", "").replace("\n[`", "") or "]: " not in text[name], name
        if name.endswith("xhtml"):
            assert not any(mark in text[name] for mark in ("epub:", "<p", "&#", "css")), name
    story = text["a-scandal-in-bohemia.xhtml"]
    assert "To Sherlock Holmes she is always *the* woman." in story
    assert story.rstrip().endswith("the honourable title of *the* woman.")
    assert "Errors should never pass silently." in text["pep-0020.rst"]
    document, chunks = real["ch04-01-what-is-ownership.md"]
    assert document.title == "What Is Ownership?"
    assert ("What Is Ownership?", "Memory and Allocation", "Scope and Assignment") in {one.headings for one in chunks}
