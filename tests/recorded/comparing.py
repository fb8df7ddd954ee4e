"""Where plain data says something else than what was recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def differences(recorded: Any, found: Any, where: str = "", *, tolerance: float = 0.0) -> Iterator[str]:
    """Yield each place that differs, in words. Keys may be added to what was recorded, and none may be missing.

    Floats are the same to the last bit, or within ``tolerance`` where one is given.
    """
    if isinstance(recorded, Mapping) and isinstance(found, Mapping):
        for key, value in recorded.items():
            place = f"{where}.{key}" if where else str(key)
            if key in found:
                yield from differences(value, found[key], place, tolerance=tolerance)
            else:
                yield f"{place}: recorded {value!r}, now missing"
    elif isinstance(recorded, list) and isinstance(found, list):
        if len(recorded) != len(found):
            yield f"{where}: recorded {len(recorded)} entries, now {len(found)}"
        for number, (value, other) in enumerate(zip(recorded, found, strict=False)):
            yield from differences(value, other, f"{where}[{number}]", tolerance=tolerance)
    elif not _same(recorded, found, tolerance):
        yield f"{where}: recorded {recorded!r}, now {found!r}"


def _same(recorded: Any, found: Any, tolerance: float) -> bool:
    if tolerance and isinstance(recorded, float) and isinstance(found, float):
        return abs(recorded - found) <= tolerance
    return bool(recorded == found) and isinstance(recorded, bool) == isinstance(found, bool)
