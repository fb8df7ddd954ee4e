"""A store of any number of finished seeds, made of one that `run` made.

A few seeds are worked by offline agents, once, by the product itself. Their rows are then written again and again, as
of other seeds: each copy has its own number before every instruction, so its seeds, calls and rows have ids, keys and
digests of their own, made by the product's own functions; what the copies say is encoded by the product's encoders.
Copies come one after the other, the last one when the work was really done. Sums are what so many equal outcomes add up
to. Indexes are made when all rows are there, from the product's own words.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from calls_bench.bench import say

from star_agents.records import Document, Row, Seed, Trial
from star_agents.storage import call_sums, pair_sums
from star_agents.storage.known_rows import row_digest
from star_agents.storage.outcome_parts import parts_of
from star_agents.storage.seed_columns import columns_of_seed, seed_from_columns
from star_agents.storage.store import STORE_FILE
from star_agents.text.content_hash import digest
from star_agents.text.plain_data import from_json, to_json

WORKED = 200
"""Seeds that are really worked, of the 300 that come with the product."""
AGENTS = ("tutor", "scholar", "clerk", "analyst", "terse", "bluffer", "novice")
_MARK = "Case 00000000: "
_PRAGMAS = ("journal_mode = OFF", "synchronous = OFF", "foreign_keys = OFF", "cache_size = -1200000")
_MOMENTS = {
    "seeds": ("added_at",),
    "calls": ("intended_at", "answered_at"),
    "outcomes": ("at",),
    "revisions": ("at",),
    "curve": ("at",),
    "failures": ("at",),
}
"""Columns that say when something was."""
_SEED = "id, content, kind, recipe, labels, parent, round, source, meta"

Line = dict[str, Any]
"""A row of a table by column."""
Copy = Callable[[int], Iterator[Line]]
"""The rows of one copy."""


def agents_yaml() -> dict[str, Any]:
    """Star with offline agents and a referee in both orders: about ten calls a seed, no model to load."""
    return {
        "agents": {
            **{name: {"model": f"offline/{name}"} for name in AGENTS},
            "referee": {"model": "offline/referee", "roles": []},
        },
        "star": {
            "pairs": [{"instruction": "keep", "response": name} for name in AGENTS],
            "base_pairs": [{"instruction": "keep", "response": "seed"}],
            "referee": {"agents": ["referee"], "exam": "off"},
            "selection": "referee",
            "candidates": 5,
        },
        "memory": "off",
    }


def work(folder: Path, config: Path, seeds: int = WORKED) -> None:
    """Let the product work so many seeds into a folder."""
    config.write_text(yaml.safe_dump(agents_yaml()), "utf-8")
    command = [sys.executable, "-m", "star_agents", "run", "-c", str(config), "-s", "offline", "-n", str(seeds)]
    subprocess.run([*command, "-o", str(folder), "-q"], check=True, capture_output=True)


def fill(folder: Path, worked: Path, seeds: int) -> tuple[int, int]:
    """Make a store in ``folder`` of a worked one, with as many whole copies as there is room for; seeds and calls."""
    folder.mkdir(parents=True)
    path = folder / STORE_FILE
    with closing(sqlite3.connect(worked / STORE_FILE)) as source, closing(sqlite3.connect(path)) as connection:
        source.backup(connection)
        connection.isolation_level = None
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        (worked_seeds,) = source.execute("SELECT count(*) FROM seeds").fetchone()
        times = max(1, seeds // worked_seeds)
        _move_back(connection, times)
        connection.row_factory = None
        copies = _Copies(connection)
        indexes = _drop_indexes(connection)
        connection.execute("BEGIN")
        for number in range(1, times):
            for table, made in copies.tables.items():
                _insert(connection, table, list(made(number)))
            if number % 500 == 0:
                say(f"  {number * copies.seeds:,} seeds")
        _multiply_sums(connection, times, copies.seeds)
        connection.execute("COMMIT")
        for sql in indexes:
            connection.execute(sql)
        call_sums.fold(connection)  # As whoever wrote so much has done.
        pair_sums.fold(connection)
        (calls,) = connection.execute("SELECT count(*) FROM calls").fetchone()
    return times * copies.seeds, int(calls)


class _Copies:
    """What a copy of everything is made of.

    Attributes:
        seeds: Of one copy.
        tables: How the rows of each table are copied; parents first.
    """

    def __init__(self, source: sqlite3.Connection) -> None:
        self._source = source
        self.seeds = int(self._all("SELECT count(*) AS n FROM seeds")[0]["n"])
        self._seconds = _seconds(source)
        self._new_ids: dict[str, str] = {}
        """Of the copy that is being made: old id of a seed to its own."""
        self._parts = parts_of(source, [row["seq"] for row in self._all("SELECT seq FROM outcomes")])
        self.tables: dict[str, Copy] = {
            "seeds": self._seed_rows(),
            "calls": self._call_rows(),
            "steps": self._plain_rows("steps"),
            "outcomes": self._outcome_rows(),
            "trials": self._trial_rows(),
            "judgements": self._plain_rows("judgements"),
            "rows": self._plain_rows("rows"),
            "row_digests": self._digest_rows(),
        }

    def _all(self, query: str) -> list[Line]:
        cursor = self._source.execute(query)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def _seed_rows(self) -> Copy:
        lines = self._all("SELECT * FROM seeds ORDER BY ordinal")
        seeds = [seed_from_columns([line[name] for name in _SEED.split(", ")]) for line in lines]
        encoded = [columns_of_seed(_named(seed, _MARK)) for seed in seeds]

        def made(number: int) -> Iterator[Line]:
            self._new_ids.clear()
            for line, seed, columns in zip(lines, seeds, encoded, strict=True):
                new = Seed.of(_named(seed, _mark(number)).content).id
                self._new_ids[seed.id] = new
                content = columns["content"].replace(_MARK, _mark(number), 1)
                ordinal, added_at = line["ordinal"] + number * self.seeds, line["added_at"] + number * self._seconds
                yield {**line, **columns, "content": content, "id": new, "ordinal": ordinal, "added_at": added_at}

        return made

    def _call_rows(self) -> Copy:
        lines = self._all("SELECT * FROM calls")

        def made(number: int) -> Iterator[Line]:
            for line in lines:
                later = {name: line[name] + number * self._seconds for name in ("intended_at", "answered_at")}
                ids = {"key": digest([line["key"], number]), "seed_id": self._new_ids[line["seed_id"]]}
                yield {**line, **later, **ids}

        return made

    def _outcome_rows(self) -> Copy:
        lines = self._all("SELECT * FROM outcomes")
        if {line["seq"] for line in lines} != set(range(1, self.seeds + 1)):
            raise ValueError("a store to copy has exactly one outcome of each seed")

        def made(number: int) -> Iterator[Line]:
            for line in lines:
                new = self._new_ids[line["seed_id"]]
                payload = line["payload"].replace(line["seed_id"], new)
                at, seq = line["at"] + number * self._seconds, line["seq"] + number * self.seeds
                yield {**line, "seed_id": new, "payload": payload, "at": at, "seq": seq}

        return made

    def _trial_rows(self) -> Copy:
        lines = self._all("SELECT * FROM trials")
        encoded = [to_json(_named_trial(from_json(line["payload"]), _MARK).to_dict()) for line in lines]

        def made(number: int) -> Iterator[Line]:
            for line, payload in zip(lines, encoded, strict=True):
                seq = line["seq"] + number * self.seeds
                yield {**line, "seq": seq, "payload": payload.replace(_MARK, _mark(number), 1)}

        return made

    def _digest_rows(self) -> Copy:
        given = [
            (seed_id, place, Row.from_dict(plain))
            for seed_id, seq in ((one["seed_id"], one["seq"]) for one in self._all("SELECT seed_id, seq FROM outcomes"))
            for place, plain in enumerate(self._parts[seq].rows)
        ]

        def made(number: int) -> Iterator[Line]:
            for seed_id, place, row in given:
                sample = {**row.data["sample"]}
                sample["instruction"] = _mark(number) + sample["instruction"]
                known = row_digest(replace(row, data={"sample": sample}))
                yield {"digest": known, "seed_id": self._new_ids[seed_id], "place": place}

        return made

    def _plain_rows(self, table: str) -> Copy:
        """Rows whose texts name nothing."""
        lines = self._all(f"SELECT * FROM {table}")

        def made(number: int) -> Iterator[Line]:
            for line in lines:
                if "seq" in line:
                    yield {**line, "seq": line["seq"] + number * self.seeds}
                else:
                    yield {**line, "seed_id": self._new_ids[line["seed_id"]]}

        return made


def _seconds(connection: sqlite3.Connection) -> float:
    """That the work took, from the first seed's intake to the last outcome."""
    query = "SELECT (SELECT max(at) FROM outcomes) - min(added_at) FROM seeds"
    return float(connection.execute(query).fetchone()[0])


def _move_back(connection: sqlite3.Connection, times: int) -> None:
    """Let everything be as long ago as the copies take that follow."""
    ago = _seconds(connection) * (times - 1)
    for table, columns in _MOMENTS.items():
        moved = ", ".join(f"{name} = {name} - :ago" for name in columns)
        connection.execute(f"UPDATE {table} SET {moved}", {"ago": ago})


def _mark(number: int) -> str:
    return f"Case {number:08}: "


def _named(seed: Seed, mark: str) -> Seed:
    if isinstance(seed.content, Document):
        raise TypeError("the seeds of a store to copy are samples")
    return replace(seed, content=replace(seed.content, instruction=mark + seed.content.instruction))


def _named_trial(payload: Line, mark: str) -> Trial:
    trial = Trial.from_dict(payload)
    return replace(trial, sample=replace(trial.sample, instruction=mark + trial.sample.instruction))


def _insert(connection: sqlite3.Connection, table: str, lines: Sequence[Line]) -> None:
    if lines:
        names = ", ".join(lines[0])
        values = ", ".join("?" * len(lines[0]))
        query = f"INSERT INTO {table} ({names}) VALUES ({values})"
        connection.executemany(query, [tuple(line.values()) for line in lines])


def _drop_indexes(connection: sqlite3.Connection) -> list[str]:
    """Drop every index that was made by a statement; the statements."""
    found = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in found:
        connection.execute(f"DROP INDEX {name}")
    return [sql for _, sql in found]


def _multiply_sums(connection: sqlite3.Connection, times: int, seeds: int) -> None:
    """What is counted of outcomes, of so many times as many of them."""
    for query in (
        "UPDATE tallies SET n = n * :times",
        "UPDATE measures SET n = n * :times, total = total * :times",
        "UPDATE failures SET n = n * :times",
        "UPDATE pools SET after_seq = :times * :seeds",
    ):
        connection.execute(query, {"times": times, "seeds": seeds})
