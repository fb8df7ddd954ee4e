"""Objects within plain data that a provider sent, and whose form nobody vouches for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def nested_object(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object that a field holds; an empty one where the field is missing or holds something else."""
    value = parent.get(name)
    return value if isinstance(value, Mapping) else {}
