"""What a store looks like from outside, without changing it: for `doctor`. It opens what no daemon would open."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from star_agents.errors import StoreError
from star_agents.observe.stories import QuarantinedSeed
from star_agents.storage import quarantine, reads
from star_agents.storage.backup import damage
from star_agents.storage.connection import OLDEST_SQLITE, connect_reading, log_bytes, store_errors
from star_agents.storage.file_systems import Mount, mount_of, mounts
from star_agents.storage.lock import LOCK_FILE
from star_agents.storage.migrations import scripts, version_of
from star_agents.storage.store import STORE_FILE

_WAL_RESET_FAULT = ((3, 7, 0), (3, 51, 2))
"""Releases of SQLite in which two connections that write or checkpoint at once can damage a store in WAL mode."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Examination:
    """The facts about one store."""

    bytes: int
    log_bytes: int
    """What waits in the write-ahead log to be folded in."""
    owner: int | None
    """Process that works on it; 0 where it works and cannot be told."""
    schema: int
    newest_schema: int
    """What this release knows."""
    damage: str
    """The first thing that SQLite finds wrong; empty for none."""
    quarantined: tuple[QuarantinedSeed, ...] = ()
    seeds_in_hand: int = 0
    calls_pending: int = 0
    """Intents without an answer."""
    calls_impossible: int = 0
    """With counts of tokens or dollars that no reply can have."""


def examine(folder: Path, *, thorough: bool = False) -> Examination | None:
    """Look at the store in a folder; ``None`` where there is none.

    Args:
        folder: Of a `run` or `serve`.
        thorough: Read every index against its table, which takes several times as long.

    Raises:
        StoreError: when it cannot be read at all.
    """
    path = folder / STORE_FILE
    if not path.is_file():
        return None
    with store_errors(path), closing(connect_reading(path)) as connection:
        schema, newest = version_of(connection), len(scripts())
        facts = Examination(
            bytes=path.stat().st_size,
            log_bytes=log_bytes(path),
            owner=owner_of(folder),
            schema=schema,
            newest_schema=newest,
            damage=damage(connection, thorough=thorough),
        )
        return facts if schema != newest or facts.damage else _with_work(connection, facts)


def _with_work(connection: sqlite3.Connection, facts: Examination) -> Examination:
    work = reads.open_work(connection)
    found = tuple(quarantine.quarantined(connection, limit=1000))
    return replace(
        facts,
        quarantined=found,
        seeds_in_hand=work.seeds,
        calls_pending=work.calls_pending,
        calls_impossible=reads.count_impossible(connection),
    )


def owner_of(folder: Path) -> int | None:
    """The process that holds a folder's lock; 0 for one that left no number, ``None`` for none."""
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # Shared, and for a moment only: a daemon that starts just then is refused once, at worst.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        return int(text) if text.isdecimal() else 0
    finally:
        os.close(descriptor)
    return None


def folder_mount(folder: Path) -> Mount:
    """The file system that a folder lies on, or would lie on if it were made."""
    while not folder.exists() and folder.parent != folder:
        folder = folder.parent
    return mount_of(folder, mounts())


def sqlite_problem(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> tuple[str, bool]:
    """What is wrong with a release of SQLite, this process's own by default, and whether nothing can work with it."""
    if version < OLDEST_SQLITE:
        return "too old: use a Python built with SQLite 3.37 or later", True
    first, last = _WAL_RESET_FAULT
    if first <= version <= last:
        return (
            "has the WAL-reset fault, which takes two connections that write at once: here one thread of one process "
            "writes, the folder's lock keeps others out, and readers cannot write; 3.51.3 and later are free of it",
            False,
        )
    return "", False


def sqlite_version() -> str:
    """The SQLite that this Python was built with."""
    return sqlite3.sqlite_version


def check_writable(folder: Path) -> None:
    """Make sure that files can be made in a folder, by making one.

    Raises:
        StoreError: saying why not.
    """
    probe = folder / f".doctor.{os.getpid()}"
    try:
        probe.write_bytes(b"\0" * 4096)
        probe.unlink()
    except OSError as error:
        with contextlib.suppress(OSError):
            probe.unlink()
        advice = "give this user the right, and the disk the room, to write there"
        raise StoreError(f"{error.strerror or error}; {advice}") from None
