"""Calls that go by the batches of providers, as `status` prints them."""

from __future__ import annotations

import time
from collections.abc import Iterator

from star_agents.cli.tables import print_table
from star_agents.observe.status import AgentBatches, BatchAtWork, Batches
from star_agents.text.figures import duration

_STATES = {
    "made": "being handed in",
    "submitted": "at the provider",
    "ended": "taken in, files not deleted yet",
    "done": "done",
}


def print_batches(batches: Batches) -> None:
    """What gathers, each batch that is not done with by its state and age, and what the results came to so far."""
    now = time.time()
    rows = [
        [name, "gathering", "", f"{one.gathered:,}", "", _age(one.gathered_since, now)]
        for name, one in batches.agents.items()
        if one.gathered
    ]
    rows += [_at_work(one, now) for one in batches.at_work]
    if rows:
        columns = ["agent", "state", "provider says", "calls", "taken in", "age"]
        print_table(f"batches ({batches.seeds:,} seeds wait for them)", columns, rows)


def batch_sentences(batches: Batches) -> Iterator[str]:
    """What the batches of each agent came to, a sentence each."""
    for name, one in batches.agents.items():
        if one.batches:
            odd = "".join(_odd(one))
            yield f"batches of {name}: {one.batches:,} with {one.requests:,} calls, {one.answered:,} answered{odd}"


def _odd(one: AgentBatches) -> Iterator[str]:
    for count, what in (
        (one.failed, "came back with an error"),
        (one.unanswered, "left unanswered, which went again, alone, or failed"),
        (one.duplicates, "results twice"),
        (one.unknown, "results of no call in them"),
        (one.unreadable, "results that could not be read"),
    ):
        if count:
            yield f", {count:,} {what}"


def _at_work(one: BatchAtWork, now: float) -> list[str]:
    since = one.submitted_at if one.state == "submitted" else one.made_at
    return [one.agent, _STATES[one.state], one.said, f"{one.requests:,}", f"{one.answered:,}", _age(since, now)]


def _age(since: float | None, now: float) -> str:
    return "" if since is None else duration(max(0.0, now - since))
