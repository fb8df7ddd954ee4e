"""What a program gives in the place of agents.yaml, as the plain data that the file would hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from star_agents.config.yaml_core import MAX_DEPTH, MAX_NODES, Plain

Location = tuple[str | int, ...]


class NotPlain(Exception):
    """Values that no file could hold.

    Args:
        found: Where each stands, and what is wrong with it.
    """

    def __init__(self, found: list[tuple[Location, str]]) -> None:
        super().__init__(f"{len(found)} values are not plain")
        self.found = found


def as_plain(value: Mapping[Any, Any]) -> Plain:
    """The same in JSON's types: tuples become lists, paths text. As deep and as large as a file may be.

    Raises:
        NotPlain: with every value that has no place there.
    """
    reading = _Reading()
    plain = reading.read(value, ())
    if reading.found:
        raise NotPlain(reading.found)
    return plain


class _Reading:
    def __init__(self) -> None:
        self.found: list[tuple[Location, str]] = []
        self._nodes = 0

    def read(self, value: Any, location: Location) -> Plain:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise NotPlain([((), f"holds more than {MAX_NODES:,} keys and values")])
        if len(location) > MAX_DEPTH:
            raise NotPlain([(location[:3], "is nested too deeply")])
        if isinstance(value, Mapping):
            return {str(key): self.read(item, (*location, str(key))) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.read(item, (*location, index)) for index, item in enumerate(value)]
        if isinstance(value, PurePath):
            return str(value)
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        kind = f"the number {value}" if isinstance(value, float) else f"a {type(value).__name__}"
        self.found.append((location, f"must be text, a number, true, false, null, a list or a dict; found {kind}"))
        return None
