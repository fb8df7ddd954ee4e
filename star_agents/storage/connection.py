"""Connections to SQLite, and the one place where its errors become ours."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from star_agents.errors import StoreError
from star_agents.limits.machine import files_are_used_up, too_many_files

STORE_FILE = "store.sqlite3"
"""Name of a store in its folder."""
OLDEST_SQLITE = (3, 37, 0)
"""STRICT tables came with 3.37."""

_WRITER_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA busy_timeout = 30000",
    "PRAGMA foreign_keys = ON",
    # A burst of commits may grow the log; afterwards the disk space is given back.
    "PRAGMA journal_size_limit = 67108864",
    # Pages that calls write again and again are copied into the file once for each 16 MB of the log instead of 4.
    "PRAGMA wal_autocheckpoint = 4000",
    # What retention clears is overwritten, not only forgotten.
    "PRAGMA secure_delete = ON",
)
_READER_PRAGMAS = ("PRAGMA busy_timeout = 30000", "PRAGMA query_only = ON")

_ADVICE = {
    sqlite3.SQLITE_FULL: "free disk space and start again; nothing that was acknowledged is lost",
    sqlite3.SQLITE_READONLY: "give this user the right to write there",
    sqlite3.SQLITE_PERM: "give this user the right to write there",
    sqlite3.SQLITE_CANTOPEN: "check that the folder exists and that this user may write in it",
    sqlite3.SQLITE_BUSY: "another program holds the file; close it and start again",
    sqlite3.SQLITE_LOCKED: "another program holds the file; close it and start again",
    sqlite3.SQLITE_IOERR: "check the disk, then start again; nothing that was acknowledged is lost",
    sqlite3.SQLITE_CORRUPT: "put the folder aside and restore it from a backup",
    sqlite3.SQLITE_NOTADB: "this is no store of star_agents; choose another folder or put the file aside",
}
_FAULT = "this is a fault in star_agents; please report it with this message"


def connect(path: Path) -> sqlite3.Connection:
    """Open the writing connection: WAL, every commit synced to disk, transactions begun by hand.

    Raises:
        sqlite3.Error: translated by the caller's ``store_errors``.
        StoreError: when the SQLite library is too old.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old; use a Python built with SQLite 3.37 or later")
    return _configured(sqlite3.connect(path, isolation_level=None), _WRITER_PRAGMAS)


def connect_reading(path: Path) -> sqlite3.Connection:
    """Open a connection that cannot write, for use beside a working daemon and by one thread at a time.

    On a read-only disk SQLite cannot make the shared memory that its log needs. Where the log is empty or missing
    nobody needs it: the file alone is the whole store, and is read as such.
    """
    uri = f"{path.resolve().as_uri()}?mode=ro"
    try:
        return _reading(uri)
    except sqlite3.OperationalError as error:
        has_log = log_bytes(path) > 0
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CANTOPEN or has_log or os.access(path.parent, os.W_OK):
            raise
        return _reading(uri + "&immutable=1")


def log_bytes(path: Path) -> int:
    """Size of the write-ahead log beside a database; 0 where there is none."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except OSError:
        return 0


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn every error of SQLite into a StoreError that names the file and what to do."""
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise StoreError(f"{path}: {error} ({_advice(error)})") from error


def _advice(error: Exception) -> str:
    # The low byte is the primary code; errors of the Python module itself carry none.
    if files_are_used_up():
        return too_many_files()  # SQLite only says that it cannot open its file, or that the disk is at fault.
    return _ADVICE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, _FAULT)


def _reading(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    # The file is opened by the first question that needs it.
    return _configured(connection, (*_READER_PRAGMAS, "PRAGMA user_version"))


def _configured(connection: sqlite3.Connection, pragmas: tuple[str, ...]) -> sqlite3.Connection:
    try:
        for pragma in pragmas:
            connection.execute(pragma)
    except BaseException:
        connection.close()
        raise
    return connection
