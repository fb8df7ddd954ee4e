"""A store that tools/bench/scale makes opens and reads as one that `run` made, of so many times as many seeds."""

from __future__ import annotations

import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools" / "bench"))

from scale_bench import filling  # noqa: E402
from scale_bench.processes import took  # noqa: E402

from star_agents.engine.run_facts import read_facts  # noqa: E402
from star_agents.records import Seed  # noqa: E402
from star_agents.storage.known_rows import row_digest  # noqa: E402
from star_agents.storage.outgoing.export import dataset_rows  # noqa: E402
from star_agents.storage.reader import StoreReader  # noqa: E402
from star_agents.storage.store import STORE_FILE, Store  # noqa: E402

TIMES, WORKED = 4, 12


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of a run, and of its copies."""
    folder = tmp_path_factory.mktemp("scale")
    worked, filled = folder / "worked", folder / "filled"
    filling.work(worked, folder / "agents.yaml", WORKED)
    assert filling.fill(filled, worked, TIMES * WORKED + 3)[0] == TIMES * WORKED
    return worked, filled


def test_the_file_is_whole_and_has_the_schema_of_the_store_that_was_worked(folders: tuple[Path, Path]) -> None:
    def looked_at(folder: Path) -> Any:
        with closing(sqlite3.connect(folder / STORE_FILE)) as store:
            assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert store.execute("PRAGMA foreign_key_check").fetchall() == []
            return sorted(store.execute("SELECT type, name, sql FROM sqlite_master"), key=str)

    worked, filled = folders
    assert looked_at(filled) == looked_at(worked)


def test_sums_are_those_of_all_copies_counted_one_by_one(folders: tuple[Path, Path]) -> None:
    worked, filled = folders
    with StoreReader(worked) as one, StoreReader(filled) as many:
        few, all_ = one.counts(), many.counts()
        assert (all_.seeds, all_.kept, all_.base) == (TIMES * few.seeds, TIMES * few.kept, TIMES * few.base)
        assert all_.calls_answered == TIMES * few.calls_answered
        assert [pair.candidates for pair in many.pair_costs()] == [TIMES * pair.candidates for pair in one.pair_costs()]
        counted = Counter(trial.arm for result in many.results() for trial in result.outcome.trials)
        assert {arm: n for arm, n in counted.items() if arm in many.tallies().drawn} == many.tallies().drawn


def test_every_seed_call_and_row_is_what_the_product_would_call_it(folders: tuple[Path, Path]) -> None:
    with StoreReader(folders[1]) as many:
        results = list(many.results())
        calls = many.ask(lambda connection: connection.execute("SELECT key, seed_id FROM calls").fetchall())
        known = dict(
            many.ask(lambda connection: connection.execute("SELECT digest, seed_id FROM row_digests").fetchall())
        )
    ids = [result.seed.id for result in results]
    assert ids == [Seed.of(result.seed.content).id for result in results]
    assert len({*ids}) == TIMES * WORKED
    assert len({key for key, _ in calls}) == len(calls)
    assert {seed_id for _, seed_id in calls} == {*ids}
    assert known == {row_digest(row): result.seed.id for result in results for row in result.outcome.rows}
    assert all(trial.sample.instruction == result.seed.sample.instruction
               for result in results for trial in result.outcome.trials)  # fmt: skip


def test_the_memory_of_a_command_is_not_that_of_whoever_measures_it() -> None:
    ballast = bytearray(b"x") * (256 << 20)
    assert took([sys.executable, "-c", "print('done')"]).peak_mb < 100
    assert len(ballast) == 256 << 20


async def test_it_opens_for_work_is_reported_and_exported(folders: tuple[Path, Path]) -> None:
    async with await Store.open(folders[1]) as store:
        assert await store.lease(1) == []
    with StoreReader(folders[1]) as many:
        assert read_facts(many, "filled").summary["counts"]["done"] == TIMES * WORKED
        assert len({row["messages"][0]["content"] for row in dataset_rows(many, "messages")}) == TIMES * WORKED
