"""A JSON array of any length, one element after the other: only a block of the file is in memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

from star_agents.text.encodings import MARK

BLOCK_BYTES = 1 << 20
_MARGIN = 16
"""Characters. A block may end inside an escape or a literal, so an error this close to its end proves nothing yet."""
_BLANKS = re.compile(r"[ \t\n\r]*")


class JsonError(Exception):
    """A file that is not JSON; ``line`` is None where only the whole is known to be wrong."""

    def __init__(self, message: str, line: int | None = None, *, at_end: bool = False, is_mark: bool = False) -> None:
        self.line = line
        self.at_end = at_end
        """Whether it is the end of the file that stands in the way."""
        self.is_mark = is_mark
        """Whether a byte order mark does."""
        super().__init__(f"not JSON: {message}")


def parse(text: str) -> Any:
    """``json.loads`` without NaN and infinities, which are no JSON.

    Raises:
        ValueError: also for an integer of thousands of digits; a JSONDecodeError where there is a place to name.
        RecursionError: when it is nested too deeply.
    """
    return _DECODER.decode(text)


def array_elements(file: BinaryIO) -> Iterator[Any]:
    """Yield the elements of the array that the file holds, with or without a byte order mark.

    Raises:
        JsonError: where the file stops being an array; the elements before have been given out.
        UnicodeDecodeError: where it stops being UTF-8; its position is meaningless.
    """
    text = _Text(file)
    if text.next() != "[":
        text.refuse("Expecting a list")
    text.at += 1
    mark = text.next()
    if mark == "]":
        text.at += 1
    while mark != "]":
        yield text.value()
        mark = text.next()
        if mark not in (",", "]"):
            text.refuse("Expecting ',' delimiter")
        text.at += 1
    if text.next():
        text.refuse("Extra data")


class _Text:
    """What of the file is in memory; ``at`` is where the next thing begins."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._text = ""
        self.at = 0
        self._line, self._column = 1, 0
        self._is_over = False

    def next(self) -> str:
        """Step over blanks; the character that stands there, or nothing at the end."""
        while True:
            found = _BLANKS.match(self._text, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self._text) or not self._more():
                return self._text[self.at : self.at + 1]

    def value(self) -> Any:
        """The value that begins here, after blanks. Raises JsonError."""
        self.next()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self.at)
            except json.JSONDecodeError as error:
                problem = self._problem(error.msg, error.pos)
                unfinished = error.msg.startswith("Unterminated") or error.pos + _MARGIN >= len(self._text)
                if not (unfinished and self._more()):
                    problem.at_end = unfinished
                    raise problem from None
            except (ValueError, RecursionError) as error:
                raise JsonError(str(error)) from None
            else:
                # A number that ends with the block may go on in the next one.
                if end < len(self._text) or not self._more():
                    self.at = end
                    return value

    def refuse(self, message: str) -> NoReturn:
        """Raise JsonError for what stands here."""
        raise self._problem(message, self.at)

    def _more(self) -> bool:
        """Read on, at least as much as is still unread; False at the end of the file."""
        gone, rest = self._text[: self.at], self._text[self.at :]
        data = self._file.read(max(BLOCK_BYTES, len(rest)))
        if not data:
            self._is_over = True
            self._decode(b"", True)
            return False
        self._line += gone.count("\n")
        self._column = len(gone) - gone.rfind("\n") - 1 if "\n" in gone else self._column + len(gone)
        self._text, self.at = rest + self._decode(data), 0
        return True

    def _problem(self, message: str, position: int) -> JsonError:
        before = self._text[:position]
        column = position - before.rfind("\n") if "\n" in before else self._column + position + 1
        return JsonError(
            f"{message} at column {column}",
            self._line + before.count("\n"),
            at_end=self._is_over and position >= len(self._text),
            is_mark=self._text.startswith(MARK, position),
        )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
