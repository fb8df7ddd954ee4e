"""Tables for people and JSON for scripts, the same for every verb."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table


def print_json(data: Any) -> None:
    """Print plain data as indented JSON on standard output."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on standard output; every column but the first is right-aligned when all its cells are numbers."""
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        numeric = index > 0 and all(_is_number(row[index]) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def usd(value: float | None) -> str:
    """US dollars for people; a price that nobody knows is shown as unknown."""
    return "unknown" if value is None else f"${value:,.4f}"


def _is_number(cell: str) -> bool:
    return cell in ("", "-", "unknown") or cell.lstrip("$").replace(",", "").replace(".", "").rstrip("%×").isdigit()
