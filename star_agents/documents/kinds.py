"""Which files are documents, by the ends of their names."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

FileKind = Literal["text", "markdown", "restructured", "html", "pdf", "docx", "code", "rows"]

_BY_SUFFIX: dict[str, FileKind] = {
    **dict.fromkeys((".txt", ".text"), "text"),
    **dict.fromkeys((".md", ".markdown", ".mdown", ".mkd"), "markdown"),
    **dict.fromkeys((".rst", ".rest"), "restructured"),
    **dict.fromkeys((".html", ".htm", ".xhtml", ".xht"), "html"),
    ".pdf": "pdf",
    ".docx": "docx",
    **dict.fromkeys((".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet"), "rows"),
}
CODE = {
    **dict.fromkeys((".py", ".pyi"), "python"),
    **dict.fromkeys((".js", ".mjs", ".cjs", ".jsx"), "javascript"),
    **dict.fromkeys((".ts", ".tsx", ".mts"), "typescript"),
    **dict.fromkeys((".c", ".h"), "c"),
    **dict.fromkeys((".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx"), "cpp"),
    **dict.fromkeys((".sh", ".bash", ".zsh"), "bash"),
    **dict.fromkeys((".kt", ".kts"), "kotlin"),
    **dict.fromkeys((".ex", ".exs"), "elixir"),
    **dict.fromkeys((".clj", ".cljs"), "clojure"),
    **dict.fromkeys((".ml", ".mli"), "ocaml"),
    **dict.fromkeys((".pl", ".pm"), "perl"),
    ".java": "java",
    ".rs": "rust",
    ".go": "go",
    ".rb": "ruby",
    ".php": "php",
    ".cs": "csharp",
    ".fs": "fsharp",
    ".swift": "swift",
    ".scala": "scala",
    ".sql": "sql",
    ".r": "r",
    ".jl": "julia",
    ".lua": "lua",
    ".hs": "haskell",
    ".erl": "erlang",
    ".dart": "dart",
    ".zig": "zig",
    ".nim": "nim",
    ".f90": "fortran",
}
"""Source code: the end of a file's name, to the language as Markdown's fences call it."""
READ = "documents are .txt, .md, .rst, .html, .pdf, .docx, source code, or rows in .jsonl, .csv or .parquet"
PACKED = (".gz", ".zst", ".zstd")
"""Files of rows may be packed; the row readers unpack them."""
ISOLATED: frozenset[FileKind] = frozenset({"html", "pdf", "docx"})
"""Kinds that are read in a process of their own, by code that a file may lead astray."""


def kind_of(path: Path) -> FileKind | None:
    """What a file is by its name; ``None`` for what is no document."""
    suffix = path.suffix.lower()
    if suffix in PACKED:
        return "rows" if _BY_SUFFIX.get(path.with_suffix("").suffix.lower()) == "rows" else None
    return _BY_SUFFIX.get(suffix) or ("code" if suffix in CODE else None)


def is_of_documents_alone(path: Path) -> bool:
    """Whether only documents come in such a file or folder: it holds no rows of samples. What no file system could have
    there is none."""
    try:
        is_folder = path.is_dir()
    except OSError:  # A name that is too long.
        is_folder = False
    return is_folder or kind_of(path) not in (None, "rows")
