"""Plain data as text: JSON that never fails on what models and files hold.

Model text may hold any code point. A lone surrogate cannot be written as UTF-8, so it becomes U+FFFD in files; in the
store it survives as a JSON escape, because what was paid for is kept exactly.
"""

from __future__ import annotations

import base64
import datetime
import json
import math
from collections.abc import Mapping
from typing import Any

import orjson

_COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_ESCAPED = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))
_FOR_PEOPLE = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_DECODER = json.JSONDecoder()
_STRICT = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
"""Nothing that ``json`` does not take, but for members of enumerations and UUIDs: value and text of them."""
_BEYOND = 2.0**63


def to_json(value: Any) -> str:
    """Compact JSON for the store: any text survives, floats keep every bit.

    Raises:
        ValueError: for NaN and infinities, which are no data.
    """
    text = _COMPACT.encode(value)
    return text if _is_unicode(text) else _ESCAPED.encode(value)


def to_record_json(value: Any) -> str:
    """As ``to_json``, several times as fast, for records: the same data, though a float may be spelled otherwise.

    Raises:
        ValueError: as ``to_json`` does.
    """
    try:
        text = orjson.dumps(value, option=_STRICT)
    except TypeError:  # half a surrogate pair, a number beyond 64 bits, or what is no plain data
        return to_json(value)
    if b"null" in text and not _is_finite(value):  # orjson makes null of what is no number.
        return to_json(value)
    return text.decode()


def _is_finite(value: Any) -> bool:
    """Whether plain data holds no NaN and no infinity."""
    left = [value]
    for one in left:  # Grows while it is walked.
        if isinstance(one, dict):
            left += one.values()
        elif isinstance(one, (list, tuple)):
            left += one
        elif isinstance(one, float) and not math.isfinite(one):
            return False
    return True


def from_json(text: str) -> Any:
    """Inverse of ``to_json``."""
    return {} if text == "{}" else _DECODER.decode(text)


def from_record_json(text: str) -> Any:
    """Inverse of ``to_record_json``, and of ``to_json`` for records, several times as fast. Their numbers are our own,
    but for what recipes put into the notes of trials and the data of rows, and for the parameters of tools: integers
    of more than 64 bits, which may stand there, come back whole."""
    if text == "{}":
        return {}
    value, is_exact = _read(text)
    return value if is_exact or not _is_rounded(value) else json.loads(text)


def from_records_json(text: str) -> list[Any]:
    """Likewise of a JSON array of records, with whatever else stands among them."""
    values, is_exact = _read(text)
    found: list[Any] = values if is_exact or not any(map(_is_rounded, values)) else json.loads(text)
    return found


def _read(text: str) -> tuple[Any, bool]:
    """What JSON text says, and whether every integer in it is whole for sure."""
    if '"parameters":' in text:
        return json.loads(text), True
    try:
        return orjson.loads(text), False
    except orjson.JSONDecodeError:  # half a surrogate pair
        return json.loads(text), True


def _is_rounded(record: Any) -> bool:
    """Whether a record's fields for whatever a recipe puts there may not be as they were."""
    if not isinstance(record, dict):
        return False
    notes, data = record.get("notes"), record.get("data")
    return (bool(notes) and _may_be_rounded(notes)) or (data is not None and _may_be_rounded(data))


def _may_be_rounded(value: Any) -> bool:
    """Whether it holds what orjson makes of an integer beyond 64 bits: a float."""
    if isinstance(value, dict):
        return any(map(_may_be_rounded, value.values()))
    if isinstance(value, list):
        return any(map(_may_be_rounded, value))
    return isinstance(value, float) and abs(value) >= _BEYOND


def json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON for files that people read: whatever the value holds is made plain and writable first."""
    try:
        text = (
            _FOR_PEOPLE.encode(value)
            if indent is None
            else json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
        )
    except (TypeError, ValueError):
        text = json.dumps(plain(value), ensure_ascii=False, allow_nan=False, indent=indent)
    return writable(text)


def json_bytes(value: Any) -> bytes:
    """Compact JSON for files that programs read, in UTF-8: whatever the value holds is made plain and writable."""
    try:
        return orjson.dumps(value, option=_STRICT)  # Makes null of what is no number, as `plain` does.
    except TypeError:
        return writable(_COMPACT.encode(plain(value))).encode()


def writable(text: str) -> str:
    """Join surrogates that belong together and replace lone ones by U+FFFD, so that UTF-8 can hold the text."""
    if _is_unicode(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def plain(value: Any) -> Any:
    """Reduce what a file's column may hold to JSON's types.

    Not-a-number and infinities become null, dates ISO 8601, decimals text, bytes base64.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return str(value)


def _is_unicode(text: str) -> bool:
    if text.isascii():  # A look at how it is kept, however long it is.
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
