"""One row's fields as texts and lists, with the words for what is wrong with them; who asks for a field has read it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from star_agents.text.visible import is_visible

Row = Mapping[str, Any]

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class RowError(Exception):
    """What is wrong with a row; becomes a Problem where the row's place is known."""

    def __init__(self, field: str, message: str, fix: str = "") -> None:
        self.field, self.message, self.fix = field, message, fix
        super().__init__(message)


class Fields:
    """A row that knows which of its columns were read, and which parts of those are left out."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self.read: set[str] = set()
        self.left_out: set[str] = set()
        """Parts of columns that were read, such as ``messages[].name``: neither read nor kept."""

    def get(self, name: str) -> Any:
        """The value of a column, which counts as read from now on."""
        self.read.add(name)
        return self._row.get(name)

    def peek(self, name: str) -> Any:
        """The value of a column, which does not count as read."""
        return self._row.get(name)

    def tell_left_out(self, column: str, part: Mapping[str, Any], read: Collection[str]) -> None:
        """Note what an element of a column holds besides what is read of it."""
        self.left_out.update(
            f"{column}[].{key}" for key, value in part.items() if key not in read and value is not None
        )

    def text(self, *names: str) -> str:
        """The text that one of these columns holds, or nothing. Raises RowError where two of them differ."""
        given: dict[str, str] = {}
        for name in names:
            if says_something(value := self.get(name)) and (text := optional(value, name)):
                given[name] = text
        first, *others = given or [""]
        for name in others:
            if given[name] != given[first]:
                raise RowError(name, f"differs from `{first}`, which stands for the same", "keep one of the two")
        return given.get(first, "")

    def rest(self) -> dict[str, Any]:
        """The columns that nobody has read."""
        return {str(name): value for name, value in self._row.items() if name not in self.read}


def items(value: Any, field: str) -> list[Any]:
    """A list. Raises RowError."""
    if not isinstance(value, (list, tuple)):
        raise RowError(field, f"must be a list; found {found(value)}")
    return list(value)


def required(value: Any, field: str) -> str:
    """A text that says something. Raises RowError."""
    if value is None:
        raise RowError(field, "must be text; found null")
    text = optional(value, field)
    if not text:
        raise RowError(field, "is empty", "write something, or leave the row out")
    return text


def optional(value: Any, field: str) -> str:
    """A text, or the empty one for null and for what shows nothing. Raises RowError."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RowError(field, f"must be text; found {found(value)}")
    if "\0" in value:
        raise RowError(field, f"holds a NUL character at position {value.index(chr(0)) + 1}", "remove it")
    if lone := _LONE_SURROGATE.search(value):
        problem = f"holds half a surrogate pair (U+{ord(lone[0]):04X}) at position {lone.start() + 1}"
        raise RowError(field, problem, "the text was cut inside a character; mend or remove it")
    return value if is_visible(value) else ""


def says_something(value: Any) -> bool:
    """Whether a value is more than null, blanks or an empty list or object."""
    return bool(value.strip()) if isinstance(value, str) else value is not None and value != [] and value != {}


def found(value: Any) -> str:
    """What a value is, in the words of JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    return "an object" if isinstance(value, Mapping) else f"a {type(value).__name__}"
