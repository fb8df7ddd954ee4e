"""A store of an older release is brought up to date by whichever command opens it first; a copy is kept beside it."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from star_agents.errors import StoreError, StoreLocked
from star_agents.storage import call_sums, pair_sums
from star_agents.storage.backup import back_up
from star_agents.storage.connection import STORE_FILE, connect, connect_reading, store_errors
from star_agents.storage.lock import FolderLock
from star_agents.storage.migrations import check_not_newer, migrate, scripts, version_of

_HOLDS_SOMETHING = "SELECT 1 FROM seeds UNION ALL SELECT 1 FROM revisions LIMIT 1"
"""Not of one whose first process died while it made the tables."""


def bring_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    """Run the scripts that a store has not seen, on the one connection that writes it; keep what it was before.

    The copy, ``store.before-schema-N-TIME.sqlite3``, is whole and checked before anything is changed.

    Raises:
        StoreError: when it was written by a newer release, is somebody else's database, or no copy of it can be kept.
        sqlite3.Error: when a script fails; the store then stays at the version before it.
    """
    steps = scripts()
    check_not_newer(connection, path, len(steps))
    is_older = 0 < version_of(connection) < len(steps) and connection.execute(_HOLDS_SOMETHING).fetchone() is not None
    if is_older:
        copy = path.with_name(time.strftime(f"store.before-schema-{len(steps)}-%Y%m%dT%H%M%S.sqlite3"))
        back_up(path.parent, copy)
        copy.chmod(0o600)
    migrate(connection, path, steps)
    if is_older:  # Sums of another schema are not believed, and who only reads cannot keep any.
        call_sums.fold(connection, least=1)
        pair_sums.fold(connection, least=1)


def upgrade(folder: Path) -> None:
    """Bring the store in a folder up to date, for whoever only reads it.

    Raises:
        StoreLocked: when a process works on it, which makes it, brings it up to date, or is of an older release.
        StoreError: as ``bring_up_to_date``, and when this user may not write there.
    """
    path = folder / STORE_FILE
    try:
        lock = FolderLock.acquire(folder)
    except StoreLocked as error:
        if why := _why_it_is_older(path, error):
            raise StoreLocked(f"{path}: {why}") from None
        return
    except StoreError as error:
        told = f"{path}: written by an older star_agents, and has to be brought up to date first"
        raise StoreError(f"{told}: {error}") from None
    try:
        with store_errors(path), closing(connect(path)) as connection:
            bring_up_to_date(connection, path)
    finally:
        lock.release()


def _why_it_is_older(path: Path, locked: StoreLocked) -> str:
    """What is known of a store on which somebody works who may just bring it up to date; empty where that is done."""
    with store_errors(path), closing(connect_reading(path)) as connection:
        version = version_of(connection)
        if version >= len(scripts()):
            return ""
        if version and connection.execute(_HOLDS_SOMETHING).fetchone() is None:
            return "is just being made by another process (ask again in a moment)"
    why = "written by an older star_agents; wait where a newer one is just bringing it up to date, and otherwise"
    return f"{why}: {locked}"
