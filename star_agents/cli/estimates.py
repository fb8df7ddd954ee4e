"""How `run` shows what it will take, and asks whether to go on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import anyio

from star_agents.cli.tables import print_table
from star_agents.engine.estimate import METHOD, Estimate, RunEstimate
from star_agents.text.figures import duration, usd
from star_agents.text.printing import say


def estimate_as_data(estimate: RunEstimate) -> dict[str, Any]:
    """Plain data for `--json`; an amount that nobody knows is null."""
    return {"estimate": {**asdict(estimate), "method": METHOD}}


def show_estimate(estimate: RunEstimate, what: str = "seeds") -> None:
    """Print it as a table; ``what``: the seeds in the words of the command."""
    rows = [
        _row("calls", estimate.calls, _count),
        _row("tokens read", estimate.prompt_tokens, _count),
        _row("tokens written", estimate.completion_tokens, _count),
        ["dollars", "unknown", "-", "unknown"] if estimate.usd is None else _row("dollars", estimate.usd, usd),
    ]
    if estimate.calls_of_unknown_price.so_far:
        rows.append(_row("calls of unknown price", estimate.calls_of_unknown_price, _count))
    if estimate.seconds is not None:
        rows.append([*_row("time from here", estimate.seconds, duration)[:3], "-"])
    title = f"{estimate.seeds:,} {what}, estimated from {estimate.sample}"
    print_table(title, ["", "in all", "95 % interval", "so far"], rows)
    if estimate.done < estimate.seeds:
        say(
            f"{estimate.done:,} of {estimate.seeds:,} {what} are done, and are not paid for again: "
            "run without --estimate to go on"
        )


def _row(name: str, estimate: Estimate, shown: Callable[[float], str]) -> list[str]:
    interval = f"{shown(estimate.low)} to {shown(estimate.high)}"
    return [name, shown(estimate.expected), interval, shown(estimate.so_far)]


def _count(value: float) -> str:
    return f"{value:,.0f}"


def is_on_terminal() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


async def ask_on_terminal(question: str) -> bool:
    """Ask; anything but a yes is a no. It can be cancelled, as no reading thread can."""
    say(f"{question} [y/N] ", err=True, nl=False)
    await anyio.wait_readable(sys.stdin)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
