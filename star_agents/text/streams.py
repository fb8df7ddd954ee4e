"""Standard error in a program that is somebody else's: whatever stands there, what is written to it fails nobody."""

from __future__ import annotations

import io
import sys
from typing import TextIO, cast


class Forgiving(io.TextIOBase):
    """A stream that fails nobody: once it is closed, gone or cannot hold a character, what is written is lost."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_lost = False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's; rich asks which boxes it can draw."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        try:
            return self._stream.isatty()
        except Exception:
            return False

    def fileno(self) -> int:
        """Its descriptor."""
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write what can be written."""
        if not self._is_lost:
            try:
                self._stream.write(text)
            except Exception:  # whatever stands in the place of standard error may raise anything
                self._is_lost = True
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        if not self._is_lost:
            try:
                self._stream.flush()
            except Exception:
                self._is_lost = True


def standard_error() -> TextIO:
    """What stands there now; where nothing does, what is written is lost."""
    return cast(TextIO, Forgiving(sys.stderr or io.StringIO()))
