"""Bring a store's schema up to date: numbered scripts, each in one transaction, counted by ``PRAGMA user_version``."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from star_agents.errors import StoreError
from star_agents.storage import old_candidates


def scripts() -> list[str]:
    """The scripts of this package in order: the one at index n leads from version n to version n + 1."""
    package = resources.files(__package__)
    folder = package.joinpath("migrations")
    numbered = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    files = [package.joinpath("schema.sql"), *map(folder.joinpath, numbered)]
    return [file.read_text(encoding="utf-8") for file in files]


def version_of(connection: sqlite3.Connection) -> int:
    """The schema version of an open store; 0 for an empty file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, path: Path, steps: Sequence[str]) -> None:
    """Run the scripts that this store has not seen.

    Raises:
        StoreError: when the store was written by a newer release, or the file is somebody else's database.
        sqlite3.Error: when a script fails; the store then stays at the version before it.
    """
    check_not_newer(connection, path, len(steps))
    version = version_of(connection)
    if version == 0 and connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
        raise StoreError(f"{path}: holds another program's tables (choose another folder)")
    old_candidates.give_functions(connection)
    for number, script in enumerate(steps[version:], start=version + 1):
        # A script may make a table anew that others refer to: references are checked at its end, not on the way.
        connection.execute("PRAGMA foreign_keys = OFF")
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};")
            if connection.execute("PRAGMA foreign_key_check").fetchone():
                raise StoreError(f"{path}: schema {number} would break a reference; please report this as a fault")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        finally:
            connection.execute("PRAGMA foreign_keys = ON")


def check_not_newer(connection: sqlite3.Connection, path: Path, newest: int) -> None:
    """Refuse a store that this release cannot know.

    Raises:
        StoreError: saying which version the store has and which this release knows.
    """
    version = version_of(connection)
    if version > newest:
        raise StoreError(
            f"{path}: written by a newer star_agents (schema {version}, this one knows {newest}); "
            "update star_agents, or use another folder"
        )
