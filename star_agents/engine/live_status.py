"""The status of a line at work: what the store says, what the accounts add up, and what was heard, joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from star_agents.engine.accounts import Accounts
from star_agents.engine.engine import Engine
from star_agents.engine.insights import NEVER_CALLED, Insights
from star_agents.engine.status import describe, describe_config, eta_s
from star_agents.scoring.facts import ScorerStats
from star_agents.storage.exams import ExamsInForce
from star_agents.storage.reader import StoreReader
from star_agents.storage.readers import Readers
from star_agents.storage.rows import OpenWork
from star_agents.storage.tallies import Tallies

LOOKS = 3
"""At the store, for one status."""


async def status_of(line: Engine, accounts: Accounts, insights: Insights, readers: Readers) -> dict[str, Any]:
    """Plain data about everything but the process itself. The writer of the store is not waited for.

    Raises:
        StoreError: when the store cannot be read.
    """
    in_hand, tallies, exams = await _of_one_moment(insights, readers)
    counts, heard, waiting = accounts.counts(in_hand), insights.snapshot(), line.waiting_for
    told = describe(
        counts,
        accounts.spend(),
        accounts.pair_costs(),
        line.client.budgets.states(),
        line.settling.scheduler.probabilities(),
        tallies,
        line.client.states(),
        exams,
        line.settling.pools.probabilities(),
    )
    rate, bank = heard["rate"], line.settling.scheduler.bank
    return {
        **{name: heard[name] for name in ("started_at", "now", "latest_seq")},
        "revision": line.revision,
        "waiting_for": None if waiting is None else {"reason": waiting.reason, "until": waiting.until},
        "held_because": line.held_because,
        **told,
        "rate": {**rate, "eta_s": None if waiting is not None else eta_s(counts, rate["seeds_per_minute"])},
        "agents": _with_heard(told["agents"], heard["agents"]),
        "memory": {**told["memory"], "size": None if bank is None else len(bank)},
        "scorer": None if line.scorer is None else _scorer(line.scorer.stats()),
        "store": line.store.stats()._asdict(),
        "config": describe_config(line.config, line.revision),
    }


async def _of_one_moment(insights: Insights, readers: Readers) -> tuple[OpenWork, Tallies, dict[int, ExamsInForce]]:
    """What the store says once it and those who hear know of the same outcomes, or after a few looks at a line that has
    one after the other: a seed that ended in between would count as done and as in hand."""
    for _ in range(LOOKS):
        before, after, in_hand, tallies, exams = await readers.ask(_of_the_store)
        if before == after == insights.latest_seq:
            break
    return in_hand, tallies, exams


def _of_the_store(reader: StoreReader) -> tuple[int, int, OpenWork, Tallies, dict[int, ExamsInForce]]:
    before = reader.latest_seq()
    in_hand, tallies, exams = reader.open_work(), reader.tallies(), reader.exams()
    return before, reader.latest_seq(), in_hand, tallies, exams


def _with_heard(agents: Mapping[str, Any], heard: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {**facts, **heard.get(name, NEVER_CALLED)} for name, facts in agents.items()}


def _scorer(stats: ScorerStats) -> dict[str, Any]:
    return {
        **asdict(stats),
        "answered_per_second": stats.answered_per_second,
        "tokens_per_second": stats.tokens_per_second,
    }
