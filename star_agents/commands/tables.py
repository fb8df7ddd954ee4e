"""Tables for people and JSON for scripts, the same for every verb."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from star_agents.figures import usd, usd_each


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


def print_costs(pairs: Iterable[tuple[str, float | None, int, float | None]]) -> None:
    """What each pair cost: name, US dollars, candidates of unknown cost, US dollars per win. Nothing if all is free."""
    costs = [cost for cost in pairs if cost[1] or cost[2]]
    if costs:
        rows = [[name, usd(known), str(unknown), usd_each(each, unknown)] for name, known, unknown, each in costs]
        print_table("cost of candidates", ["pair", "cost", "candidates of unknown cost", "cost per win"], rows)


def print_failures(failures: Sequence[Mapping[str, Any]], *, err: bool = True) -> None:
    """What was tolerated, a line each, the most frequent first; nothing where nothing was."""
    for one in sorted(failures, key=lambda one: -one["failures"]):
        click.echo(f"tolerated: {one['sentence']}", err=err)


def amount(unit: str, value: float) -> str:
    """An amount of a budget, without its unit where that stands in the budget's name."""
    return usd(value) if unit == "usd" else f"{value:,.0f}"


def _is_number(cell: str) -> bool:
    return cell in ("", "-", "unknown") or cell.lstrip("$").replace(",", "").replace(".", "").rstrip("%×").isdigit()
