"""Cells of CSV that a spreadsheet would run as a formula, and how they are kept from it.

Excel, LibreOffice and Sheets take a cell for a formula that begins with ``=``, ``+``, ``-`` or ``@``, also behind a
tab, a carriage return or a line feed, in quotes or not; text of a model or a seed file may begin so. With an apostrophe
before it, it is text (OWASP, "CSV Injection"). A number is left as it is: ``-1.5`` is worth -1.5 as a formula too, and
a column of numbers stays one. Nothing takes the apostrophe away when such a file is read, since nobody can know whether
it stood there before: for a file that a program reads, turn it off.
"""

from __future__ import annotations

import re

_BEGINS = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""The wide forms too: a spreadsheet set to Japanese or Chinese reads them as the narrow ones."""
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
GUARD = "'"


class FormulaGuard:
    """Marks cells as text, and counts them.

    Args:
        is_off: Leave every cell as it is.
    """

    def __init__(self, *, is_off: bool = False) -> None:
        self._is_off = is_off
        self.cells = 0
        """Cells that were marked so far."""

    def __call__(self, text: str) -> str:
        """A cell as it may be written."""
        if self._is_off or not _BEGINS.match(text) or _NUMBER.fullmatch(text):
            return text
        self.cells += 1
        return GUARD + text
