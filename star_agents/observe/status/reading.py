"""A status, or parts of one, read back from plain data: what a daemon answered, or a file holds."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

from star_agents.text.plain_data import writable

T = TypeVar("T")


def read(kind: type[T], data: Any) -> T:
    """The value that plain data stands for; fields that a later version adds are left out, and half a surrogate pair in
    what a model or a provider said becomes U+FFFD.

    Raises:
        ValueError: the data are no such value; what is wrong, and where.
    """
    value: T = _reader(cast(Hashable, kind)).validate_python(_without_half_pairs(data))
    return value


def _without_half_pairs(data: Any) -> Any:
    if isinstance(data, str):
        return writable(data)
    if isinstance(data, dict):
        return {_without_half_pairs(key): _without_half_pairs(value) for key, value in data.items()}
    return [_without_half_pairs(one) for one in data] if isinstance(data, (list, tuple)) else data


@cache
def _reader(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast(Any, kind))
