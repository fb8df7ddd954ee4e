"""Bodies of POST /v1/seeds that cost more than they weigh, of any size; none of them may be taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping

JSON, LINES = "application/json", "application/x-ndjson"
Body = tuple[str, bytes]
"""Content type and bytes."""


def _repeating(begin: bytes, middle: bytes, end: bytes, content_type: str = JSON) -> Callable[[int], Body]:
    def make(size: int) -> Body:
        return content_type, begin + middle * max(1, (size - len(begin) - len(end)) // len(middle)) + end

    return make


def _keys(size: int) -> Body:
    return JSON, b"[{" + b",".join(b'"%d":1' % number for number in range(max(1, size // 11))) + b"}]"


HOSTILE: Mapping[str, Callable[[int], Body]] = {
    "numbers in a row": _repeating(b"[", b"1,", b"1]"),
    "empty objects": _repeating(b"[", b"{},", b"{}]"),
    "empty lists": _repeating(b"[", b"[],", b"[]]"),
    "empty lists in one row": _repeating(b'[{"instruction": "", "x": [', b"[],", b"[]]}]"),
    "nesting": _repeating(b"", b"[", b""),
    "keys": _keys,
    "escapes": _repeating(b'[{"instruction": "', b"\\n", b'"}]'),
    "long numbers": _repeating(b'[{"instruction": "", "x": [', b"9" * 4000 + b",", b"9]}]"),
    "blanks": _repeating(b"[", b" ", b""),
    "bad rows": _repeating(b"[", b'{"instruction": "", "about": "' + b"x" * 130 + b'"},', b"{}]"),
    "empty lines": _repeating(b"", b"\n", b"", LINES),
    "lines of numbers": _repeating(b"", b"1\n", b"1", LINES),
    "one line": _repeating(b'{"instruction": "", "x": [', b"1,", b"1]}", LINES),
    "not JSON": _repeating(b'[{"instruction": "', b"word ", b'"'),
    "not UTF-8": _repeating(b'[{"instruction": "', "é".encode(), b'\xe9"}]'),
}
"""By name, each of about as many bytes as it is asked for."""
