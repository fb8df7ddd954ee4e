"""One file as a document, whatever its kind; the door to this room for everything but rows."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from star_agents.documents.bounded import file_size, read_text, unchanged
from star_agents.documents.extracted import DocumentError, Extracted
from star_agents.documents.isolation import IsolatedReader
from star_agents.documents.kinds import CODE, ISOLATED, READ, FileKind, kind_of
from star_agents.documents.markdown import read_markdown
from star_agents.documents.plain import read_code, read_plain
from star_agents.documents.restructured import read_restructured


class DocumentReader:
    """Reads files, one at a time; what it needs for that is held until it is closed.

    Args:
        max_bytes: Of a file; a larger one is refused.
        timeout_s: Seconds that a file of a kind which is read in a process of its own may take.
    """

    def __init__(self, *, max_bytes: int, timeout_s: float) -> None:
        self._max_bytes = max_bytes
        self._isolated = IsolatedReader(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._isolated.close()

    def read(self, path: Path) -> Extracted:
        """Read a file of any kind but rows.

        Raises:
            DocumentError: with the reason why it gives nothing.
        """
        kind = kind_of(path)
        if kind is None or kind == "rows":
            raise DocumentError("is of a kind that is not read", READ)
        file_size(path, self._max_bytes)
        with unchanged(path):
            found = self._isolated.read(path, kind) if kind in ISOLATED else _read(path, kind)
        if not any(block.kind != "heading" for block in found.blocks):
            raise DocumentError("holds no text")
        return found


def _read(path: Path, kind: FileKind) -> Extracted:
    text = read_text(path)
    match kind:
        case "markdown":
            return read_markdown(text)
        case "restructured":
            return read_restructured(text)
        case "code":
            return read_code(text, CODE[path.suffix.lower()])
        case _:
            return read_plain(text)
