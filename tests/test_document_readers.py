"""What is read of each kind of document, and where it is cut."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from document_files import Put, book, docx, paragraph, pdf
from hypothesis import given, settings
from hypothesis import strategies as st

from star_agents.documents.chunks import Chunk, chunks_of, joined_text
from star_agents.documents.extracted import DocumentError, Extracted
from star_agents.documents.markdown import read_markdown
from star_agents.documents.plain import read_code, read_plain
from star_agents.documents.reading import DocumentReader
from star_agents.documents.restructured import read_restructured
from star_agents.documents.sentences import sentences, tokens_in


def read(folder: Path, name: str, data: bytes | str) -> Extracted:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    with DocumentReader(max_bytes=1 << 26, timeout_s=60) as reader:
        return reader.read(path)


def said(document: Extracted) -> list[tuple[str, str]]:
    """Kind and text of every block."""
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


def headings(document: Extracted) -> list[tuple[int, str]]:
    return [(block.level, block.name) for block in document.blocks if block.kind == "heading"]


def whole(document: Extracted) -> str:
    """All of it as one chunk."""
    (chunk,) = chunks_of(document, chunk_tokens=32_000)
    return chunk.text


MARKDOWN = """\
---
title: "The Guide"
author: nobody
---
<!-- A comment
over lines -->
# Use *it*

A paragraph<!-- ignore -->
of two lines, with `code`.
<Note kind="x">
```python
# no heading

print(1)
```
</Note>

Under
-----
* one
* two

[link]: http://example.org

```rust
{{#include ../listing.rs}}
```

> quoted
>
> twice

<!-- never closed
"""


def test_markdown_gives_blocks_and_not_what_nobody_reads() -> None:
    document = read_markdown(MARKDOWN)
    assert document.title == "The Guide"
    assert headings(document) == [(1, "Use it"), (2, "Under")]
    assert said(document)[1:] == [
        ("text", "A paragraph<!-- ignore -->\nof two lines, with `code`."),
        ("code", "```python\n# no heading\n\nprint(1)\n```"),
        ("heading", "Under\n-----"),
        ("text", "* one\n* two"),
        ("text", "> quoted"),
        ("text", "> twice"),
        ("text", "<!-- never closed"),
    ]
    text = whole(document)
    assert "A paragraph\nof two lines" in text
    assert "> quoted\n>\n> twice" in text
    assert not any(word in text for word in ("ignore", "include", "Note", "http", "nobody"))


RESTRUCTURED = """\
PEP: 999
Title: On Things
Author: A. Person,
        B. Person

========
Things
========

What is::

    code = 1

    more = 2

After. [1]_

.. note::

   Take care.

.. _target: http://example.org

.. This is a comment
   of two lines.

.. image:: x.png

Parts
-----

.. code-block:: python

   def f(): ...

Notes
-----

.. [1] A footnote.

..
   Local Variables:
   mode: indented-text
"""


def test_restructured_text_gives_sections_and_code_and_not_what_nobody_reads() -> None:
    document = read_restructured(RESTRUCTURED)
    assert document.title == "On Things"
    assert headings(document) == [(1, "Things"), (2, "Parts"), (2, "Notes")]
    assert said(document)[1:4] == [
        ("text", "What is::"),
        ("code", "    code = 1\n\n    more = 2"),
        ("text", "After. [1]_"),
    ]
    assert ("code", ".. code-block:: python\n\n   def f(): ...") in said(document)
    text = whole(document)
    assert "Take care." in text
    assert "A footnote." in text
    assert not any(word in text for word in ("Person", "http", "comment", "image", "Variables"))


def test_source_code_is_cut_before_what_begins_at_the_margin() -> None:
    source = "import os\n\n\ndef f():\n    a = 1\n\n    return a\n\n\nclass A:\n    x = (\n\n1\n\n)\n"
    document = read_code(source, "python")
    assert [text for _, text in said(document)] == [
        "import os",
        "def f():\n    a = 1\n\n    return a",
        "class A:\n    x = (",
        "1\n\n)",
    ]
    assert {kind for kind, _ in said(document)} == {"code"}


def test_a_pdf_gives_paragraphs_and_headings_without_what_stands_on_every_page(tmp_path: Path) -> None:
    document = read(tmp_path, "book.pdf", pdf(book(12), title="The Book"))
    assert document.title == "The Book"
    assert headings(document) == [(1, "Chapter 1: Facts of the days"), (1, "Chapter 2: Facts of the days")]
    assert "Book of Facts" not in document.text
    assert "of 12" not in document.text
    assert document.text.count("counted") == 12 * 40
    pages = {block.page for block in document.blocks}
    assert pages <= set(range(1, 13))
    chunks = list(chunks_of(document, chunk_tokens=400))
    assert chunks[0].page == 1
    assert chunks[-1].headings == ("Chapter 2: Facts of the days",)


def test_words_that_a_line_of_a_pdf_parts_are_whole_again(tmp_path: Path) -> None:
    lines = ["The obser-", "ver saw the e\xadffect, and", "- a list", "- of two"]
    page = [Put(words, y=700 - 14 * number) for number, words in enumerate(lines)]
    assert read(tmp_path, "a.pdf", pdf([page])).text.split("\n\n")[0].startswith("The observer saw the")
    assert "- a list\n\n- of two" in read(tmp_path, "a.pdf", pdf([page])).text


HTML = """<!DOCTYPE html><html><head><title>Of Rivers</title></head><body>
<nav><ul><li><a href="/">Home</a></li><li><a href="/about">About us</a></li></ul></nav>
<header><a href="/login">Log in</a></header>
<main><article><h1>Of Rivers</h1>
<p>A river is a natural stream of water that flows towards an ocean, a lake or another river, as everybody knows.</p>
<h2>Sources</h2>
<p>Most rivers begin at a spring, at a lake, or where snow melts in the mountains, and they grow on their way down.</p>
<ul><li>springs</li><li>melting snow</li></ul>
<pre><code>flow = rain - loss</code></pre>
</article></main>
<footer>Copyright 2026 Example Corp. All rights reserved. <a href="/imprint">Imprint</a></footer></body></html>"""


def test_html_gives_its_text_with_headings_and_without_navigation(tmp_path: Path) -> None:
    document = read(tmp_path, "a.html", HTML)
    assert document.title == "Of Rivers"
    assert headings(document) == [(1, "Of Rivers"), (2, "Sources")]
    assert "natural stream" in document.text
    assert "melting snow" in document.text
    assert "flow = rain - loss" in document.text
    assert not any(word in document.text for word in ("Home", "About us", "Log in", "Imprint", "Copyright"))


def test_a_word_file_gives_its_body_with_headings_and_tables_and_without_what_was_deleted(tmp_path: Path) -> None:
    cell = "<w:tc>" + paragraph("{}") + "</w:tc>"
    row = "<w:tr>" + cell + cell + "</w:tr>"
    body = (
        paragraph("The Title", "Title")
        + paragraph("Erste Schritte", "berschrift1")
        + paragraph("Words of it &amp; more.")
        + "<w:p><w:r><w:t>kept</w:t></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>"
        + "<w:tbl>"
        + row.format("a", "b")
        + row.format("c", "d")
        + "</w:tbl>"
        + paragraph("The end.")
    )
    styles = (
        '<w:styles xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        '<w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>'
        '<w:style w:styleId="Title"><w:name w:val="Title"/></w:style></w:styles>'
    )
    document = read(tmp_path, "a.docx", docx(body, more={"word/styles.xml": styles.encode()}))
    assert document.title == "The Title"
    assert headings(document) == [(1, "The Title"), (1, "Erste Schritte")]
    assert [text for _, text in said(document)][2:] == ["Words of it & more.", "kept", "a | b\nc | d", "The end."]


def test_a_text_may_have_any_ends_of_lines_and_any_encoding_that_tells_itself(tmp_path: Path) -> None:
    text = "Grüße.\r\n\r\nZwei.\rDrei."
    for data in (text.encode(), text.encode("utf-8-sig"), text.encode("utf-16"), text.encode("utf-32")):
        assert [words for _, words in said(read(tmp_path, "a.txt", data))] == ["Grüße.", "Zwei.\nDrei."]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.txt", b"", "is empty"),
        ("a.md", b"# Only a heading\n", "holds no text"),
        ("a.txt", b"ab\0c", "is no text: it holds NUL bytes"),
        ("a.txt", "Grüße".encode("latin-1"), "is no UTF-8 text"),
        ("a.pdf", b"%PDF-1.4\nnothing", "is a damaged PDF"),
        ("a.pdf", pdf([[], []]), "holds no text: its pages are pictures, as of a scanner"),
        ("a.docx", b"PK\3\4 no zip", "is a damaged Word document"),
        ("a.docx", docx("<w:p>").replace(b"word/document.xml", b"word/documant.xml"), "is no Word document"),
        (
            "a.html",
            b"<html><body><nav><a href='/'>Home</a></nav></body></html>",
            "holds no text besides its navigation",
        ),
        ("a.png", b"png", "is of a kind that is not read"),
    ],
)
def test_a_document_that_gives_nothing_says_why(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    with pytest.raises(DocumentError) as told:
        read(tmp_path, name, data)
    assert str(told.value) == reason


def sections(*lengths: int) -> Extracted:
    """Sections of so many sentences of ten tokens."""
    parts = [
        f"# Part {number}\n\n" + " ".join(f"The thing {number} counts {one:8} of these." for one in range(length))
        for number, length in enumerate(lengths)
    ]
    return read_markdown("\n\n".join(parts))


def test_a_section_that_is_too_long_is_cut_between_sentences_into_parts_of_about_one_length() -> None:
    chunks = list(chunks_of(sections(50), chunk_tokens=200))
    assert {chunk.headings for chunk in chunks} == {("Part 0",)}
    assert all(chunk.text.endswith(".") for chunk in chunks)
    sizes = [tokens_in(chunk.text) for chunk in chunks]
    assert max(sizes) <= 200
    assert min(sizes) > 100


def test_sections_begin_chunks_and_small_ones_go_with_their_neighbours() -> None:
    chunks = list(chunks_of(sections(12, 12, 1, 15), chunk_tokens=200))
    assert [chunk.text.count("# Part") for chunk in chunks] == [1, 2, 1]
    assert [chunk.headings for chunk in chunks] == [("Part 0",), ("Part 1",), ("Part 3",)]


def test_headings_make_a_path() -> None:
    text = "# A\n\n" + "a " * 80 + "\n## B\n\n" + "b " * 80 + "\n### C\n\n" + "c " * 80 + "\n## D\n\n" + "d " * 80
    found = [chunk.headings for chunk in chunks_of(read_markdown(text), chunk_tokens=60)]
    assert found == [("A",), ("A", "B"), ("A", "B", "C"), ("A", "D")]


def test_an_overlap_repeats_the_last_sentences_and_no_more_than_was_asked() -> None:
    document = sections(50)
    plain = list(chunks_of(document, chunk_tokens=200))
    chunks = list(chunks_of(document, chunk_tokens=200, overlap_tokens=25))
    assert len(chunks) == len(plain)
    for before, chunk, alone in zip(plain, chunks[1:], plain[1:], strict=False):
        repeated = chunk.text.removesuffix(alone.text)
        assert 0 < tokens_in(repeated) <= 25
        assert before.text.endswith(repeated.rstrip())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Mr. Holmes saw it, e.g. the cab. It left.", ["Mr. Holmes saw it, e.g. the cab.", "It left."]),
        ("“Stop!” he said. “Why?” Nobody knew.", ["“Stop!” he said.", "“Why?”", "Nobody knew."]),
        ("空は青い。なぜですか？はい。", ["空は青い。", "なぜですか？", "はい。"]),
        ("It is 3.5 m. by J. Smith", ["It is 3.5 m. by J. Smith"]),
    ],
)
def test_sentences_end_where_they_do(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in sentences(text, 0, len(text))] == expected


WORDS = st.sampled_from(
    ["# H\n", "## H2\n\n", "word ", "a. B", "\n\n", "```\n", "<!-- x -->", "> q\n", "空。", "...", "    in\n", " " * 20]
)


@settings(max_examples=150)
@given(
    st.lists(WORDS, max_size=120), st.integers(8, 60), st.sampled_from([read_markdown, read_restructured, read_plain])
)
def test_whatever_stands_there_chunks_keep_to_the_limit_and_point_to_their_text(
    parts: list[str], limit: int, reader: object
) -> None:
    assert callable(reader)
    document: Extracted = reader("".join(parts))
    chunks = list(chunks_of(document, chunk_tokens=limit))
    check(document, chunks, limit)
    words = "".join(document.text[block.start : block.end] for block in document.blocks if block.kind != "heading")
    for start, end in document.hidden:
        words = words.replace(document.text[start:end], "")
    assert "".join("".join(chunk.text for chunk in chunks).split()).count("word") == words.count("word")


def check(document: Extracted, chunks: list[Chunk], limit: int) -> None:
    """What holds for all chunks: they are short, say something, point to their text, and stand in order."""
    at = 0
    for chunk in chunks:
        assert chunk.text.strip()
        assert tokens_in(chunk.text) <= limit
        assert chunk.text == joined_text(document.text, chunk.spans)
        for start, end in chunk.spans:
            assert at <= start < end <= len(document.text)
            at = end


def test_a_page_of_nothing_but_marks_costs_no_more_than_one_of_words() -> None:
    for piece in (". ", ".", "<!--", "# ", "> ", "`", "*", "[a]: ", "==\n", ".. x\n", ":a: b\n", " ", "\n", "("):
        text = piece * 20_000
        for reader in (read_markdown, read_restructured, read_plain):
            for _ in chunks_of(reader(text), chunk_tokens=1000):
                pass


def test_the_count_of_tokens_is_near_what_a_tokenizer_counts(shared_data: Path) -> None:
    from tokenizers import Tokenizer  # noqa: PLC0415 - only here

    counts = Tokenizer.from_file(str(shared_data / "tokenizers" / "gpt-neox-20b" / "tokenizer.json"))
    for path in sorted((shared_data / "documents").rglob("*.[rm][sd]*")):
        text = path.read_text("utf-8")
        assert 0.85 < tokens_in(text) / len(counts.encode(text).ids) < 1.2, path


def test_a_chunk_that_would_be_a_heading_alone_is_none() -> None:
    text = textwrap.dedent("""\
        # A

        Words.

        # B
        # C
        """)
    (chunk,) = chunks_of(read_markdown(text), chunk_tokens=100)
    assert chunk.headings == ("A",)
    assert list(chunks_of(read_markdown("# A\n\n# B\n"), chunk_tokens=100)) == []
