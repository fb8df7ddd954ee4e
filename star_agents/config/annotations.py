"""Type annotations of the config's models, taken apart. Pure."""

from __future__ import annotations

import types
import typing
from typing import Any, Union


def without_none(annotation: Any) -> Any:
    """``X | None`` to ``X``: the first member of a union that is not ``None``; any other annotation as it is."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return next(item for item in typing.get_args(annotation) if item is not type(None))
    return annotation
