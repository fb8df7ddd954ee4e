"""JSON that is too long to be parsed in one go: step by step, in turns with everybody else on the event loop.

``json.loads`` holds the interpreter until it has all of a text, 80 ms for 15 MB of rows, whichever thread calls it. So
what fits into a window is parsed at once, and a list or an object that goes on beyond it is gone through member by
member. How much may stand in the text has been measured before (``json_structure``).
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from star_agents.limits.json_structure import TooMuchJson
from star_agents.limits.turns import Turns
from star_agents.web.windows import WINDOW, NotJson, Windows

RowCheck = Callable[[Any, int, int, int], Awaitable[None]]
"""Hears of every row: what it is, its number from 1, and where in the body it begins and ends, in bytes."""

_MARGIN: Final = 16
"""Characters before the end of a window within which an error may come of that end, as inside an escape or literal."""
_REST_OF_STRING = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*("?)', re.DOTALL)
_DECODER = json.JSONDecoder()
_LONG: Final = object()
"""In the place of a value that goes on beyond the window."""


class TooDeep(ValueError):
    """A text with too many levels of lists and objects; the message is the line."""


class TooLong(ValueError):
    """A row, or a string, that is too long; the message says which.

    Attributes:
        size: Bytes of it that were seen.
    """

    def __init__(self, what: str, size: int) -> None:
        self.size = size
        super().__init__(what)


@dataclass(frozen=True, kw_only=True, slots=True)
class RowLimits:
    """How much a document and each of its rows may be."""

    depth: int
    """Levels of lists and objects within each other, in all of the document."""
    size: int
    """Bytes of a row."""
    members: int
    """Elements and members that are gone through one by one, in a row."""


async def parse_rows(body: bytes | bytearray, limits: RowLimits, check: RowCheck) -> list[Any]:
    """Parse a document of rows: a list of them, an object whose ``seeds`` is such a list, or a single row.

    Args:
        body: UTF-8, with or without a byte order mark.
        limits: That are kept.
        check: Hears of every row before the next one is parsed, and may raise.

    Raises:
        NotJson: also for a number of too many digits.
        TooDeep: there are more levels.
        TooLong: a row is longer.
        TooMuchJson: a row has more members.
        NotUtf8: with the position of the first byte that is none.
    """
    found = await _Reader(body, 1, limits, check).document()
    rows = found.get("seeds") if isinstance(found, dict) else found
    if isinstance(rows, list):
        return rows
    if len(body) > limits.size:
        raise TooLong("row 1", len(body))
    await check(found, 1, 0, len(body))
    return [found]


async def parse_value(body: bytes | bytearray, line: int, limits: RowLimits) -> Any:
    """Parse one value, which begins in this line; raises as ``parse_rows`` does."""
    return await _Reader(body, line, limits, None).document()


class _Reader(Windows):
    def __init__(self, body: bytes | bytearray, line: int, limits: RowLimits, check: RowCheck | None) -> None:
        super().__init__(body, line)
        self._limits = limits
        self._check = check
        self._row = f"row {line}"
        """The row that is read, for people."""
        self._members = 0
        """Of it, gone through so far."""
        self._long_until = 0
        """A list or object that begins before here is not tried: one around it was, in vain, up to here."""
        self._turns = Turns()

    async def document(self) -> Any:
        """All of the text."""
        depth = self._limits.depth
        match self.next() if self._check else "":
            case "[":
                found: Any = await self._rows(depth)
            case "{":
                found = await self._object(depth, holds_rows=True)
            case _:
                found = await self._value(depth)
        if self.next():
            self._refuse("Extra data")
        return found

    async def _value(self, depth: int) -> Any:
        """The value that begins here, of at most so many levels."""
        await self._turns.give_way()
        self._members += 1
        if self._members > self._limits.members:
            raise TooMuchJson(f"{self._row}: the JSON has more than {self._limits.members:,} elements")
        mark = self.next()
        if mark not in ("[", "{") or self.characters() >= self._long_until:
            value = self._whole()
            if value is not _LONG:
                if is_deeper(value, depth):
                    raise TooDeep(self.line)
                return value
        match mark:
            case "[":
                return await self._list(depth)
            case "{":
                return await self._object(depth)
            case '"':
                return await self._long_string()
        return self._refuse(f"A number of more than {WINDOW:,} digits")

    def _whole(self) -> Any:
        """The value that begins here, as far as a window reaches; else ``_LONG``, and then this stands where it was."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                may_go_on = error.msg.startswith("Unterminated") or error.pos + _MARGIN >= len(self.text)
                if not may_go_on or self.is_last:
                    self.at = error.pos
                    self._refuse(error.msg)
            except RecursionError:
                raise TooDeep(self.line) from None
            except ValueError as error:  # Python's own limit: a number of thousands of digits.
                raise NotJson(f"not usable JSON, at or after line {self.line}: {error}") from None
            else:
                # A number that ends with the window may go on in the next one.
                if end < len(self.text) or self.is_last:
                    self.at = end
                    return value
            if len(self.text) - self.at >= WINDOW:
                self._long_until = self.characters() - self.at + len(self.text)
                return _LONG
            self.more()

    async def _rows(self, depth: int) -> list[Any]:
        """The list that begins here, whose elements are rows."""
        assert self._check is not None
        rows: list[Any] = []
        async for begin, row in self._elements(depth):
            rows.append(row)
            if (size := self.bytes() - begin) > self._limits.size:
                raise TooLong(self._row, size)
            await self._check(row, len(rows), begin, begin + size)
            self._row, self._members = f"row {len(rows) + 1}", 0
        return rows

    async def _list(self, depth: int) -> list[Any]:
        return [one async for _, one in self._elements(depth)]

    async def _elements(self, depth: int) -> AsyncIterator[tuple[int, Any]]:
        """The elements of the list that begins here, each with its first byte."""
        self._enter(depth)
        if self.next() == "]":
            self.at += 1
            return
        while True:
            self.next()
            begin = self.bytes()
            yield begin, await self._value(depth - 1)
            if self._is_over("]"):
                return

    async def _object(self, depth: int, *, holds_rows: bool = False) -> dict[str, Any]:
        """The object that begins here; ``holds_rows``: where its ``seeds`` is a list, that list is of rows."""
        self._enter(depth)
        found: dict[str, Any] = {}
        if self.next() == "}":
            self.at += 1
            return found
        while True:
            if self.next() != '"':
                self._refuse("Expecting property name enclosed in double quotes")
            key = await self._value(0)
            if self.next() != ":":
                self._refuse("Expecting ':' delimiter")
            self.at += 1
            are_rows = holds_rows and key == "seeds" and self.next() == "["
            found[key] = await (self._rows(depth - 1) if are_rows else self._value(depth - 1))
            if self._is_over("}"):
                return found

    def _enter(self, depth: int) -> None:
        if depth <= 0:
            raise TooDeep(self.line)
        self.at += 1

    def _is_over(self, end: str) -> bool:
        """Step over what follows an element: a comma, or the end."""
        mark = self.next()
        if mark not in (",", end):
            self._refuse("Expecting ',' delimiter")
        self.at += 1
        return mark == end

    async def _long_string(self) -> str:
        """The string that begins here and goes on beyond the window."""
        pieces, line, column = ['"'], self.line, self.column
        self.at += 1
        begin, is_open = self.bytes(), True
        while is_open:
            await self._turns.give_way()
            found = _REST_OF_STRING.match(self.text, self.at)
            assert found is not None
            pieces.append(found[0])
            self.at = found.end()
            is_open = not found[1]
            if (size := self.bytes() - begin) > self._limits.size:
                raise TooLong(self._row, size)
            if is_open and not self.more():
                pieces.append(self.text[self.at :])
                break
        try:
            value = _DECODER.decode("".join(pieces))
        except json.JSONDecodeError as error:
            # No line ends before what is wrong in it: that would be wrong too.
            raise _not_json(error.msg, line, column + error.pos) from None
        assert isinstance(value, str)
        return value

    def _refuse(self, message: str) -> NoReturn:
        raise _not_json(message, self.line, self.column)


def _not_json(message: str, line: int, column: int) -> NotJson:
    return NotJson(f"not valid JSON: {message.removesuffix(' at')} at line {line}, column {column}")


def is_deeper(data: Any, levels: int) -> bool:
    """Whether there are more than so many lists and objects within each other."""
    level = [data] if isinstance(data, (dict, list)) else []
    while level and levels:
        level = [one for outer in level for one in _within(outer) if isinstance(one, (dict, list))]
        levels -= 1
    return bool(level)


def _within(outer: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return outer.values() if isinstance(outer, dict) else outer
