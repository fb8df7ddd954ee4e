"""Seeds as they come out of files, each content once: a few in memory, many on disk, until they are queued.

A seed file is checked whole before anything is spent, so all of its seeds are read before the first one is queued. A
million of them take a gigabyte as objects; on disk they take the disk, and nothing stays behind: the database has no
name, and is gone with the process.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

from star_agents.records import Seed
from star_agents.storage.connection import store_errors
from star_agents.storage.seed_columns import columns_of_seed, seed_from_columns
from star_agents.storage.sql import execute, queries
from star_agents.text.content_hash import digest

HELD = 20_000
"""Seeds that are kept in memory; with more of them, all go to disk."""
_WINDOW = 1_000
_PLACE = Path("seeds on their way to the store")
"""What the database is called in messages; SQLite puts it where SQLITE_TMPDIR says, or in /var/tmp."""
_PRAGMAS = (
    "PRAGMA temp_store = FILE",
    "PRAGMA journal_mode = OFF",
    "PRAGMA synchronous = OFF",
    "PRAGMA cache_size = -8192",
)


class SeedsOnDisk(Sequence[Seed]):
    """Distinct seeds in an unnamed database, in the order in which they came. For one thread at a time."""

    def __init__(self) -> None:
        with store_errors(_PLACE):
            self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            for pragma in _PRAGMAS:
                self._connection.execute(pragma)
            execute(self._connection, "make_gathered_seeds")
        self._coming: dict[str, dict[str, Any]] = {}
        self._count = 0

    def add(self, seed: Seed) -> None:
        """Take a seed, unless an equal one is there."""
        self._coming.setdefault(seed.id, columns_of_seed(seed))
        if len(self._coming) >= _WINDOW:
            self._write()

    def source_of(self, id_: str) -> str | None:
        """Where the seed with this id came from; ``None`` where it is not there."""
        if (coming := self._coming.get(id_)) is not None:
            return str(coming["source"])
        with store_errors(_PLACE):
            row = execute(self._connection, "gathered_source", id=id_).fetchone()
        return None if row is None else str(row[0])

    def __len__(self) -> int:
        self._write()
        return self._count

    def __iter__(self) -> Iterator[Seed]:
        self._write()
        last = 0
        while rows := self._rows("gathered_after", last=last, count=_WINDOW):
            last = rows[-1][0]
            yield from (seed_from_columns(row[1:]) for row in rows)

    @overload
    def __getitem__(self, index: int) -> Seed: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Seed]: ...
    def __getitem__(self, index: int | slice) -> Seed | Sequence[Seed]:
        wanted = range(len(self))[index]
        places = range(wanted, wanted + 1) if isinstance(wanted, int) else wanted
        if not places:
            return []
        first, last = sorted((places[0], places[-1]))
        rows = self._rows("gathered_slice", start=first, count=last - first + 1)
        found = [seed_from_columns(rows[place - first][1:]) for place in places]
        return found[0] if isinstance(wanted, int) else found

    def ids(self) -> Iterator[str]:
        """Their ids, in order."""
        self._write()
        last = 0
        while rows := self._rows("gathered_ids_after", last=last, count=_WINDOW):
            last = rows[-1][0]
            yield from (row[1] for row in rows)

    def shuffled(self, random_seed: int) -> SeedsOnDisk:
        """The same seeds in an order by chance."""
        self._write()
        mixed = SeedsOnDisk()
        with store_errors(_PLACE):
            self._connection.create_function("shuffle_key", 1, lambda id_: _key(random_seed, id_), deterministic=True)
            for row in execute(self._connection, "gathered_shuffled"):
                mixed.add(seed_from_columns(row))
        return mixed

    def _write(self) -> None:
        if not self._coming:
            return
        with store_errors(_PLACE):
            self._connection.execute("BEGIN")
            self._count += self._connection.executemany(queries()["gather_seed"], self._coming.values()).rowcount
            self._connection.execute("COMMIT")
        self._coming = {}

    def _rows(self, query: str, **parameters: int) -> list[Any]:
        with store_errors(_PLACE):
            return execute(self._connection, query, **parameters).fetchall()


class GatheredSeeds:
    """Takes seeds as they come."""

    def __init__(self, held: int = HELD) -> None:
        self._most = held
        self._held: dict[str, Seed] = {}
        self._disk: SeedsOnDisk | None = None

    def add(self, seed: Seed) -> None:
        """Take a seed, unless an equal one is there."""
        if self._disk is not None:
            self._disk.add(seed)
            return
        self._held.setdefault(seed.id, seed)
        if len(self._held) > self._most:
            self._disk = SeedsOnDisk()
            for one in self._held.values():
                self._disk.add(one)
            self._held = {}

    def source_of(self, id_: str) -> str | None:
        """Where the seed with this id came from; ``None`` where it has not come."""
        if self._disk is not None:
            return self._disk.source_of(id_)
        held = self._held.get(id_)
        return None if held is None else held.source

    def all(self) -> Sequence[Seed]:
        """What has come so far, in order."""
        return tuple(self._held.values()) if self._disk is None else self._disk


def gathered(seeds: Iterable[Seed]) -> Sequence[Seed]:
    """All of them, each content once."""
    found = GatheredSeeds()
    for seed in seeds:
        found.add(seed)
    return found.all()


def ids_of(seeds: Sequence[Seed]) -> Iterator[str]:
    """The ids of seeds, in order."""
    return seeds.ids() if isinstance(seeds, SeedsOnDisk) else (one.id for one in seeds)


def sampled(seeds: Sequence[Seed], count: int, random_seed: int) -> Sequence[Seed]:
    """So many of the seeds by chance, in their order; the same ones of the same seeds, however these are ordered."""
    chosen = {id_ for _, id_ in heapq.nsmallest(count, ((_key(random_seed, id_), id_) for id_ in ids_of(seeds)))}
    return gathered(one for one in seeds if one.id in chosen)


def shuffled(seeds: Sequence[Seed], random_seed: int) -> Sequence[Seed]:
    """All seeds in an order by chance; the same seeds give the same order, in whatever order they come."""
    if isinstance(seeds, SeedsOnDisk):
        return seeds.shuffled(random_seed)
    return tuple(sorted(seeds, key=lambda one: _key(random_seed, one.id)))


def _key(random_seed: int, id_: str) -> str:
    return digest(["shuffle", random_seed, id_])
