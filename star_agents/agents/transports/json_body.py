"""Bodies of requests and replies as JSON: whatever the texts of a prompt hold, and however a provider writes. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson


def encode(body: Mapping[str, Any]) -> bytes:
    """JSON of plain data, whatever its texts and keys hold."""
    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body).encode()  # a number of 400 digits, half a surrogate pair, or a key that is a number


def decode(reply: bytes) -> Any:
    """JSON as providers write it; raises ValueError."""
    try:
        return orjson.loads(reply)
    except orjson.JSONDecodeError:
        # It also takes NaN, a byte-order mark and half a surrogate pair, as LiteLLM does.
        return json.loads(reply, parse_int=_whole_number)


def _whole_number(digits: str) -> int | float:
    """Python reads no number of more than 4,300 digits; the answer beside it is good all the same."""
    try:
        return int(digits)
    except ValueError:
        return float(digits)
