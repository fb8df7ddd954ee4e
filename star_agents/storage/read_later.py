"""Records that are read when they are asked for: most trials and failures of an outcome are looked at seldom."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, overload

from star_agents.text.plain_data import from_record_json

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
Plain = list[Any] | dict[int, Any]
"""Plain data of records in their order, or by their places, which are 0, 1, 2, ... where there are all."""


def plain_at(plain: Plain, place: int) -> Any:
    """The plain data of a record: where its JSON text stands, that is read, and what it says takes its place."""
    found = plain[place]
    if isinstance(found, str):
        found = plain[place] = from_record_json(found)
    return found


def all_plain(plain: list[Any]) -> list[Any]:
    """Likewise of every record."""
    for place, found in enumerate(plain):
        if isinstance(found, str):
            plain[place] = from_record_json(found)
    return plain


class ReadLater(Sequence[T_co]):
    """A sequence that is equal to the tuple of its records.

    Args:
        read: Makes a record of plain data.
        plain: Of each record, or its JSON text; texts are replaced by what they say, once that was read.
    """

    __slots__ = ("_plain", "_read", "_records")

    def __init__(self, read: Callable[[Any], T_co], plain: Plain) -> None:
        self._read, self._plain = read, plain
        self._records: dict[int, T_co] = {}

    def __len__(self) -> int:
        return len(self._plain)

    @overload
    def __getitem__(self, index: int) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T_co]: ...
    def __getitem__(self, index: int | slice) -> T_co | Sequence[T_co]:
        if isinstance(index, slice):
            return tuple(self)[index]
        place = range(len(self._plain))[index]
        if place not in self._records:
            self._records[place] = self._read(plain_at(self._plain, place))
        return self._records[place]

    def __iter__(self) -> Iterator[T_co]:
        return map(self.__getitem__, range(len(self._plain)))

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, (tuple, ReadLater)) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


def later(read: Callable[[Any], T], plain: Sequence[Any] | dict[int, Any], /) -> Sequence[T]:
    """A record of each when it is asked for (``Outcome.from_dict``)."""
    return ReadLater(read, plain if isinstance(plain, (list, dict)) else list(plain)) if plain else ()
