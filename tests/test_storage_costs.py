"""What the store knows of money: by day, by pair, what is at risk; and stores of version 1, which knew less."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from older_release import add_candidates, add_outcomes
from star_outcomes import read_star_outcome as stars
from storage_samples import altered, commit, intent, make_dropped, make_outcome, make_reply, make_seed

from star_agents.recipes.star_records import Assessed
from star_agents.storage.migrations import migrate, scripts
from star_agents.storage.reader import StoreReader
from star_agents.storage.rows import OpenWork, OutcomeRow, PairCost
from star_agents.storage.store import STORE_FILE, Store

DAY = 86_400.0


@dataclass
class Clock:
    """Seconds since 1970, turned by hand."""

    at: float = 10 * DAY

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    async with await Store.open(tmp_path, now=clock) as store:
        yield store


async def dollars_since(store: Store, since: float) -> dict[str, float]:
    return {agent: taken.usd for agent, taken in (await store.taken(since)).items()}


async def test_calls_and_tokens_count_what_is_at_risk_and_are_the_same_from_either_index(store: Store) -> None:
    calls = ["answered", "in flight", "withdrawn", "uncounted", "again"]
    await store.intend([intent(key, reserved_tokens=100) for key in calls])
    await store.withdraw(["withdrawn"])
    await store.intend([intent("again", reserved_tokens=100)])
    unknown = make_reply(prompt_tokens=0, completion_tokens=0)
    await store.record_answers([("answered", make_reply()), ("again", make_reply()), ("uncounted", unknown)])
    await store.intend([intent("older", agent="b", reserved_tokens=None)])
    taken = await store.taken()
    assert (taken["a"].calls, taken["a"].tokens) == (5, 15 + 100 + 100 + (15 + 100))
    assert (taken["b"].calls, taken["b"].tokens) == (1, 0)
    assert taken == await store.taken(0.0)


async def test_what_a_day_cost_counts_calls_of_that_day_and_sends_at_risk(store: Store, clock: Clock) -> None:
    await store.intend([intent("yesterday")])
    await store.record_answers([("yesterday", make_reply(cost_usd=0.1))])
    clock.at += DAY
    calls = ["answered", "in flight", "withdrawn", "unpriced", "free"]
    await store.intend([intent(key, agent="b" if key == "free" else "a") for key in calls])
    await store.record_answers([("answered", make_reply(cost_usd=0.25)), ("unpriced", make_reply(cost_usd=None))])
    await store.record_answers([("free", make_reply(cost_usd=0.0))])
    await store.withdraw(["withdrawn"])
    assert await dollars_since(store, clock.at) == {"a": 0.25 + 0.5 + 0.5, "b": 0.0}
    assert await dollars_since(store, clock.at - DAY) == {"a": 0.1 + 0.25 + 0.5 + 0.5, "b": 0.0}
    assert await store.taken(clock.at + 1) == {}


async def test_a_send_that_was_repeated_counts_twice_on_the_day_of_the_last_one(store: Store, clock: Clock) -> None:
    await store.intend([intent("k", reserved_usd=0.5)])
    clock.at += DAY
    await store.intend([intent("k", reserved_usd=0.5)])
    assert await dollars_since(store, clock.at) == {"a": 1.0}
    await store.record_answers([("k", make_reply(cost_usd=0.2))])
    assert await dollars_since(store, clock.at) == {"a": 0.2 + 0.5}


async def test_an_answer_without_a_price_is_at_risk_of_what_was_reserved(store: Store) -> None:
    await store.intend([intent("k")])
    await store.record_answers([("k", make_reply(cost_usd=None))])
    (usage,) = await store.agent_usage()
    assert (usage.cost_usd, usage.unknown_price, usage.at_risk_usd) == (None, 1, 0.5)
    await store.intend([intent("in flight", agent="b", reserved_usd=None)])
    assert [one.at_risk_usd for one in await store.agent_usage()] == [0.5, None], "nobody knows what it may cost"


async def test_open_work_is_what_is_in_hand(store: Store) -> None:
    assert await store.open_work() == OpenWork(0, 0, 0)
    await store.add_seeds([make_seed(number) for number in range(3)])
    await store.lease(2)
    await store.intend([intent(key) for key in ("answered", "in flight", "again")])
    await store.record_answers([("answered", make_reply())])
    await store.intend([intent("again")])
    assert await store.open_work() == OpenWork(seeds=2, calls_pending=2, calls_maybe_paid=1)
    counts = await store.counts()
    assert (counts.working, counts.calls_pending, counts.calls_maybe_paid) == (2, 2, 1)


def priced(one: Assessed, cost_usd: float | None) -> Assessed:
    return replace(one, candidate=replace(one.candidate, cost_usd=cost_usd))


async def test_pair_costs_sum_candidates_and_wins_of_newest_outcomes(store: Store, tmp_path: Path) -> None:
    first, second, third = (make_seed(number) for number in range(3))
    await store.add_seeds([first, second, third])
    await store.lease(3)
    await commit(store, make_dropped(first))  # 0.25 for keep/a, superseded below.
    await store.requeue_dropped()
    await store.lease(1)
    outcome = make_outcome(second)
    base, won, lost = stars(outcome).candidates
    await commit(store, make_outcome(first))
    await commit(store, altered(outcome, priced(base, 0.0), priced(won, None), priced(lost, 0.5)))
    await commit(store, make_dropped(third))
    expected = [
        PairCost(pair="keep/a", candidates=3, wins=2, cost_usd=0.5, unknown_cost=1),
        PairCost(pair="keep/b", candidates=2, wins=0, cost_usd=0.75, unknown_cost=0),
        PairCost(pair="keep/seed", candidates=2, wins=0, cost_usd=0.25, unknown_cost=0),
    ]
    assert await store.pair_costs() == expected
    assert [pair.usd_per_win for pair in expected] == [0.25, None, None]
    with StoreReader(tmp_path) as reader:
        assert reader.pair_costs() == expected
        assert reader.taken() == await store.taken() == await store.taken(0.0)


async def test_a_store_of_version_1_learns_what_its_candidates_cost(tmp_path: Path) -> None:
    seed = make_seed(1, response="odd \ud800 text")
    outcome = make_outcome(seed)
    base, won, lost = stars(outcome).candidates
    outcome = altered(outcome, priced(base, 0), priced(won, None), priced(lost, 0.5))
    async with await Store.open(tmp_path / "new") as store:
        await store.add_seeds([seed])
        await store.lease(1)
        await store.intend([intent("k")])
        await commit(store, outcome)
        expected, counts, rows = await store.pair_costs(), await store.counts(), await store.outcomes()
    _copy_as_version_1(tmp_path / "new", tmp_path / "old", rows)
    async with await Store.open(tmp_path / "old") as store:
        assert await store.pair_costs() == expected
        assert await store.counts() == counts
        assert await dollars_since(store, 0.0) == {"a": 0.5}
        assert (await store.outcomes())[0].outcome == replace(outcome, drawn=()), "what was drawn was not kept"


def _copy_as_version_1(new: Path, old: Path, rows: Sequence[OutcomeRow]) -> None:
    """Write the rows of a store into one as the first release would have."""
    old.mkdir()
    connection = sqlite3.connect(old / STORE_FILE, isolation_level=None)
    migrate(connection, old / STORE_FILE, scripts()[:1])
    connection.execute("ATTACH ? AS new", (str(new / STORE_FILE),))
    tables = [name for (name,) in connection.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'")]
    for table in [name for name in tables if not name.startswith("sqlite_") and name not in ("outcomes", "candidates")]:
        names = [row[1] for row in connection.execute(f"PRAGMA main.table_info({table})")]
        # What is called otherwise now.
        source, since = ("pools", {"id": "1"}) if table == "policy" else (table, _SINCE.get(table, {}))
        columns, now = ", ".join(names), ", ".join(since.get(name, name) for name in names)
        connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {now} FROM new.{source}")
    add_outcomes(connection, rows)
    add_candidates(connection, rows)
    connection.close()


_SINCE = {"seeds": {"sample": "content"}, "memory": {"pair": "arm", "pi": "value"}}
