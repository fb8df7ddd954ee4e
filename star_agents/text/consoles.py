"""The one way to a console of rich: what is printed is text (``printing.printable``), and never read as markup.

Apart from ``printing.py``, since loading rich takes a tenth of a second, which `--help` does not need.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from star_agents.text.printing import printable
from star_agents.text.streams import standard_error

LONGEST_WHOLE_NAME = 20
"""Characters of the names in a table's first column up to which they stay on one line where the table is too wide."""


def progress_console(*, quiet: bool) -> Console:
    """Standard error as a console in a program that is somebody else's; in a notebook it gets lines and no widget."""
    found = Console(file=standard_error(), quiet=quiet)
    if not found.is_jupyter:
        return found
    # A kernel says that its stream is a terminal, and shows a bar that is drawn anew as one line after another.
    return Console(file=standard_error(), quiet=quiet, force_jupyter=False, force_terminal=False)


def say_on(console: Console, text: str) -> None:
    """Print a text on a console, which may draw a bar below it."""
    console.print(Text(printable(text)), highlight=False, soft_wrap=True)


def say_table(title: str, columns: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on standard output.

    Args:
        title: Above it.
        columns: Heading of each, and whether it holds numbers, which are aligned on the right.
        rows: Their cells.
    """
    table = Table(title=Text(printable(title)), title_justify="left")
    names_are_short = all(len(row[0]) <= LONGEST_WHOLE_NAME for row in rows)
    for index, (heading, is_numeric) in enumerate(columns):
        table.add_column(
            Text(printable(heading)),
            justify="right" if is_numeric else "left",
            overflow="fold",
            no_wrap=index == 0 and names_are_short,
        )
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console().print(table)
