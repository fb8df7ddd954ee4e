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
DOCUMENTS = ("index.html", "browse.html")
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
    assert [path.name for path in OURS if path.name not in DOCUMENTS and path.name not in texts] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_document_holds_no_script_and_no_style_of_its_own(document: str) -> None:
    text = (PAGE / document).read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text)
    for name in re.findall(r"\"assets/([^\"]+)\"", text):
        assert (PAGE / name).is_file() or name.startswith("vendor/"), name


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_id_that_a_module_asks_for_stands_in_the_document(document: str) -> None:
    text = (PAGE / document).read_text(encoding="utf-8")
    there = set(re.findall(r"\sid=\"([^\"]+)\"", text))
    # A module that both documents load may hold, beside what both use, a part that only one of them calls.
    shared = set.intersection(*map(loaded_by, DOCUMENTS)) if document != DOCUMENTS[0] else set()
    asked = {name for path in loaded_by(document) - shared for name in ids_asked_for(path)}
    assert asked <= there


def loaded_by(document: str) -> set[str]:
    """The modules that a document loads, one by another."""
    waiting = re.findall(r"<script[^>]*\ssrc=\"assets/([^\"]+)\"", (PAGE / document).read_text(encoding="utf-8"))
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found and (PAGE / name).is_file():
            found.add(name)
            text = (PAGE / name).read_text(encoding="utf-8")
            waiting += re.findall(r"^import [^;]*?from \"\./([^\"]+)\"", text, re.MULTILINE)
    return found


def ids_asked_for(name: str) -> set[str]:
    return set(re.findall(r"byId\(\"([^\"]+)\"\)", (PAGE / name).read_text(encoding="utf-8")))
