"""Seeds and documents for the real model: files of the user's, or real texts that every checkout has beside it."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import click

from star_agents.documents.chunks import chunks_of
from star_agents.documents.extracted import DocumentError
from star_agents.documents.folder import files_below
from star_agents.documents.reading import DocumentReader

CHECKOUT = Path(__file__).resolve().parents[2]
OWN_DOCUMENTS = tuple(
    CHECKOUT / "star_agents" / room / "README.md" for room in ("documents", "tools", "arena", "admission", "recipes")
)
CHUNK_TOKENS = 300
"""Of a document that is read: the first chunk of so many tokens, so that a small model on a processor ends soon."""
_MOST_BYTES, _TIMEOUT_S = 16 << 20, 60.0
_MODULES = (
    *("base64", "bisect", "calendar", "collections", "copy", "csv", "datetime", "difflib", "fractions", "functools"),
    *("glob", "heapq", "itertools", "json", "math", "os", "random", "re", "shutil", "statistics", "string", "textwrap"),
)
_SHORTEST, _LONGEST = 60, 400
"""Characters of an answer."""


class NoDocuments(Exception):
    """There is nothing to read; the message says where, and what to give."""


def own_seeds(count: int) -> list[dict[str, str]]:
    """Questions about functions of Python's standard library, each answered in the words of its documentation.

    Real text that was written by people and lies wherever Python does; one function of each module before a second.
    """
    asked = [list(_questions(module)) for module in _MODULES]
    in_turns = (column[turn] for turn in range(max(map(len, asked))) for column in asked if turn < len(column))
    return list(islice(in_turns, count))


def _questions(module: str) -> Iterator[dict[str, str]]:
    found = importlib.import_module(module)
    for name, one in sorted(vars(found).items()):
        if name.startswith("_") or not callable(one) or getattr(one, "__module__", "") != module:
            continue
        first, _, rest = (inspect.getdoc(one) or "").partition("\n\n")
        answer = " ".join(f"{first}\n{rest.partition(chr(10) * 2)[0]}".split())
        if _SHORTEST <= len(answer) <= _LONGEST and answer[0].isupper() and ">>>" not in answer:
            yield {"instruction": f"What is `{module}.{name}` of Python for?", "output": answer}


def write_seeds(path: Path, count: int, given: Path | None) -> Path:
    """The user's file as it is, or ours written to a path."""
    if given is not None:
        return given
    return _written(path, own_seeds(count))


def write_documents(path: Path, count: int, given: Path | None) -> Path:
    """The beginnings of so many documents, written to a path as rows.

    Args:
        path: Of the rows.
        count: Documents.
        given: A file or a folder of the user's; ``None``: the descriptions of this project's own rooms.

    Raises:
        NoDocuments: nothing of it can be read.
    """
    files = OWN_DOCUMENTS if given is None else _files(given)
    rows = list(islice(_beginnings(files), count))
    if not rows:
        raise NoDocuments(
            f"{given or CHECKOUT}: holds no document that can be read; give a file or folder of documents"
        )
    return _written(path, rows)


def _files(given: Path) -> Sequence[Path]:
    if given.is_file():
        return [given]
    if not given.is_dir():
        raise NoDocuments(f"{given}: no such file or folder; give a file or folder of documents")
    return [path for path, why_not in files_below(given) if why_not is None]


def _beginnings(files: Sequence[Path]) -> Iterator[dict[str, str]]:
    with DocumentReader(max_bytes=_MOST_BYTES, timeout_s=_TIMEOUT_S) as reader:
        for path in files:
            try:
                document = reader.read(path)
            except DocumentError as error:
                click.echo(f"left out: {path.name}: {error}", err=True)
                continue
            chunk = next(iter(chunks_of(document, chunk_tokens=CHUNK_TOKENS)), None)
            if chunk is not None:
                yield {"document": chunk.text, "title": document.title or path.name}


def _written(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path
