"""What pairs did is told by kept sums as by a count of every outcome that counts, whatever became of the seeds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from sqlite3 import Connection

import pytest
from recorded.store import NAMES, unpack
from storage_samples import commit, make_dropped, make_outcome, make_seed

from star_agents.engine.target_rows import with_all_spare_rows
from star_agents.records import Outcome
from star_agents.records.findings import Finding, Objection
from star_agents.storage import pair_sums
from star_agents.storage.connection import connect
from star_agents.storage.reader import StoreReader
from star_agents.storage.reads import pair_costs
from star_agents.storage.secrets_at_rest import strike_secrets
from star_agents.storage.store import STORE_FILE, Store
from star_agents.text.redaction import redactor


@pytest.fixture
async def store(tmp_path: Path) -> Store:
    return await Store.open(tmp_path)


@pytest.fixture
def beside(store: Store, tmp_path: Path) -> Iterator[Connection]:
    """A connection of the test's own."""
    with closing(connect(tmp_path / STORE_FILE)) as made:
        yield made


def counted(connection: Connection) -> object:
    """By every outcome."""
    connection.execute("SAVEPOINT aside")
    pair_sums.forget(connection)
    found = pair_costs(connection)
    connection.execute("ROLLBACK TO aside")
    connection.execute("RELEASE aside")
    return found


def with_costs(outcome: Outcome, chance: random.Random) -> Outcome:
    trials = tuple(replace(one, cost_usd=chance.choice([None, 0.0, 0.25])) for one in outcome.trials)
    return replace(outcome, trials=trials)


@pytest.mark.parametrize("number", range(3))
async def test_kept_sums_and_what_came_since_are_the_sums_of_all_outcomes_that_count(
    store: Store, beside: Connection, number: int
) -> None:
    chance, folds, reopened = random.Random(number), 0, 0
    for step in range(60):
        await store.add_seeds([make_seed(step)])
        if chance.random() < 0.2:
            await store.requeue_dropped()
        if chance.random() < 0.2:
            page = await store.lacking("star", ["keep/late"], after=0, limit=5)
            await store.reopen([one.row.seq for one in page])
            reopened += len(page)
        if chance.random() < 0.1:
            await store.close_reopened("star")
        for seed in await store.lease(chance.choice([1, 1, 2])):
            outcome = make_dropped(seed) if chance.random() < 0.3 else make_outcome(seed)
            await commit(store, with_costs(outcome, chance))
        if step % 5 == 4:
            folds += pair_sums.fold(beside, least=chance.choice([1, 3]))
        assert pair_costs(beside) == await store.pair_costs() == counted(beside)
    assert (folds > 3, reopened > 3) == (True, True)
    await store.aclose()


async def test_a_spare_row_that_enters_is_a_win_of_its_pair_though_the_sums_were_kept(
    store: Store, beside: Connection
) -> None:
    seed = make_seed(1)
    await store.add_seeds([seed])
    await store.lease(1)
    made = make_outcome(seed)
    told = Objection(filter="target_rows", reason="the rows that are wanted are there")
    finding = Finding(objection=told, action="spare", kind="row", row=made.rows[0])
    await commit(store, replace(made, rows=(), findings=(finding,)))
    assert pair_sums.fold(beside, least=1)
    assert [one.wins for one in await store.pair_costs() if one.pair == "keep/a"] == [0]
    assert await store.spare_rows.take(with_all_spare_rows, lambda _: None, after=0) is None
    assert pair_costs(beside) == counted(beside)
    assert [one.wins for one in await store.pair_costs() if one.pair == "keep/a"] == [1]
    await store.aclose()


async def test_a_secret_that_is_struck_out_of_the_name_of_a_pair_is_not_in_its_sums(
    store: Store, beside: Connection, tmp_path: Path
) -> None:
    secret = "a-word-that-nobody-says-4711"
    seed = make_seed(1)
    await store.add_seeds([seed])
    await store.lease(1)
    made = make_outcome(seed)
    await commit(store, replace(made, trials=(replace(made.trials[0], arm=f"keep/{secret}"), *made.trials[1:])))
    assert pair_sums.fold(beside, least=1)
    await store.aclose()
    redactor.keep([secret])
    strike_secrets(tmp_path, {})
    assert beside.execute("SELECT count(*) FROM meta WHERE instr(value, ?)", [secret]).fetchone() == (0,)
    assert pair_costs(beside) == counted(beside)


async def test_a_start_that_queues_no_seed_again_leaves_the_sums_kept(store: Store, beside: Connection) -> None:
    await store.add_seeds([make_seed(1)])
    for seed in await store.lease(1):
        await commit(store, make_outcome(seed))
    assert pair_sums.fold(beside, least=1)
    assert not await store.requeue_dropped()
    for recipe in ("star", "arena"):
        assert not await store.close_reopened(recipe)
    assert not await store.reopen([])
    assert not pair_sums.fold(beside, least=1), "they were forgotten"
    await store.aclose()


async def test_sums_that_are_kept_are_not_made_again(store: Store, beside: Connection) -> None:
    await store.add_seeds([make_seed(number) for number in range(4)])
    for seed in await store.lease(3):
        await commit(store, make_outcome(seed))
    assert [pair_sums.fold(beside, least=4), pair_sums.fold(beside, least=3), pair_sums.fold(beside, least=1)] == [
        False,
        True,
        False,
    ]
    found = pair_costs(beside)
    beside.execute("DELETE FROM trials")  # Whoever read them would find none.
    assert pair_costs(beside) == found != []
    beside.execute("UPDATE meta SET value = json_set(value, '$.schema', 1) WHERE key = 'pair_sums'")
    assert pair_costs(beside) == []  # Of another schema they are not believed.
    await store.aclose()


async def test_sums_are_kept_anew_with_one_of_so_many_outcomes(store: Store, beside: Connection) -> None:
    await store.add_seeds([make_seed(1)])
    for seed in await store.lease(1):
        await commit(store, make_outcome(seed))
    for before, seq in ((1, 4_999), (5_000, 5_001)):
        pair_sums.fold_now_and_then(beside, before, seq)
    assert beside.execute("SELECT count(*) FROM meta WHERE key = 'pair_sums'").fetchone() == (0,)
    beside.execute("UPDATE sqlite_sequence SET seq = 4999 WHERE name = 'outcomes'")
    await store.add_seeds([make_seed(2)])
    for seed in await store.lease(1):
        await commit(store, make_outcome(seed))  # Its number is 5,000.
    assert beside.execute("SELECT count(*) FROM meta WHERE key = 'pair_sums'").fetchone() == (1,)
    assert pair_costs(beside) == counted(beside)
    await store.aclose()


def test_a_store_that_is_brought_up_to_date_keeps_its_sums_for_whoever_only_reads(tmp_path: Path) -> None:
    unpack(NAMES[0], tmp_path)
    with StoreReader(tmp_path) as reader:
        found = reader.pair_costs()
    assert sum(one.candidates for one in found) > 20
    with closing(connect(tmp_path / STORE_FILE)) as beside:
        kept = {key for (key,) in beside.execute("SELECT key FROM meta WHERE key LIKE '%\\_sums' ESCAPE '\\'")}
        assert found == counted(beside)
    assert kept == {"call_sums", "pair_sums"}
