"""LiteLLM's list of models and prices, read from the installed package without importing it: that takes seconds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

_FILE = "model_prices_and_context_window_backup.json"


def listed(model: str) -> Mapping[str, Any]:
    """The list's entry for a model; empty where it has none."""
    return _entries().get(model, {})


@cache
def _entries() -> Mapping[str, Mapping[str, Any]]:
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        raise ImportError("litellm is not installed")
    entries: dict[str, Mapping[str, Any]] = orjson.loads((Path(spec.origin).parent / _FILE).read_bytes())
    return entries
