"""A copy of a store while a daemon works on it: one moment of it, checked, whole or not there.

SQLite's backup interface reads through a read-only connection in steps. A read transaction holds the moment still, so
that no commit of the daemon starts the copy again; the daemon's log grows meanwhile and is folded in afterwards.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from star_agents.errors import StoreError
from star_agents.process.crash_points import crash_point
from star_agents.storage.connection import STORE_FILE, connect_reading, store_errors
from star_agents.storage.formats.row_writing import sync_folder
from star_agents.storage.migrations import version_of
from star_agents.storage.sql import execute

PAGES_PER_STEP = 1024
"""4 MiB with SQLite's usual pages: the copy can be interrupted between steps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Backup:
    """What was copied."""

    path: Path
    bytes: int
    schema: int
    seeds: int
    outcomes: int


def back_up(folder: Path, target: Path, *, progress: Callable[[float], None] = lambda share: None) -> Backup:
    """Copy the store in ``folder`` to one file, check the copy, and give it its name.

    To restore, put the file as ``store.sqlite3`` into an empty folder. A backup that ``target`` held before is replaced
    only by one that is whole. Seeds that are in hand wait in the copy.

    Args:
        folder: Where the store is; a daemon may work on it.
        target: The file to write.
        progress: Told the share that is copied, 0 to 1, after each step.

    Raises:
        StoreError: when there is no store, the copy cannot be written, or it does not pass its check.
    """
    source = folder / STORE_FILE
    if not source.is_file():
        raise StoreError(f"{folder}: there is no store here (name the folder of a `run` or `serve`)")
    if target.is_dir() or target.resolve() == source.resolve():
        raise StoreError(f"{target}: cannot be the backup (name a file that is not the store itself)")
    draft = _draft_of(target)
    try:
        draft.unlink(missing_ok=True)
        with store_errors(source), closing(connect_reading(source)) as reading:
            _copy(reading, draft, progress)
        backup = _check(draft, target)
        _sync(draft)
        crash_point("backup_before_rename")
        draft.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise StoreError(f"{target}: cannot be written: {error.strerror or error} (choose another place)") from error
    finally:
        for left in (draft, *(draft.with_name(draft.name + end) for end in ("-wal", "-shm", "-journal"))):
            left.unlink(missing_ok=True)
    return backup


def _draft_of(target: Path) -> Path:
    """Where the copy stands until it is whole: the same each time, so that one that a kill left is replaced.

    Its name is short whatever the target's is: a file may have the longest name that the file system takes, and SQLite
    puts files with longer names beside it.
    """
    name = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]
    return target.with_name(f".{name}.part")


def _copy(reading: sqlite3.Connection, draft: Path, progress: Callable[[float], None]) -> None:
    def told(_status: int, remaining: int, total: int) -> None:
        progress(1 - remaining / total if total else 1.0)

    reading.execute("BEGIN")
    reading.execute("SELECT 1 FROM sqlite_schema").fetchone()
    with store_errors(draft), closing(sqlite3.connect(draft, isolation_level=None)) as writing:
        reading.backup(writing, pages=PAGES_PER_STEP, progress=told)
        # One file without a log beside it, which even a read-only disk can hold.
        writing.execute("PRAGMA journal_mode = DELETE")
        if version_of(writing):
            execute(writing, "requeue_working")


def _check(draft: Path, target: Path) -> Backup:
    """Read the copy whole.

    Raises:
        StoreError: naming the first thing that is wrong; then the store itself is damaged.
    """
    with store_errors(draft), closing(connect_reading(draft)) as copy:
        schema = version_of(copy)
        if not schema:
            raise StoreError(f"{target}: what was to be copied is no store of star_agents; nothing was written")
        if problem := damage(copy, thorough=True):
            raise StoreError(f"{target}: the store is damaged: {problem}; nothing was written, older backups are kept")
        (seeds,) = copy.execute("SELECT count(*) FROM seeds").fetchone()
        (outcomes,) = copy.execute("SELECT count(*) FROM outcomes").fetchone()
        return Backup(path=target, bytes=draft.stat().st_size, schema=schema, seeds=seeds, outcomes=outcomes)


def damage(connection: sqlite3.Connection, *, thorough: bool) -> str:
    """The first thing that SQLite finds wrong with a store, or nothing.

    Args:
        connection: To the store.
        thorough: Also that every index agrees with its table, which reads everything several times.
    """
    (word,) = connection.execute(f"PRAGMA {'integrity_check' if thorough else 'quick_check'}(1)").fetchone()
    if word != "ok":
        return str(word)
    broken = connection.execute("PRAGMA foreign_key_check").fetchone() if thorough else None
    return f"a row of {broken[0]} refers to none of {broken[2]}" if broken else ""


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
