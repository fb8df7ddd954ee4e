"""Rows that hold no item of a benchmark as far as anybody knows: real datasets, and documentation of Python code."""

from __future__ import annotations

import ast
import sys
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from star_agents.errors import Problem
from star_agents.storage.formats.row_reading import scan_rows
from star_agents.storage.incoming.row_texts import texts_of_row

Row = tuple[str, ...]
LEAST_WORDS = 12


def rows_of_files(paths: Sequence[Path]) -> Iterator[Row]:
    """Every row of real datasets, each once."""
    seen = set[Row]()
    for path in paths:
        for one in scan_rows(path):
            if isinstance(one, Problem):
                raise SystemExit(str(one))
            texts = texts_of_row(one[1]).texts
            if texts not in seen:
                seen.add(texts)
                yield texts


def rows_of_docstrings() -> Iterator[Row]:
    """The docstrings of every Python file that is installed, each once: its first paragraph asks, the rest answers."""
    folders = [folder for folder in sys.path if Path(folder).name == "site-packages"]
    seen = set[str]()
    for folder in (*folders, sysconfig.get_paths()["stdlib"]):
        for path in sorted(Path(folder).rglob("*.py")):
            for text in _docstrings(path):
                if text not in seen:
                    seen.add(text)
                    asked, _, answer = text.partition("\n\n")
                    yield (f"Explain: {asked}", answer) if answer else (text,)


def _docstrings(path: Path) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text and len(text.split()) >= LEAST_WORDS:
                yield text
