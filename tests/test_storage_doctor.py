"""`doctor` names what is wrong and what to do, changes nothing, and fails only for what keeps work from being done."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from storage_commands import star
from storage_samples import commit, intent, make_outcome, make_seed

from star_agents.scheduling.memory import KeptRows, MemoryBank, Remembered, as_vector
from star_agents.storage.examination import sqlite_problem
from star_agents.storage.store import STORE_FILE, Store

CONFIG = """
agents: {tutor: {model: offline/tutor}, referee: {model: offline/referee, roles: []}}
star: {referee: {agents: [referee]}, selection: referee}
retention_days: 30
"""


def findings(folder: Path, *options: str | Path, code: int) -> dict[str, tuple[str, str]]:
    """State and detail by part."""
    shown = star("doctor", folder, "--json", *options)
    assert shown.code == code, shown
    return {one["part"]: (one["state"], one["detail"]) for one in shown.data}


def in_store(folder: Path, work: Callable[[Store], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with await Store.open(folder) as store:
            await work(store)

    asyncio.run(run())


async def little(store: Store) -> None:
    await store.add_seeds([make_seed(number) for number in range(3)])
    await commit(store, make_outcome((await store.lease(1))[0]))


def test_a_healthy_folder_passes_and_nothing_in_it_changes(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    in_store(folder, little)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    found = findings(folder, "--deep", code=0)
    assert {part for part, (state, _) in found.items() if state != "ok"} <= {"sqlite", "disk"}
    assert found["store"][1].endswith("integrity check passed")
    assert found["lock"] == ("ok", "free")
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_a_folder_that_is_not_there_is_no_failure_and_is_not_made(tmp_path: Path) -> None:
    found = findings(tmp_path / "none", code=0)
    assert found["store"] == ("ok", "none yet")
    assert not (tmp_path / "none").exists()


def test_what_waits_for_a_person_is_a_warning_with_advice(tmp_path: Path) -> None:
    async def die_thrice() -> None:
        for _ in range(3):
            store = await Store.open(tmp_path)
            await store.add_seeds([make_seed(1)])
            await store.lease(1)
            await store.__aexit__(RuntimeError, RuntimeError(), None)

    asyncio.run(die_thrice())

    async def leave_in_hand() -> None:
        store = await Store.open(tmp_path)
        await store.add_seeds([make_seed(2)])
        await store.intend([intent("cut off")])
        await store.lease(1)
        await store.__aexit__(RuntimeError, RuntimeError(), None)

    asyncio.run(leave_in_hand())
    inbox = tmp_path / "inbox"
    (inbox / "rejected").mkdir(parents=True)
    (inbox / "late.jsonl").write_text("{}")
    (inbox / "rejected" / "bad.jsonl").write_text("{}")
    (inbox / "rejected" / "bad.jsonl.problems.txt").write_text("why")
    found = findings(tmp_path, code=0)
    assert found["quarantine"][0] == "warn"
    assert make_seed(1).id in found["quarantine"][1]
    assert "star_agents release" in found["quarantine"][1]
    assert found["calls"] == (
        "warn",
        "1 without an answer, cut off when a process ended: they may be paid for once more",
    )
    assert found["seeds"][0] == "warn"
    assert found["inbox"][0] == "warn"
    assert "1 files wait (first late.jsonl)" in found["inbox"][1]
    assert "1 in rejected/" in found["inbox"][1]


async def test_a_working_daemon_is_named_and_what_it_has_in_hand_is_no_warning(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        await store.add_seeds([make_seed(1)])
        await store.lease(1)
        await store.intend([intent("in flight")])
        found = await asyncio.to_thread(findings, tmp_path, code=0)
    assert found["lock"] == ("ok", f"held by process {os.getpid()}")
    assert (found["seeds"], found["calls"]) == (("ok", "1 in hand"), ("ok", "1 without an answer"))


@pytest.mark.parametrize("damage", ["page", "no database", "newer", "older"])
def test_a_store_that_cannot_be_worked_on_is_told_with_what_to_do(damage: str, tmp_path: Path) -> None:
    in_store(tmp_path, little)
    path = tmp_path / STORE_FILE
    if damage == "page":
        data = bytearray(path.read_bytes())
        for page in range(3, len(data) // 4096):
            data[page * 4096 : page * 4096 + 12] = b"\xff" * 12
        path.write_bytes(data)
        found = findings(tmp_path, code=1)
        assert found["store"][0] == "FAILED"
        assert "backup" in found["store"][1]
    elif damage == "no database":
        path.write_bytes(b"certainly not a database" * 1000)
        found = findings(tmp_path, code=1)
        assert "no store of star_agents" in found["store"][1]
    else:
        connection = sqlite3.connect(path)
        connection.execute(f"PRAGMA user_version = {99 if damage == 'newer' else 1}")
        connection.close()
        found = findings(tmp_path, code=1 if damage == "newer" else 0)
        assert found["schema"][0] == ("FAILED" if damage == "newer" else "warn")
        assert ("update star_agents" if damage == "newer" else "keeps a copy beside it") in found["schema"][1]


def test_an_index_is_told_whole_from_torn(tmp_path: Path) -> None:
    in_store(tmp_path, little)
    bank = MemoryBank("test")
    bank.load(KeptRows.of([Remembered(seq=1, pair="keep/a", pi=0.5, embedding=as_vector([1.0, 2.0]))]))
    index = tmp_path / "memory.hnsw"
    bank.save(index)
    assert findings(tmp_path, code=0)["index"] == ("ok", "1 instructions of embedder test")
    index.write_bytes(index.read_bytes()[:-1])
    assert findings(tmp_path, code=0)["index"][0] == "warn"
    index.with_name("memory.hnsw.json").unlink()
    assert findings(tmp_path, code=0)["index"][0] == "warn"


def test_agents_yaml_is_looked_at_where_it_is_named(tmp_path: Path) -> None:
    config = tmp_path / "agents.yaml"
    config.write_text(CONFIG)
    assert findings(tmp_path, "-c", config, code=0)["agents.yaml"][1].endswith("texts of answers are kept for 30 days")
    config.write_text(CONFIG.replace("30", "0"))
    state, detail = findings(tmp_path, "-c", config, code=1)["agents.yaml"]
    assert state == "FAILED"
    assert "retention_days" in detail


def test_the_wal_reset_fault_is_a_warning_that_says_what_protects_us() -> None:
    for version in [(3, 40, 1), (3, 51, 2)]:
        problem, is_fatal = sqlite_problem(version)
        assert "one thread of one process" in problem
        assert not is_fatal
    assert sqlite_problem((3, 51, 3)) == ("", False)
    assert sqlite_problem((3, 36, 0))[1]


def test_people_get_a_table(tmp_path: Path) -> None:
    shown = star("doctor", tmp_path)
    assert (shown.code, "python" in shown.out, "FAILED" in shown.out) == (0, True, False)
