"""What comes from elsewhere is text in a card, whatever it holds: rendered, nothing of it is markup."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from star_agents.text.markdown import code, code_block, prose

READER = MarkdownIt("gfm-like", {"linkify": False})
HOSTILE = [
    "![x](http://evil.example/pixel.png)",
    "[click](javascript:alert(1))",
    "<img src=x onerror=alert(1)>",
    "<!-- no end",
    "<http://evil.example>",
    "&lt;b&gt;",
    "a | b |\n|---|---|\n| c | d",
    "`code` ``more``",
    "**bold** _it_ ~~gone~~",
    "# heading",
    "- item",
    "+ item",
    "12) item",
    "7. item",
    "===",
    "> quote",
    "$x^2$",
    "http://evil.example www.evil.example",
    "end\\",
    "[^1]",
    "line\n\n---\nnew: head",
]


def kinds(markdown: str) -> set[str]:
    found = set()
    for block in READER.parse(markdown):
        found |= {block.type, *(child.type for child in block.children or ())}
    return found


def shown(markdown: str) -> str:
    return "".join(child.content for block in READER.parse(markdown) for child in block.children or ())


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_it_stands(text: str) -> None:
    assert kinds(prose(text)) <= {"paragraph_open", "inline", "paragraph_close", "text", "text_special"}
    assert shown(prose(text)) == " ".join(text.split())


@pytest.mark.parametrize("text", HOSTILE)
def test_within_a_table_and_a_list_it_stays_in_its_place(text: str) -> None:
    table = READER.parse(f"| a | b |\n|---|---|\n| {prose(text)} | {code(text)} |")
    assert [one.type for one in table].count("td_open") == 2
    assert kinds(f"- {prose(text)}") & {"heading_open", "html_block", "html_inline", "link_open", "image"} == set()
    assert [one.type for one in READER.parse(f"- {prose(text)}")].count("list_item_open") == 1


@given(st.text())
def test_any_text_is_one_line_of_plain_text(text: str) -> None:
    assert kinds(prose(text)) <= {"paragraph_open", "inline", "paragraph_close", "text", "text_special"}
    assert kinds(code(text)) <= {"paragraph_open", "inline", "paragraph_close", "text", "text_special", "code_inline"}
    assert "\n" not in prose(text) + code(text)


@given(st.text(alphabet="`~ab\n#|<"))
def test_a_block_of_code_holds_all_of_it(text: str) -> None:
    (block,) = READER.parse(code_block(text, "yaml"))
    assert (block.type, block.info) == ("fence", "yaml")
    assert block.content.rstrip("\n") == text.rstrip("\n")


def test_what_would_be_a_link_by_itself_is_none() -> None:
    """GFM makes links of bare addresses; the sign that it looks for is escaped."""
    assert not re.search(r"(?<!\\):\/\/|www\.", prose("see http://evil.example and www.evil.example"))
