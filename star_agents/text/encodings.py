"""Text that is no UTF-8: what it is, and what to do about it."""

from __future__ import annotations

import codecs
import shlex

from star_agents.errors import Problem

BOM = codecs.BOM_UTF8
MARK = "\ufeff"
"""The byte order mark as a character."""
LOOKED_AT = 4096
MANY = 0.4
"""Share of zeros at one of four places: names of columns and punctuation are Latin in any language."""
_WIDE = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
"""UTF-32's mark begins with UTF-16's, so it stands first."""


def wide_encoding(head: bytes) -> str:
    """Which encoding of two or four bytes a character text begins in, or nothing.

    Without a mark it is told by the zeros that it puts beside every Latin letter: no UTF-8 text holds any.
    """
    for mark, name in _WIDE:
        if head.startswith(mark):
            return name
    places = [sum(1 for byte in head[place::4] if byte == 0) / max(1, len(head) // 4) for place in range(4)]
    zeros = "".join("0" if share > MANY else "x" for share in places)
    known = {"x000": "UTF-32LE", "000x": "UTF-32BE", "x0x0": "UTF-16LE", "0x0x": "UTF-16BE"}
    return known.get(zeros, "") if len(head) >= 8 else ""


def wide_problem(name: str, encoding: str) -> Problem:
    """What is wrong with a file whose text is in such an encoding."""
    return Problem(where=name, field="", message=f"is {encoding} text, not UTF-8", fix=_convert(name, encoding))


def byte_problem(where: str, field: str, error: UnicodeDecodeError) -> Problem:
    """What is wrong with a text in which a byte is no UTF-8; ``where`` begins with the file's name."""
    byte = error.object[error.start : error.start + 1]
    message = f"byte 0x{byte.hex()} at column {error.start + 1} is not UTF-8"
    try:
        message += f"; in Windows-1252 it is {byte.decode('cp1252')!r}"
    except UnicodeDecodeError:
        return Problem(where=where, field=field, message=message, fix="save the file as UTF-8")
    return Problem(where=where, field=field, message=message, fix=_convert(where.rpartition(":")[0], "WINDOWS-1252"))


def mark_problem(where: str) -> Problem:
    """What is wrong with a line inside a file that begins with a byte order mark."""
    fix = f"remove it: sed -i '2,$s/^\\xEF\\xBB\\xBF//' {shlex.quote(where.rpartition(':')[0])}"
    message = "begins with a byte order mark (U+FEFF), which belongs at the start of a file only"
    return Problem(where=where, field="", message=f"{message}; were files joined here?", fix=fix)


def _convert(name: str, encoding: str) -> str:
    return f"save the file as UTF-8: iconv -f {encoding} -t UTF-8 {shlex.quote(name)} > {shlex.quote(f'utf8-{name}')}"
