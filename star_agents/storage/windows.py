"""What is too much to be held at once, a window after the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def windows(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in order, ``size`` at a time; fewer in the last window, and no window without any."""
    rest = iter(items)
    while window := list(itertools.islice(rest, size)):
        yield window
