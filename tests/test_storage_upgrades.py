"""A store of an older release opens by whichever command comes first, and is kept beside itself as it was."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from daemons import Running, star_agents
from recorded.store import NAMES, unpack

import star_agents as sa
from star_agents.errors import StoreError, StoreLocked
from star_agents.storage.lock import FolderLock
from star_agents.storage.migrations import scripts
from star_agents.storage.reader import StoreReader
from star_agents.storage.sql import queries
from star_agents.storage.store import STORE_FILE, Store
from star_agents.storage.upgrading import upgrade

(OLD, *_) = NAMES
OLD_SCHEMA = int(OLD.removeprefix("store-"))
TABLES = ("seeds", "calls", "steps", "outcomes", "candidates", "policy", "memory", "tallies", "curve", "revisions")
UNSCORED = """
agents: {tutor: {model: offline/tutor}, scholar: {model: offline/scholar}}
star: {selection: random, candidates: 2}
memory: off
"""
"""Opens a store as every other agents.yaml does, and needs no process of the scorer's: four seconds of CPU."""
OPENS: dict[str, Callable[[Path], object]] = {
    "run": lambda folder: done("run", "-c", unscored(folder), "-s", "offline", "-n", "1", "-o", folder, "-q", "-y"),
    "serve": lambda folder: serve_and_end(folder),
    "status": lambda folder: done("status", folder),
    "export": lambda folder: done("export", folder, "-o", folder / "rows.jsonl"),
    "report": lambda folder: done("report", folder, "-o", folder / "report.html"),
    "release": lambda folder: done("release", folder),
    "doctor --repair": lambda folder: done("doctor", folder, "--repair"),
    "sa.Folder": lambda folder: sa.Folder(folder).rows(),
    "sa.run": lambda folder: sa.run(unscored(folder), "offline", out=folder, limit=1, progress=False),
}


def unscored(folder: Path) -> Path:
    path = folder.parent / "agents.yaml"
    path.write_text(UNSCORED)
    return path


def done(*arguments: str | Path) -> None:
    ended = star_agents(*arguments)
    assert ended.returncode == 0, ended.stderr


def serve_and_end(folder: Path) -> None:
    with Running("serve", "-c", unscored(folder), "--data-dir", folder, "--port", "0") as daemon:
        daemon.wait_for("state_changed", lambda line: line["state"] == "ready")
        daemon.end()


def schema_and_rows(path: Path) -> tuple[int, dict[str, int]]:
    with closing(sqlite3.connect(path)) as connection:
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
        counts = {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in TABLES}
    return schema, counts


def schema_of(folder: Path) -> int:
    with closing(sqlite3.connect(folder / STORE_FILE)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    unpack(OLD, folder)
    return folder


@pytest.fixture
def old(unpacked: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(unpacked, tmp_path / "old"))


@pytest.mark.parametrize("command", OPENS)
def test_whichever_command_opens_an_older_store_first_keeps_one_copy_of_it_as_it_was(command: str, old: Path) -> None:
    before = schema_and_rows(old / STORE_FILE)
    for _ in range(2):
        OPENS[command](old)
    assert schema_of(old) == len(scripts()) > before[0] == OLD_SCHEMA
    (copy,) = old.glob("store.before-schema-*.sqlite3")
    assert schema_and_rows(copy) == before
    assert copy.stat().st_mode & 0o077 == 0


def test_doctor_changes_nothing_and_says_what_any_other_command_will_do(old: Path) -> None:
    before = (old / STORE_FILE).read_bytes()
    told = star_agents("doctor", old).stdout
    assert "any other command brings it to" in " ".join(told.split())
    assert (old / STORE_FILE).read_bytes() == before
    assert not list(old.glob("store.before-*"))
    done("status", old)
    assert "store.before-schema-" in "".join(star_agents("doctor", old).stdout.split())


def test_a_copy_opens_as_the_store_that_it_was(old: Path, tmp_path: Path) -> None:
    done("status", old)
    (copy,) = old.glob("store.before-schema-*.sqlite3")
    again = tmp_path / "again"
    again.mkdir()
    shutil.copy(copy, again / STORE_FILE)
    assert len(sa.Folder(again).rows()) == len(sa.Folder(old).rows()) > 0


def test_where_no_copy_can_be_kept_the_store_stays_as_it_is(old: Path) -> None:
    with closing(sqlite3.connect(old / STORE_FILE)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("DELETE FROM revisions")
        connection.execute("DELETE FROM seeds")
        connection.execute("INSERT INTO seeds (id, sample, source, meta, added_at) VALUES ('x', '{}', '', '{}', 0)")
        connection.commit()
    with pytest.raises(StoreError, match=r"the store is damaged: a row of .* refers to none of seeds"):
        StoreReader(old)
    assert schema_of(old) == OLD_SCHEMA
    assert not list(old.glob("*.before-*"))


def test_a_store_on_which_an_older_release_works_is_left_alone(old: Path) -> None:
    lock = FolderLock.acquire(old)
    with pytest.raises(StoreLocked, match=r"written by an older star_agents; wait where .*, and otherwise: .*stop it"):
        StoreReader(old)
    lock.release()
    assert schema_of(old) == OLD_SCHEMA


def test_a_store_that_another_process_is_just_making_is_not_taken_for_that_of_an_older_release(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / STORE_FILE)) as connection:
        connection.executescript(f"{scripts()[0]}\nPRAGMA user_version = 1;")
        lock = FolderLock.acquire(tmp_path)
        with pytest.raises(StoreLocked, match=r"is just being made by another process \(ask again in a moment\)"):
            StoreReader(tmp_path)
        connection.execute(f"PRAGMA user_version = {len(scripts())}")
        upgrade(tmp_path)  # Whoever makes it was done by then.
    lock.release()


def test_of_a_store_that_holds_nothing_yet_no_copy_is_kept(tmp_path: Path) -> None:
    """A process died while it made the tables."""
    with closing(sqlite3.connect(tmp_path / STORE_FILE)) as connection:
        connection.executescript(f"{scripts()[0]}\nPRAGMA user_version = 1;")

    async def opened() -> None:
        async with await Store.open(tmp_path):
            pass

    asyncio.run(opened())
    assert schema_of(tmp_path) == len(scripts())
    assert not list(tmp_path.glob("*.before-*"))


async def test_what_a_memory_bank_holds_is_read_from_an_index_alone_in_an_older_store_too(old: Path) -> None:
    with closing(sqlite3.connect(old / STORE_FILE)) as connection:
        ((embedder, count),) = connection.execute("SELECT embedder, count(*) FROM memory").fetchall()
        rows = connection.execute("SELECT seq, pair, dimension FROM memory ORDER BY seq").fetchall()
    async with await Store.open(old) as store:
        keys = await store.memory_keys(embedder)
    assert list(zip(*keys, strict=True)) == rows
    assert len(rows) == count > 0
    with closing(sqlite3.connect(old / STORE_FILE)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {queries()['memory_keys']}", {"embedder": embedder})
        steps = [step for *_, step in plan]
    assert [step.split(" (")[0] for step in steps] == ["SEARCH memory USING COVERING INDEX memory_keys"]
