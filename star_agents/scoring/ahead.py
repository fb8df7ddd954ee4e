"""Work that another thread does in advance, so that a GPU finds its next texts tokenised. Pure: no torch, no models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Made = TypeVar("Made")


def one_ahead(make: Callable[[Part], Made], parts: Sequence[Part]) -> Iterator[tuple[Part, Made]]:
    """Each part with what ``make`` made of it in another thread, while the caller was busy with the part before.

    An error of ``make`` is raised where its part would have come.
    """
    if not parts:
        return
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        coming = thread.submit(make, parts[0])
        for at, part in enumerate(parts):
            made = coming.result()
            if at + 1 < len(parts):
                coming = thread.submit(make, parts[at + 1])
            yield part, made


def in_parts(weights: Sequence[int], most: int, *, first: int | None = None) -> list[range]:
    """Indices in consecutive parts of at most so much weight; what weighs more is a part of its own.

    ``first``: the bound of the first part, where it is another one; each after it is up to twice as large.

    >>> in_parts([3, 3, 9, 1], 6)
    [range(0, 2), range(2, 3), range(3, 4)]
    >>> in_parts([3, 3, 3, 3], 6, first=3)
    [range(0, 1), range(1, 3), range(3, 4)]
    """
    room = most if first is None else first
    parts: list[range] = []
    begin = total = 0
    for index, weight in enumerate(weights):
        if index > begin and total + weight > room:
            parts.append(range(begin, index))
            begin, total, room = index, 0, min(most, 2 * room)
        total += weight
    return [*parts, range(begin, len(weights))] if weights else parts
