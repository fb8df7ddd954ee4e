"""The writer thread: group commit, savepoints, failures of SQLite, and the lock."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from star_agents.errors import StoreError, StoreLocked
from star_agents.storage.connection import connect_reading, store_errors
from star_agents.storage.lock import FolderLock
from star_agents.storage.writer import BATCH, Writer


def make_table(connection: sqlite3.Connection) -> None:
    connection.executescript(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, text TEXT UNIQUE) STRICT;"
        "CREATE TABLE part (item INTEGER NOT NULL REFERENCES item (id)) STRICT;"
    )


def insert(connection: sqlite3.Connection, text: str) -> int:
    return int(connection.execute("INSERT INTO item (text) VALUES (?) RETURNING id", (text,)).fetchone()[0])


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def items_on_disk(path: Path) -> list[str]:
    connection = connect_reading(path)
    try:
        return [row[0] for row in connection.execute("SELECT text FROM item ORDER BY id")]
    finally:
        connection.close()


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[Writer]:
    writer = Writer.start(tmp_path / "test.sqlite3", make_table)
    await writer.opened
    yield writer
    await writer.aclose()


async def hold(writer: Writer) -> tuple[threading.Event, asyncio.Task[None]]:
    """Keep the writer busy, so that what is asked next is sure to gather in the queue."""
    began, go = threading.Event(), threading.Event()

    def wait(_: sqlite3.Connection) -> None:
        began.set()
        go.wait()

    task = asyncio.create_task(writer.run(wait))
    await asyncio.to_thread(began.wait)
    return go, task


async def test_what_is_acknowledged_is_on_disk_for_another_connection(writer: Writer) -> None:
    for number in range(20):
        await writer.run(partial(insert, text=f"row {number}"))
        assert items_on_disk(writer.path)[-1] == f"row {number}"


async def test_the_connection_is_durable_to_power_loss(writer: Writer) -> None:
    names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    settings = {name: await writer.run(partial(pragma, name=name)) for name in names}
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30000}


async def test_waiting_closures_share_one_commit(writer: Writer) -> None:
    go, holder = await hold(writer)
    tasks = [asyncio.create_task(writer.run(partial(insert, text=f"row {number}"))) for number in range(BATCH + 10)]
    await asyncio.sleep(0)
    before = writer.commits
    go.set()
    await holder
    ids = await asyncio.gather(*tasks)
    assert ids == list(range(1, BATCH + 11)), "results come back to their own callers, in order"
    assert writer.commits - before == 3, "the one that held it up, one of at most BATCH, one for the rest"
    assert len(items_on_disk(writer.path)) == BATCH + 10


async def test_a_closure_that_raises_undoes_itself_alone(writer: Writer) -> None:
    def insert_then_fail(connection: sqlite3.Connection) -> None:
        insert(connection, "half done")
        raise ValueError("no good")

    go, holder = await hold(writer)
    tasks = [
        asyncio.create_task(writer.run(partial(insert, text="before"))),
        asyncio.create_task(writer.run(insert_then_fail)),
        asyncio.create_task(writer.run(partial(insert, text="after"))),
    ]
    await asyncio.sleep(0)
    go.set()
    await holder
    first, second, third = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(first, int)
    assert isinstance(third, int)
    assert isinstance(second, ValueError)
    assert items_on_disk(writer.path) == ["before", "after"]


async def test_a_closure_of_one_statement_that_fails_leaves_nothing_of_it_and_all_of_the_others(writer: Writer) -> None:
    def insert_two(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO item (text) VALUES ('third'), ('first')")  # The second is there already.

    go, held = await hold(writer)
    first = writer.submit(partial(insert, text="first"), is_one_statement=True)
    fails = writer.submit(insert_two, is_one_statement=True)
    last = writer.submit(partial(insert, text="last"), is_one_statement=True)
    await asyncio.sleep(0)
    go.set()
    await held
    await first
    with pytest.raises(StoreError, match="UNIQUE"):
        await fails
    await last
    assert items_on_disk(writer.path) == ["first", "last"]


async def test_a_commit_that_fails_fails_everybody_in_its_batch(writer: Writer) -> None:
    def break_the_commit(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA defer_foreign_keys = ON")
        connection.execute("INSERT INTO part (item) VALUES (404)")

    go, holder = await hold(writer)
    tasks = [
        asyncio.create_task(writer.run(partial(insert, text="innocent"))),
        asyncio.create_task(writer.run(break_the_commit)),
    ]
    await asyncio.sleep(0)
    go.set()
    await holder
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(result, StoreError)
        assert "FOREIGN KEY" in str(result)
    assert items_on_disk(writer.path) == []
    assert await writer.run(partial(insert, text="life goes on"))


async def test_a_full_disk_is_an_error_that_says_what_to_do_and_loses_nothing(writer: Writer) -> None:
    await writer.run(partial(insert, text="kept"))
    await writer.run(partial(pragma, name="max_page_count = 1"))
    with pytest.raises(StoreError, match=r"test\.sqlite3.*full.*free disk space"):
        await writer.run(partial(insert, text="x" * 1_000_000))
    await writer.run(partial(pragma, name="max_page_count = 1000000"))
    await writer.run(partial(insert, text="fits again"))
    assert items_on_disk(writer.path) == ["kept", "fits again"]


async def test_a_cancelled_caller_disturbs_nobody_and_its_work_is_done(writer: Writer) -> None:
    go, holder = await hold(writer)
    cancelled = asyncio.create_task(writer.run(partial(insert, text="cancelled")))
    other = asyncio.create_task(writer.run(partial(insert, text="other")))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    go.set()
    await holder
    await other
    assert items_on_disk(writer.path) == ["cancelled", "other"]


async def test_closing_finishes_what_was_asked_and_refuses_what_comes_later(writer: Writer) -> None:
    go, holder = await hold(writer)
    last = asyncio.create_task(writer.run(partial(insert, text="last")))
    await asyncio.sleep(0)
    writer.stop()
    go.set()
    await writer.aclose()
    await holder
    await last
    with pytest.raises(StoreError, match="closed"):
        await writer.run(partial(insert, text="too late"))
    assert items_on_disk(writer.path) == ["last"]


async def test_a_file_that_is_no_database_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "test.sqlite3"
    path.write_bytes(b"this is certainly not a database" * 100)
    writer = Writer.start(path, make_table)
    with pytest.raises(StoreError, match="choose another folder"):
        await writer.opened
    await writer.aclose()


def subclasses(kind: type[BaseException]) -> set[type[BaseException]]:
    return {kind}.union(*(subclasses(below) for below in kind.__subclasses__()))


@pytest.mark.parametrize("kind", sorted(subclasses(sqlite3.Error) | {sqlite3.Warning}, key=str))
def test_every_error_of_sqlite_becomes_ours(kind: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"store\.sqlite3: oh \(.+\)"), store_errors(tmp_path / "store.sqlite3"):
        raise kind("oh")


def test_the_exceptions_of_sqlite_are_all_known() -> None:
    named = {value for value in vars(sqlite3).values() if isinstance(value, type) and issubclass(value, Exception)}
    assert named <= subclasses(sqlite3.Error) | {sqlite3.Warning}


def test_a_locked_folder_names_the_process_that_holds_it_until_released(tmp_path: Path) -> None:
    lock = FolderLock.acquire(tmp_path)
    with pytest.raises(StoreLocked, match=f"pid {os.getpid()}"):
        FolderLock.acquire(tmp_path)
    lock.release()
    lock.release()
    FolderLock.acquire(tmp_path).release()
