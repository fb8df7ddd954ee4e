"""Texts from elsewhere in Markdown: names, reasons and labels that are read as they stand, and never as markup.

A card is rendered by whoever shows it: a link, a picture or HTML in the name of a column would be one on that page.
"""

from __future__ import annotations

import re

from star_agents.text.printing import printable

_MARKS = re.compile(r"([\\`*_\[\]<>#|~&$])|(:(?=//))|((?<=\bwww)\.)")
"""What begins emphasis, code, links, HTML, entities, tables and formulas; an address becomes a link by itself."""
_BEGINS_A_BLOCK = re.compile(r"\d{1,9}(?=[.)](?:\s|$))|(?=[-+](?:\s|$)|[-=]+$)")
"""An item of a list, or the line below a heading; up to the character that says so."""
_TICKS = re.compile(r"`+")


class Markdown(str):
    """Text that is Markdown on purpose."""

    __slots__ = ()


def prose(text: str) -> Markdown:
    """The text in one line, every character of it meaning itself."""
    line = " ".join(printable(text).split())
    escaped = _MARKS.sub(r"\\\g<0>", line)
    return Markdown(f"{begun[0]}\\{escaped[begun.end() :]}" if (begun := _BEGINS_A_BLOCK.match(escaped)) else escaped)


def code(text: str) -> Markdown:
    """The text in one line as code, such as the name of a model; an upright line, which ends a cell of a table, is
    shown as a broken one."""
    line = " ".join(printable(text).split()).replace("|", "¦")
    if not line:
        return Markdown("–")
    fence = _fence(line, shortest=1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return Markdown(f"{fence}{space}{line}{space}{fence}")


def code_block(text: str, language: str = "") -> Markdown:
    """Lines of code, whatever stands in them."""
    lines = printable(text).rstrip("\n")
    fence = _fence(lines, shortest=3)
    return Markdown(f"{fence}{language}\n{lines}\n{fence}")


def _fence(text: str, *, shortest: int) -> str:
    """Longer than any run of ticks in the text."""
    return "`" * max(shortest, 1 + max((len(run) for run in _TICKS.findall(text)), default=0))
