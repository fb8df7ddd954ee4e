"""What holds for the page's files as they lie: short, whole, nothing from elsewhere, model text never markup."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import star_agents.web

PAGE = Path(star_agents.web.__file__).parent / "page"
OURS = sorted(path for path in PAGE.iterdir() if path.is_file())
MODULES = [path for path in OURS if path.suffix == ".js"]
MAX_LINES = 300
MADE = {"types.js"}
"""Written by a program (``web.page_types``), and longer than what people read."""


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_a_file_is_short_and_names_no_other_host(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert path.name in MADE or text.count("\n") <= MAX_LINES
    assert set(re.findall(r"https?://[^\s\"'`)]+", text)) <= {"http://www.w3.org/2000/svg", "http://127.0.0.1:8321"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_module_makes_markup_of_text(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function", text
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_says_what_it_is_for_and_imports_what_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("// ")
    for name in re.findall(r"(?:from|import\() ?\"\./([^\"]+)\"", text):
        assert (PAGE / name).is_file(), name


def test_every_module_is_used() -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in OURS)
    assert [path.name for path in OURS if path.name != "index.html" and path.name not in texts] == []


def test_the_document_holds_no_script_and_no_style_of_its_own() -> None:
    text = (PAGE / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text)
    for name in re.findall(r"\"assets/([^\"]+)\"", text):
        assert (PAGE / name).is_file() or name.startswith("vendor/"), name


def test_every_id_that_a_module_asks_for_stands_in_the_document() -> None:
    text = (PAGE / "index.html").read_text(encoding="utf-8")
    there = set(re.findall(r"\sid=\"([^\"]+)\"", text))
    asked = {name for path in MODULES for name in re.findall(r"byId\(\"([^\"]+)\"\)", path.read_text(encoding="utf-8"))}
    assert asked <= there
