"""Folders of documents of every kind, always the same ones, no two nearly alike."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path

from document_files import book, docx, paragraph, pdf

VOCABULARY = (
    "river water spring mountain valley farmer market winter letter captain harbour garden window silver engine "
    "morning journey captain village question answer machine number reason paper people country summer evening stone "
    "bridge forest island teacher science music theatre history colour shadow weather season kitchen doctor soldier"
)
SENTENCES = 60
"""Of one document: about 4 KB."""


@cache
def words() -> tuple[str, ...]:
    """What sentences are made of."""
    return tuple(VOCABULARY.split())


def sentence(chance: random.Random) -> str:
    """A sentence that stands nowhere else."""
    said = " ".join(chance.choice(words()) for _ in range(9))
    return f"{said.capitalize()} of {chance.randrange(100_000)}."


def paragraphs(chance: random.Random) -> list[str]:
    """The paragraphs of a document."""
    return [" ".join(sentence(chance) for _ in range(6)) for _ in range(SENTENCES // 6)]


def fill(folder: Path, count: int) -> int:
    """Write so many documents, in folders of a hundred; how many bytes that is."""
    size = 0
    for number in range(count):
        chance = random.Random(number)
        name, data = _KINDS[number % len(_KINDS)](chance)
        place = folder / f"{number // 100:04}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:06}{name}").write_bytes(data)
        size += len(data)
    return size


def _text(chance: random.Random) -> tuple[str, bytes]:
    return ".txt", "\n\n".join(paragraphs(chance)).encode()


def _markdown(chance: random.Random) -> tuple[str, bytes]:
    return ".md", "\n\n".join(f"## {sentence(chance)}\n\n{one}" for one in paragraphs(chance)).encode()


def _restructured(chance: random.Random) -> tuple[str, bytes]:
    parts = [f"Part {number}\n{'=' * 8}\n\n{one}" for number, one in enumerate(paragraphs(chance))]
    return ".rst", "\n\n".join(parts).encode()


def _html(chance: random.Random) -> tuple[str, bytes]:
    body = "".join(f"<h2>{sentence(chance)}</h2><p>{one}</p>" for one in paragraphs(chance))
    menu = "".join(f"<li><a href='/{number}'>Entry {number}</a></li>" for number in range(20))
    return ".html", f"<html><body><nav><ul>{menu}</ul></nav><main>{body}</main></body></html>".encode()


def _code(chance: random.Random) -> tuple[str, bytes]:
    parts = [
        f"def {one.split()[0].lower()}_{chance.randrange(10**6)}():\n    return {one!r}" for one in paragraphs(chance)
    ]
    return ".py", "\n\n\n".join(parts).encode()


def _word(chance: random.Random) -> tuple[str, bytes]:
    return ".docx", docx(
        "".join(paragraph(sentence(chance), "Heading1") + paragraph(one) for one in paragraphs(chance))
    )


def _pdf(chance: random.Random) -> tuple[str, bytes]:
    pages = book(2)
    mark = str(chance.randrange(10**9))
    return ".pdf", pdf(
        [[put._replace(words=put.words.replace("birds", f"birds {mark}")) for put in page] for page in pages]
    )


def _rows(chance: random.Random) -> tuple[str, bytes]:
    return ".jsonl", "\n".join(json.dumps({"text": one}) for one in paragraphs(chance)).encode()


_KINDS = (_text, _markdown, _restructured, _html, _code, _word, _pdf, _rows)
