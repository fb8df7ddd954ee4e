"""Tables for people and JSON for scripts, the same for every verb."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from star_agents.engine.batch_notes import tolerated
from star_agents.observe.status import FailureTold, RefusedArm
from star_agents.text.arm_names import shared_folder
from star_agents.text.consoles import say_table
from star_agents.text.figures import usd, usd_each, usd_sum
from star_agents.text.printing import say, say_json

REFUSED_SHOWN = 12
"""Arms of which a table shows what was refused."""


def print_json(data: Any) -> None:
    """Print plain data as indented JSON on standard output."""
    say_json(data)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on standard output; every column but the first is right-aligned when all its cells are numbers."""
    numeric = [index > 0 and all(_is_number(row[index]) for row in rows) for index in range(len(columns))]
    say_table(title, list(zip(columns, numeric, strict=True)), rows)


def print_costs(pairs: Iterable[tuple[str, float | None, int, float | None]]) -> None:
    """What each pair cost: name, US dollars, candidates of unknown cost, US dollars per win. Nothing if all is free."""
    costs = [cost for cost in pairs if cost[1] or cost[2]]
    if costs:
        rows = [[name, usd(known), str(unknown), usd_each(each, unknown)] for name, known, unknown, each in costs]
        print_table("cost of candidates", ["pair", "cost", "candidates of unknown cost", "cost per win"], rows)


def calls_and_cost(calls: int, summary: Mapping[str, Any]) -> str:
    """Calls that this command sent, the US dollars of its folder, and calls there that may have been paid twice; those
    of earlier commands included.

    Args:
        calls: Sent by this command.
        summary: Of the folder.
    """
    cost, twice = summary["cost"], summary["counts"]["calls_maybe_paid"]
    spent = usd_sum(cost["known_usd"], cost["calls_of_unknown_price"])
    sent_again = f" ({twice:,} of its calls may have been paid twice)" if twice else ""
    return f"{calls:,} calls sent, {spent} in all in this folder{sent_again}"


def print_failures(failures: Iterable[FailureTold], *, err: bool = True) -> None:
    """What was tolerated, a line each, the most frequent first; nothing where nothing was."""
    for sentence in tolerated(failures):
        say(sentence, err=err)


def print_refused(arms: Sequence[RefusedArm], most: int = REFUSED_SHOWN) -> None:
    """What was refused of the instructions that each arm was drawn for, and why; nothing where nothing was."""
    if not arms:
        return
    folder = shared_folder({one.arm for one in arms})
    rows = [
        [
            one.arm.removeprefix(folder),
            f"{one.instructions:,}",
            f"{one.refused:,}",
            "; ".join(f"{n:,} {why}" for why, n in one.reasons.items()),
        ]
        for one in arms[:most]
    ]
    title = f"instructions and rows that were refused{all_of(folder)}"
    print_table(title, ["arm", "made", "refused", "why"], rows)
    if (more := len(arms) - most) > 0:
        say(f"  and {more:,} more arms")


def all_of(folder: str) -> str:
    """What the title of a table says of the folder that its arms lie in, whose name their rows have no room for."""
    return f", all of {folder}" if folder else ""


def amount(unit: str, value: float) -> str:
    """An amount of a budget, without its unit where that stands in the budget's name."""
    return usd(value) if unit == "usd" else f"{value:,.0f}"


def _is_number(cell: str) -> bool:
    return cell in ("", "-", "unknown") or cell.lstrip("$").replace(",", "").replace(".", "").rstrip("%×").isdigit()
