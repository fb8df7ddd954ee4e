"""The store's verbs on real SQLite: queue, journal, outcomes, memory, revisions, reading beside a daemon."""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from storage_samples import (
    answer_to,
    commit,
    intent,
    keeping,
    make_dropped,
    make_memory,
    make_outcome,
    make_reply,
    make_seed,
    seen,
)

from star_agents.errors import StoreError, StoreLocked
from star_agents.records import PAIRS, Sample, Seed
from star_agents.storage.migrations import migrate, scripts, version_of
from star_agents.storage.reader import StoreReader
from star_agents.storage.rows import Spend
from star_agents.storage.sql import parse_queries, queries
from star_agents.storage.store import STORE_FILE, Store
from star_agents.text.plain_data import to_json


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    clock = itertools.count(1000)
    async with await Store.open(tmp_path, now=lambda: float(next(clock))) as store:
        yield store


# Seeds


async def test_seeds_come_back_whole_and_equal_ones_are_taken_once(store: Store) -> None:
    seeds = [make_seed(1), make_seed(2, input="given"), make_seed(1)]
    assert await store.add_seeds(seeds) == (2, 1)
    assert await store.add_seeds([make_seed(2, input="given"), make_seed(3)]) == (1, 1)
    assert await store.lease(9) == [make_seed(1), make_seed(2, input="given"), make_seed(3)]


async def test_leases_go_oldest_first_and_no_seed_goes_out_twice(store: Store) -> None:
    seeds = [make_seed(number) for number in range(20)]
    await store.add_seeds(seeds)
    leased = await asyncio.gather(*(store.lease(3) for _ in range(8)))
    assert [seed for batch in leased for seed in batch] == seeds
    assert await store.lease(1) == []


async def test_a_released_seed_waits_again_at_its_old_place(store: Store) -> None:
    await store.add_seeds([make_seed(number) for number in range(3)])
    first, _ = await store.lease(2)
    await store.release(first.id)
    assert await store.lease(2) == [make_seed(0), make_seed(2)]


async def test_a_leased_seed_waits_again_after_a_restart_and_its_attempts_are_kept(tmp_path: Path) -> None:
    for attempt in (1, 2):
        async with await Store.open(tmp_path) as store:
            await store.add_seeds([make_seed(1)])
            assert await store.lease(1) == [make_seed(1)]
        connection = sqlite3.connect(tmp_path / STORE_FILE)
        assert connection.execute("SELECT state, attempts FROM seeds").fetchall() == [("waiting", attempt)]
        connection.close()


async def test_any_unicode_survives_the_store(store: Store) -> None:
    text = "nul \0, lone \ud800, pair \U0001f600, line \u2028, 漢字"
    seed = Seed.of(Sample(instruction=text, response=text), source="odd \udcff name", meta={text: [text]})
    await store.add_seeds([seed])
    (back,) = await store.lease(1)
    assert (back.sample, back.meta) == (seed.sample, seed.meta)
    assert back.source == "odd \ufffd name"
    await store.intend([intent("k")])
    await store.record_answers([("k", make_reply(text))])
    assert await answer_to(store, "k") == make_reply(text)
    await commit(store, make_dropped(back, reason=text))
    assert (await store.outcomes())[0].outcome.reason == text


# Journal


async def test_an_answer_is_found_only_once_it_is_recorded(store: Store) -> None:
    assert await answer_to(store, "k") is None
    await store.intend([intent("k")])
    assert await answer_to(store, "k") is None
    await store.record_answers([("k", make_reply())])
    assert await answer_to(store, "k") == make_reply()


async def test_a_call_that_was_cut_off_is_counted_when_it_is_sent_again(store: Store) -> None:
    await store.intend([intent("k")])
    await store.intend([intent("k")])
    await store.record_answers([("k", make_reply())])
    counts = await store.counts()
    assert (counts.calls_answered, counts.calls_pending, counts.calls_maybe_paid) == (1, 0, 1)
    (usage,) = await store.agent_usage()
    assert usage.at_risk_usd == 0.5, "what was reserved for the send that nobody heard of"


async def test_a_withdrawn_call_leaves_no_intent_but_an_earlier_send_stays_counted(store: Store) -> None:
    await store.intend([intent("never paid")])
    await store.withdraw(["never paid"])
    await store.intend([intent("cut off")])
    await store.intend([intent("cut off")])
    await store.withdraw(["cut off"])
    counts = await store.counts()
    assert (counts.calls_pending, counts.calls_maybe_paid) == (0, 1)
    await store.intend([intent("never paid"), intent("cut off")])
    counts = await store.counts()
    assert (counts.calls_pending, counts.calls_maybe_paid) == (2, 1)


async def test_an_answered_call_is_never_intended_or_answered_again(store: Store) -> None:
    await store.intend([intent("k")])
    await store.record_answers([("k", make_reply())])
    with pytest.raises(StoreError, match="answered already"):
        await store.intend([intent("k")])
    with pytest.raises(StoreError, match="no open intent"):
        await store.record_answers([("k", make_reply("another"))])
    with pytest.raises(StoreError, match="no open intent"):
        await store.record_answers([("never intended", make_reply())])
    await store.withdraw(["k"])
    assert await answer_to(store, "k") == make_reply()


async def test_of_calls_that_are_recorded_together_all_are_or_none(store: Store) -> None:
    await store.intend([intent("a"), intent("b")])
    with pytest.raises(StoreError, match="no open intent"):
        await store.record_answers([("a", make_reply()), ("never intended", make_reply())])
    assert await answer_to(store, "a") is None
    await store.record_answers([("a", make_reply())])
    with pytest.raises(StoreError, match="answered already"):
        await store.intend([intent("c"), intent("a")])
    counts = await store.counts()
    assert (counts.calls_answered, counts.calls_pending) == (1, 1), "b is open, and c was never intended"


async def test_spend_tells_known_dollars_from_calls_of_unknown_price(store: Store) -> None:
    for key, agent, cost in (("1", "a", 0.5), ("2", "a", 0.25), ("3", "b", None), ("4", "b", 1.0)):
        await store.intend([intent(key, agent=agent)])
        await store.record_answers([(key, make_reply(cost_usd=cost))])
    await store.intend([intent("5", agent="c", reserved_usd=None)])
    assert seen(store, StoreReader.spend) == {"a": Spend(0.75, 2, 0), "b": Spend(1.0, 2, 1), "c": Spend(0.0, 0, 0)}
    counts = await store.counts()
    assert (counts.cost_usd, counts.calls_of_unknown_price) == (1.75, 1)
    assert (counts.prompt_tokens, counts.completion_tokens) == (40, 20)
    assert counts.calls_pending == 1


async def test_the_first_record_of_a_step_stands(store: Store) -> None:
    await store.add_seeds([make_seed(1)])
    seed_id = make_seed(1).id
    assert await store.find_step(seed_id, "draw") is None
    assert await store.record_step(seed_id, "draw", {"sampled": ["keep/a"]}) == {"sampled": ["keep/a"]}
    assert await store.record_step(seed_id, "draw", {"sampled": ["keep/b"]}) == {"sampled": ["keep/a"]}
    assert await store.find_step(seed_id, "draw") == {"sampled": ["keep/a"]}


# Outcomes


async def test_an_outcome_takes_effect_as_one_and_comes_back_bit_for_bit(store: Store) -> None:
    await store.add_seeds([make_seed(1)])
    (seed,) = await store.lease(1)
    state = {"weights": {"keep/a": 0.1 + 0.2, "keep/b": 1 / 3}}
    memory = make_memory(0.1, -0.2, 0.3)
    seq, *_ = await store.commit_outcome(make_outcome(seed), foresee=keeping(state), memory=memory, revision=7)
    (row,) = await store.outcomes()
    assert (row.seq, row.revision, row.outcome) == (seq, 7, make_outcome(seed))
    policy = (await store.load_pools()).get(PAIRS)
    assert policy is not None
    assert (policy.state, policy.after_seq, policy.revision) == (state, seq, 7)
    (kept,) = await store.memory_rows()
    assert (kept.seq, kept.arm, kept.embedding, kept.dimension) == (seq, "keep/a", memory.embedding, 3)
    counts = await store.counts()
    assert (counts.waiting, counts.working, counts.kept, counts.seeds) == (0, 0, 1, 1)


@pytest.mark.parametrize("embedding", [b"", b"\0\0\0\0\0"], ids=["empty", "torn"])
async def test_a_failing_memory_row_leaves_nothing_of_its_outcome(embedding: bytes, store: Store) -> None:
    await store.add_seeds([make_seed(1)])
    (seed,) = await store.lease(1)
    await store.save_pools({PAIRS: {"weights": {"keep/a": 0.5}}}, 1)
    with pytest.raises(StoreError, match="CHECK constraint"):
        await commit(store, make_outcome(seed), replace(make_memory(), embedding=embedding))
    assert await store.outcomes() == []
    policy = (await store.load_pools()).get(PAIRS)
    assert policy is not None
    assert policy.state == {"weights": {"keep/a": 0.5}}
    assert (await store.counts()).working == 1
    assert await commit(store, make_outcome(seed), make_memory(1.0)) == 1


async def test_a_seed_has_one_outcome_and_an_unknown_seed_none(store: Store) -> None:
    await store.add_seeds([make_seed(1)])
    (seed,) = await store.lease(1)
    await commit(store, make_outcome(seed))
    for second in (make_outcome(seed), make_outcome(seed, kind="base", chosen=0), make_dropped(seed)):
        with pytest.raises(StoreError, match="has its outcome already"):
            await commit(store, second)
    with pytest.raises(StoreError, match="not in this store"):
        await commit(store, make_outcome(make_seed(2)))
    assert [row.seq for row in await store.outcomes()] == [1]


async def test_a_dropped_seed_can_wait_again_and_only_its_newest_outcome_counts(store: Store, tmp_path: Path) -> None:
    await store.add_seeds([make_seed(1), make_seed(2)])
    first, second = await store.lease(2)
    await commit(store, make_dropped(first))
    await commit(store, make_outcome(second))
    assert (await store.counts()).dropped == 1
    assert await store.requeue_dropped() == 1
    assert await store.requeue_dropped() == 0
    counts = await store.counts()
    assert (counts.waiting, counts.dropped, counts.kept) == (1, 0, 1)
    assert await store.lease(5) == [first]
    await commit(store, make_outcome(first, kind="base", chosen=0))
    counts = await store.counts()
    assert (counts.kept, counts.base, counts.dropped, counts.done) == (1, 1, 0, 2)
    assert [row.outcome.kind for row in await store.outcomes()] == ["dropped", "kept", "base"]
    with StoreReader(tmp_path) as reader:
        assert [(result.seed.id, result.outcome.kind) for result in reader.results()] == [
            (first.id, "base"),
            (second.id, "kept"),
        ]


async def test_outcomes_are_paged_in_the_order_in_which_they_took_effect(store: Store) -> None:
    seeds = [make_seed(number) for number in range(7)]
    await store.add_seeds(seeds)
    await store.lease(7)
    order = [3, 1, 6, 0, 5, 2, 4]
    assert await asyncio.gather(*(commit(store, make_outcome(seeds[at])) for at in order)) == list(range(1, 8))
    pages = [await store.outcomes(after, 3) for after in (0, 3, 6, 7)]
    assert [len(page) for page in pages] == [3, 3, 1, 0]
    assert [row.outcome.seed_id for page in pages for row in page] == [seeds[at].id for at in order]


async def test_memory_rows_are_told_apart_by_embedder_and_sequence(store: Store) -> None:
    await store.add_seeds([make_seed(number) for number in range(3)])
    for seed in await store.lease(3):
        await commit(store, make_outcome(seed), make_memory(1.0, 2.0))
    assert [row.seq for row in await store.memory_rows(embedder="small")] == [1, 2, 3]
    assert [row.seq for row in await store.memory_rows(after_seq=2)] == [3]
    assert await store.memory_rows(embedder="hashing") == []


# Config and facts


async def test_a_revision_keeps_its_id_until_the_config_changes(store: Store) -> None:
    assert await store.add_revision("d1", '{"a": 1}') == 1
    assert await store.add_revision("d1", '{"a": 1}') == 1
    await store.add_seeds([make_seed(1)])
    await commit(store, make_outcome((await store.lease(1))[0]))
    assert await store.add_revision("d2", '{"a": 2}') == 2
    assert await store.add_revision("d1", '{"a": 1}') == 3, "going back is a change too"
    assert [(row.id, row.digest, row.after_seq) for row in seen(store, StoreReader.revisions)] == [
        (1, "d1", 0),
        (2, "d2", 1),
        (3, "d1", 1),
    ]


async def test_the_first_policy_is_kept_beside_the_present_one(store: Store) -> None:
    assert (await store.load_pools()).get(PAIRS) is None
    await store.save_pools({PAIRS: {"weights": {"keep/a": 0.5}}}, 1)
    await store.save_pools({PAIRS: {"weights": {"keep/a": 0.9}}}, 2)
    policy = (await store.load_pools()).get(PAIRS)
    assert policy is not None
    assert (policy.start, policy.state) == ({"weights": {"keep/a": 0.5}}, {"weights": {"keep/a": 0.9}})
    assert (policy.revision, policy.after_seq) == (2, 0)


async def test_the_first_value_of_a_fact_stands(store: Store) -> None:
    assert await store.meta_get("salt") is None
    assert await store.meta_set_default("salt", "first") == "first"
    assert await store.meta_set_default("salt", "second") == "first"
    assert await store.meta_get("salt") == "first"


# Files


async def test_a_second_opener_is_told_who_holds_the_store(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys; from pathlib import Path; from star_agents.storage.store import Store\n"
        "asyncio.run(Store.open(Path(sys.argv[1])))"
    )
    async with await Store.open(tmp_path):
        with pytest.raises(StoreLocked, match=f"pid {os.getpid()}"):
            await Store.open(tmp_path)
        other = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True)  # noqa: ASYNC221 - the other process is all that matters now
        assert f"pid {os.getpid()}" in other.stderr
    async with await Store.open(tmp_path):
        pass


async def test_a_store_of_a_newer_release_is_refused_and_left_alone(tmp_path: Path) -> None:
    async with await Store.open(tmp_path):
        pass
    connection = sqlite3.connect(tmp_path / STORE_FILE)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for _ in range(2):  # The second time shows that the refusal gave the lock free.
        with pytest.raises(StoreError, match=r"newer star_agents.*schema 99"):
            await Store.open(tmp_path)
    with pytest.raises(StoreError, match="newer star_agents"):
        StoreReader(tmp_path)


async def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / STORE_FILE)
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    with pytest.raises(StoreError, match="another program"):
        await Store.open(tmp_path)


async def test_a_folder_that_cannot_be_made_is_an_error_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="choose a folder"):
        await Store.open(tmp_path / "file" / "below")


def test_a_migration_runs_once_and_one_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, path, scripts())
    steps = [*scripts(), "ALTER TABLE seeds ADD COLUMN priority INTEGER; CREATE TABLE extra (a INTEGER) STRICT;"]
    migrate(connection, path, steps)
    migrate(connection, path, steps)
    assert version_of(connection) == len(steps)
    with pytest.raises(sqlite3.Error):
        migrate(connection, path, [*steps, "CREATE TABLE more (a INTEGER) STRICT; CREATE TABLE extra (a INTEGER);"])
    assert version_of(connection) == len(steps)
    assert connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'more'").fetchone() is None
    connection.close()


async def test_a_table_that_is_made_anew_keeps_its_rows_their_order_and_who_refers_to_them(tmp_path: Path) -> None:
    path = tmp_path / STORE_FILE
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, path, scripts()[:2])
    seeds = [make_seed(number) for number in range(5)]
    old = "INSERT INTO seeds (id, sample, source, meta, added_at) VALUES (?, ?, ?, ?, 0.0)"
    columns = [(one.id, to_json(one.sample.to_dict()), one.source, to_json(one.meta)) for one in seeds]
    connection.executemany(old, columns)
    connection.execute("UPDATE seeds SET state = 'working', attempts = 1 WHERE ordinal < 3")
    connection.execute("INSERT INTO steps VALUES (?, 'draw', '{}')", (seeds[0].id,))
    connection.close()
    async with await Store.open(tmp_path) as store:
        assert await store.find_step(seeds[0].id, "draw") == {}
        with pytest.raises(StoreError, match="FOREIGN KEY"):
            await store.record_step("nobody", "draw", {})
        await store.add_seeds([make_seed(9)])
        assert await store.lease(9) == [seeds[0], *seeds[2:], make_seed(9)], "the second suspect waits for the first"


def test_queries_have_a_description_and_stand_once() -> None:
    assert "lease_suspect" in queries()
    with pytest.raises(ValueError, match="query a"):
        parse_queries("-- a --\nSELECT 1;")
    with pytest.raises(ValueError, match="query a"):
        parse_queries("-- a --\n-- One.\nSELECT 1;\n-- a --\n-- Two.\nSELECT 2;")


def test_a_part_that_several_queries_have_stands_once() -> None:
    text = "-- part --\n-- Of a.\n(1);\n-- a --\n-- One.\nSELECT {part}\n-- b --\n-- Two.\nSELECT '{}';"
    assert parse_queries(text) == {"a": "SELECT (1);", "b": "SELECT '{}';"}
    with pytest.raises(ValueError, match="query a: there is no part 'other'"):
        parse_queries("-- a --\n-- One.\nSELECT {other};")


def test_every_query_is_used_and_every_use_has_its_query() -> None:
    package = Path(__file__).resolve().parents[1] / "star_agents" / "storage"
    text = "\n".join(file.read_text(encoding="utf-8") for file in package.rglob("*.py"))
    assert {name for name in queries() if f'"{name}"' not in text} == set()


# Reading beside a daemon


async def test_a_reader_sees_what_is_committed_while_the_store_is_open_and_cannot_write(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        await store.add_seeds([make_seed(1)])
        with StoreReader(tmp_path) as reader:
            assert reader.counts().waiting == 1
            (seed,) = await store.lease(1)
            await commit(store, make_outcome(seed))
            (result,) = reader.results()
            assert result.seed == seed
            assert result.outcome == make_outcome(seed)
            assert reader.counts() == await store.counts()
            assert reader.pools() == await store.load_pools()
            assert reader.revisions() == []


async def test_a_reader_goes_through_results_page_by_page_in_seed_order(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        seeds = [make_seed(number) for number in range(600)]
        await store.add_seeds(seeds)
        await store.lease(600)
        await asyncio.gather(*(commit(store, make_dropped(seed)) for seed in reversed(seeds)))
    with StoreReader(tmp_path) as reader:
        assert [result.seed for result in reader.results()] == seeds


def test_a_missing_store_is_an_error_that_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store here"):
        StoreReader(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


async def test_paths_with_odd_characters_work(tmp_path: Path) -> None:
    folder = tmp_path / "50% a?b#c ü"
    async with await Store.open(folder) as store:
        await store.add_seeds([make_seed(1)])
    with StoreReader(folder) as reader:
        assert reader.counts().waiting == 1
