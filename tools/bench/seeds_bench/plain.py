"""The same seeds and rows written by hand: what SQLite alone takes, with nothing asked, checked, learned or told.

    python -m seeds_bench.plain --seeds 5000 --out FOLDER

Seeds go into one table in transactions of 10,000; then 64 at a time are marked as taken, read, and written as outcome,
trial and row, each transaction synced to disk as the product's are. Prints one JSON object as ``driver`` does.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import sqlite3
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from seeds_bench.shapes import CONCURRENCY, write_job

AT_ONCE = 10_000
SHARE_LEFT_OUT = 0.1
SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE seeds (ordinal INTEGER PRIMARY KEY, id TEXT UNIQUE, content TEXT, state TEXT DEFAULT 'waiting');
CREATE INDEX waiting ON seeds (state, ordinal);
CREATE TABLE outcomes (seq INTEGER PRIMARY KEY, seed_id TEXT UNIQUE, kind TEXT, payload TEXT);
CREATE TABLE trials (seq INTEGER, ord INTEGER, payload TEXT, PRIMARY KEY (seq, ord)) WITHOUT ROWID;
CREATE TABLE rows (seq INTEGER, ord INTEGER, payload TEXT, PRIMARY KEY (seq, ord)) WITHOUT ROWID;
"""


def work(rows: Path, store: Path, seeds: int) -> float:
    """Write all of it; seconds of CPU for each seed after the first tenth."""
    connection = sqlite3.connect(store, isolation_level=None)
    connection.executescript(SCHEMA)
    with rows.open(encoding="utf-8") as lines:
        for portion in _portions(lines, AT_ONCE):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO seeds (id, content) VALUES (?, ?)", [_seed(line) for line in portion])
            connection.execute("COMMIT")
    done, skipped, began = 0, round(seeds * SHARE_LEFT_OUT), _cpu_s()
    first = 0
    while taken := _taken(connection):
        for id_, content in taken:
            _write(connection, id_, content)
        connection.execute("COMMIT")
        done += len(taken)
        if done >= skipped and not first:
            first, began = done, _cpu_s()
    spent = _cpu_s() - began
    connection.close()
    if done != seeds:
        raise SystemExit(f"{done} of {seeds} seeds were written")
    return spent / (done - first)


def _taken(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    connection.execute("BEGIN IMMEDIATE")
    taken: list[tuple[str, str]] = connection.execute(
        "UPDATE seeds SET state = 'working' WHERE ordinal IN "
        "(SELECT ordinal FROM seeds WHERE state = 'waiting' ORDER BY ordinal LIMIT ?) RETURNING id, content",
        (CONCURRENCY,),
    ).fetchall()
    connection.execute("COMMIT")
    connection.execute("BEGIN IMMEDIATE")
    return taken


def _write(connection: sqlite3.Connection, id_: str, content: str) -> None:
    sample = json.loads(content)
    connection.execute("UPDATE seeds SET state = 'done' WHERE id = ?", (id_,))
    (seq,) = connection.execute(
        "INSERT INTO outcomes (seed_id, kind, payload) VALUES (?, 'kept', ?) RETURNING seq",
        (id_, json.dumps({"seed_id": id_, "kind": "kept"})),
    ).fetchone()
    for table in ("trials", "rows"):
        connection.execute(f"INSERT INTO {table} VALUES (?, 0, ?)", (seq, json.dumps({"arm": "a", "sample": sample})))


def _seed(line: str) -> tuple[str, str]:
    content = json.dumps(json.loads(line))
    return blake2b(content.encode(), digest_size=16).hexdigest(), content


def _portions(lines: Any, size: int) -> Iterator[list[str]]:
    while portion := list(itertools.islice(lines, size)):
        yield portion


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="an empty folder")
    given = parser.parse_args()
    _, rows = write_job(given.out, "none", given.seeds)
    print(json.dumps({"line": {"cpu_ms": 1000 * work(rows, given.out / "store.sqlite3", given.seeds)}}))


if __name__ == "__main__":
    main()
