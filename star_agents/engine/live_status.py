"""The status of a line at work: what the store says, what the accounts add up, and what was heard, joined."""

from __future__ import annotations

from typing import Any, NamedTuple

from star_agents.engine.accounts import Accounts
from star_agents.engine.engine import Engine
from star_agents.engine.insights import NEVER_CALLED, Heard, Insights
from star_agents.engine.status import bank_facts, describe, eta_s, seeds_to_come, settings_of
from star_agents.observe.status import (
    Agent,
    AgentAtWork,
    AgentState,
    CalledAgent,
    Exams,
    FolderStatus,
    LineStatus,
    Rate,
)
from star_agents.observe.status import Waiting as WaitingTold
from star_agents.storage.exams import ExamsInForce
from star_agents.storage.reader import StoreReader
from star_agents.storage.readers import Readers
from star_agents.storage.rows import OpenWork
from star_agents.storage.tallies import Tallies

LOOKS = 3
"""At the store, for one status."""


async def status_of(line: Engine, accounts: Accounts, insights: Insights, readers: Readers) -> LineStatus:
    """Everything but the process itself. The writer of the store is not waited for.

    Raises:
        StoreError: when the store cannot be read.
    """
    told = await _of_one_moment(insights, readers)
    counts, heard, states = accounts.counts(told.in_hand), insights.snapshot(), line.client.states()
    waiting = line.waiting_for
    stored = describe(
        counts,
        accounts.spend(),
        accounts.pair_costs(),
        line.client.budgets.states(),
        line.settling.own_pool.probabilities(),
        told.tallies,
        states,
        told.exams,
        line.settling.pools.probabilities(),
        point_exams=told.point_exams,
        bank=bank_facts([one.state() for one in line.settling.banks], line.config.memory.max_items),
        wanted=line.config.target_rows,
    )
    of_the_store: dict[str, Any] = vars(stored)
    return LineStatus(
        **{**of_the_store, "agents": _at_work(stored, heard, states)},
        started_at=heard.started_at,
        now=heard.now,
        latest_seq=heard.latest_seq,
        revision=line.revision,
        waiting_for=None if waiting is None else WaitingTold(reason=waiting.reason, until=waiting.until),
        held_because=line.held_because,
        rate=_rate(heard, seeds_to_come(counts, stored.target), is_waiting=waiting is not None),
        scorer=None if line.scorer is None else line.scorer.stats(),
        store=line.store.stats(),
        servers=line.servers.states(),
        egress=line.client.egress,
        config=settings_of(line.config, line.revision),
    )


class _Told(NamedTuple):
    """What the store says at one moment."""

    seqs: tuple[int, int]
    """The newest outcome, before the other questions and after them."""
    in_hand: OpenWork
    tallies: Tallies
    exams: dict[int, ExamsInForce]
    point_exams: dict[str, Exams]


async def _of_one_moment(insights: Insights, readers: Readers) -> _Told:
    """What the store says once it and those who hear know of the same outcomes, or after a few looks at a line that has
    one after the other: a seed that ended in between would count as done and as in hand."""
    for _ in range(LOOKS):
        told = await readers.ask(_of_the_store)
        if set(told.seqs) == {insights.latest_seq}:
            break
    return told


def _of_the_store(reader: StoreReader) -> _Told:
    before = reader.latest_seq()
    in_hand, tallies, exams, of_points = reader.open_work(), reader.tallies(), reader.exams(), reader.point_exams()
    return _Told((before, reader.latest_seq()), in_hand, tallies, exams, of_points)


def _at_work(stored: FolderStatus, heard: Heard, states: dict[str, AgentState]) -> dict[str, AgentAtWork | CalledAgent]:
    return {name: _agent(one, heard, name, states.get(name)) for name, one in stored.agents.items()}


def _agent(stored: Agent, heard: Heard, name: str, state: AgentState | None) -> AgentAtWork | CalledAgent:
    known: dict[str, Any] = {**vars(stored), **vars(heard.agents.get(name, NEVER_CALLED))}
    return CalledAgent(**known) if state is None else AgentAtWork(**known, **vars(state))


def _rate(heard: Heard, to_come: int, *, is_waiting: bool) -> Rate:
    return Rate(
        seeds_per_minute=heard.seeds_per_minute,
        seeds_per_minute_overall=heard.seeds_per_minute_overall,
        usd_per_hour=heard.usd_per_hour,
        eta_s=None if is_waiting else eta_s(to_come, heard.seeds_per_minute),
    )
