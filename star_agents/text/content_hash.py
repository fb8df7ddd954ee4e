"""One hash for what must be told apart by its content: seeds, calls, configs, files of weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

END = 1 << 20
"""Bytes at the beginning and the end of a file that tell it from another one of its size."""


def digest(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """SHA-256, in hex, of plain data in canonical JSON (sorted keys, no spaces, UTF-8)."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # half a surrogate pair, or a number beyond 64 bits
        plain = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        text = plain.encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()


def digest_of_ends(path: Path) -> str:
    """SHA-256, in hex, of a file's beginning and end, whole where it is short: weights are too long to be read for it,
    and no training leaves both ends as they were. Raises OSError."""
    found = path.stat()
    return _digest_of_ends(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=4096)
def _digest_of_ends(path: Path, size: int, changed_ns: int) -> str:
    with path.open("rb") as handle:
        head = handle.read(END)
        handle.seek(max(0, size - END))
        return hashlib.sha256(head + handle.read(END)).hexdigest()
