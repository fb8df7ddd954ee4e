"""A long text that is read from its bytes a window at a time, with the place where one stands."""

from __future__ import annotations

import codecs
import re
from typing import Final

from star_agents.limits.json_structure import SMALL_BYTES

WINDOW: Final = SMALL_BYTES
"""Bytes that are decoded at once."""
MOST_BLANKS: Final = 1 << 20
"""Blanks between two things: stepping over them takes one turn."""
_BLANKS = re.compile(r"[ \t\n\r]*")


class NotJson(ValueError):
    """A text that is no JSON, or none that can be used; the message says what is wrong, and where."""


class NotUtf8(ValueError):
    """A text that is no UTF-8.

    Attributes:
        position: Of the first byte that is none.
    """

    def __init__(self, position: int) -> None:
        self.position = position
        super().__init__(f"byte {position} is not UTF-8")


class Windows:
    """A text of which ``text`` is in sight, and ``at`` where the next thing begins.

    Args:
        body: UTF-8, with or without a byte order mark.
        line: The line in which it begins.
    """

    def __init__(self, body: bytes | bytearray, line: int) -> None:
        self.text = ""
        self.at = 0
        self._body = body
        self._taken = 0
        """Bytes that were decoded."""
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._line, self._column = line, 0
        self._characters = 0
        """Before the window."""
        # Both tell one place; the second is in bytes of the whole.
        self._known_at, self._known_bytes = 0, len(codecs.BOM_UTF8) if body.startswith(codecs.BOM_UTF8) else 0

    @property
    def is_last(self) -> bool:
        """Whether nothing follows what is in sight."""
        return self._taken >= len(self._body)

    @property
    def line(self) -> int:
        """Where one stands, from the line on that was given."""
        return self._line + self.text.count("\n", 0, self.at)

    @property
    def column(self) -> int:
        """Where one stands in that line, in characters from 1."""
        newline = self.text.rfind("\n", 0, self.at)
        return self.at - newline if newline >= 0 else self._column + self.at + 1

    def characters(self) -> int:
        """What lies before here."""
        return self._characters + self.at

    def bytes(self) -> int:
        """What lies before here; nobody may step back behind where this was asked."""
        passed = self.text[self._known_at : self.at]
        self._known_bytes += len(passed) if passed.isascii() else len(passed.encode())
        self._known_at = self.at
        return self._known_bytes

    def more(self) -> bool:
        """Let go of what lies before here and take in as much as a window holds; False where there is no more.

        Raises:
            NotUtf8: it cannot be decoded.
        """
        if self.is_last:
            return False
        self.bytes()
        self._line, self._column = self.line, self.column - 1
        self._characters, self._known_at = self.characters(), 0
        block = bytes(self._body[self._taken : self._taken + WINDOW])
        self._taken += len(block)
        try:
            self.text, self.at = self.text[self.at :] + self._decoder.decode(block, self.is_last), 0
        except UnicodeDecodeError as error:
            raise NotUtf8(self._taken - len(error.object) + error.start) from None
        return True

    def next(self) -> str:
        """Step over blanks; the character that stands there, or nothing at the end.

        Raises:
            NotJson: there are more of them than anybody means.
        """
        begin = self.characters()
        while self.characters() - begin <= MOST_BLANKS:
            found = _BLANKS.match(self.text, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.text) or not self.more():
                return self.text[self.at : self.at + 1]
        raise NotJson(f"not usable JSON: more than {MOST_BLANKS:,} blanks in a row before line {self.line}")
