"""One hash for what must be told apart by its content: seeds, calls, configs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import orjson


def digest(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """SHA-256, in hex, of plain data in canonical JSON (sorted keys, no spaces, UTF-8)."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # half a surrogate pair, or a number beyond 64 bits
        plain = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        text = plain.encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()
