"""Secrets that older releases left in a store: noticed, and struck out for good.

What comes in today is struck out where it enters. Older releases kept agents.yaml as it was written, the parameters of
calls with the values of headers, and whatever a provider repeated. A row that is rewritten leaves what it held before
in pages of the file that are not in use, so the file is written anew afterwards.
"""

from __future__ import annotations

import functools
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from star_agents.config.secrets import kept_secrets, shown_parameters, without_secrets
from star_agents.errors import StoreError
from star_agents.storage import pair_sums, reads
from star_agents.storage.backup import back_up
from star_agents.storage.connection import connect, connect_reading, store_errors
from star_agents.storage.lock import FolderLock
from star_agents.storage.migrations import check_not_newer, scripts, version_of
from star_agents.storage.sql import execute
from star_agents.storage.store import STORE_FILE
from star_agents.text.content_hash import digest
from star_agents.text.plain_data import from_json, to_json
from star_agents.text.redaction import redactor

_STILL_IN_THE_FILE = "secrets_struck_from_rows_only"
"""Fact that stands from when the rows are clean until the file is."""
_READERS_END_WITHIN_MS = 2_000
"""What reads for a moment is waited for; who reads for longer is told of."""
_DIFFERENT_PARAMETERS = 4096
_STRUCK = (
    *("strike_calls", "strike_outcomes", "strike_rows", "strike_trials", "strike_judgements"),
    *("strike_findings", "strike_steps", "strike_grown_arms", "strike_seeds"),
)
"""Queries, one for each table."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretRows:
    """How many rows hold secrets that are known."""

    revisions: int = 0
    """Of agents.yaml."""
    calls: int = 0
    outcomes: int = 0
    parts: int = 0
    """Rows, trials, judgements, decisions and new arms that recipes made."""
    seeds: int = 0
    is_left_in_file: bool = False
    """They are struck out of the rows, and the file was not written anew yet."""

    @property
    def rows(self) -> int:
        """In all."""
        return self.revisions + self.calls + self.outcomes + self.parts + self.seeds

    @property
    def words(self) -> str:
        """Such as ``2 revisions of agents.yaml, 5 calls``; empty where none does."""
        names = (
            *(("revisions", "revisions of agents.yaml"), ("calls", "calls")),
            *(("outcomes", "outcomes"), ("parts", "rows, trials and decisions of recipes"), ("seeds", "seeds")),
        )
        said = [f"{count:,} {name}" for field, name in names if (count := getattr(self, field))]
        return ", ".join([*said, *["pages that are not in use"] * self.is_left_in_file])


def find_secrets(folder: Path, environ: Mapping[str, str], *, texts: bool) -> SecretRows:
    """Count rows that hold a secret that ``redactor`` knows, or that a revision shows to be one.

    Args:
        folder: With a store that is whole and no newer than this release; it is not changed.
        environ: Whose variables may stand in place of secrets in a revision.
        texts: Also look at replies, trials and outcomes, which takes longer.

    Raises:
        StoreError: when the store cannot be read.
    """
    path = folder / STORE_FILE
    with store_errors(path), closing(connect_reading(path)) as connection:
        check_not_newer(connection, path, len(scripts()))
        return _count(connection, environ, texts=texts) if version_of(connection) else SecretRows()


def strike_secrets(folder: Path, environ: Mapping[str, str]) -> tuple[SecretRows, Path | None]:
    """Strike them out of every row, and write the file anew, so that nothing of them is left in it.

    Returns:
        What held secrets, and the copy of the store as it was, which still holds them; ``None`` where no row did.

    Raises:
        StoreLocked: when another process works on the store.
        StoreError: when the store is none of this release, or the copy cannot be made (then nothing is changed), or
            the file cannot be written anew (then the next call does it).
    """
    path, copy = folder / STORE_FILE, None
    lock = FolderLock.acquire(folder)
    try:
        with store_errors(path), closing(connect(path)) as connection:
            if version_of(connection) != len(scripts()):
                raise StoreError(f"{path}: has the schema of another release (start `run` or `serve` on it once)")
            found = _count(connection, environ, texts=True)
            if found.rows:
                copy = _copy(folder)
                _strike(connection, environ)
            if found.words:
                _write_anew(connection, path)
    finally:
        lock.release()
    return found, copy


def _copy(folder: Path) -> Path:
    """A copy of the store beside it, for its owner's eyes only."""
    path = folder / time.strftime("store.before-repair-%Y%m%dT%H%M%S.sqlite3")
    back_up(folder, path)
    path.chmod(0o600)
    return path


def _count(connection: sqlite3.Connection, environ: Mapping[str, str], *, texts: bool) -> SecretRows:
    configs = [from_json(row.config) for row in reads.revisions(connection)]
    redactor.keep(secret for config in configs for secret in kept_secrets(config))
    _give_functions(connection)
    counts = dict(execute(connection, "count_secret_parameters").fetchall())
    if texts:
        counts = dict(execute(connection, "count_secret_texts").fetchall())
    is_left = execute(connection, "meta_get", key=_STILL_IN_THE_FILE).fetchone() is not None
    changed = sum(without_secrets(config, environ) != config for config in configs)
    return SecretRows(revisions=changed, is_left_in_file=is_left, **counts)


def _strike(connection: sqlite3.Connection, environ: Mapping[str, str]) -> None:
    """All rows, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for row in reads.revisions(connection):
            before = from_json(row.config)
            if (kept := without_secrets(before, environ)) != before:
                # From a hash of the whole a short password could be guessed.
                execute(connection, "strike_revision", id=row.id, config=to_json(kept), digest=digest(kept))
        for name in _STRUCK:
            execute(connection, name)
        pair_sums.forget(connection)  # They name pairs as trials did.
        execute(connection, "meta_set", key=_STILL_IN_THE_FILE, value="yes")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _write_anew(connection: sqlite3.Connection, path: Path) -> None:
    """Leave nothing of old rows in the file, nor in its log."""
    connection.execute("VACUUM")
    connection.execute(f"PRAGMA busy_timeout = {_READERS_END_WITHIN_MS}")
    (is_busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if is_busy:
        raise StoreError(
            f"{path}: the rows are clean, but another program reads the file, so what they held is still in it "
            "(close that program, then call `doctor --repair` again)"
        )
    execute(connection, "meta_forget", key=_STILL_IN_THE_FILE)


def _give_functions(connection: sqlite3.Connection) -> None:
    """What the queries call: each returns its argument where there is nothing to strike out."""
    parameters = functools.lru_cache(_DIFFERENT_PARAMETERS)(functools.partial(_struck, strike=shown_parameters))
    connection.create_function("without_headers", 1, parameters, deterministic=True)
    connection.create_function("without_secrets", 1, _struck_where_suspect, deterministic=True)
    connection.create_function("without_secrets_plain", 1, redactor.known, deterministic=True)


def _struck_where_suspect(text: str | None) -> str | None:
    """Most texts hold nothing, so few are taken apart."""
    return _struck(text, strike=redactor.known_in) if text is not None and redactor.may_hold(text) else text


def _struck(text: str | None, strike: Callable[[Any], Any]) -> str | None:
    if text is None:
        return None
    before = from_json(text)
    after = strike(before)
    return text if after == before else to_json(after)
