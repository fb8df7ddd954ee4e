"""A seed file, read whole and checked before anything else is done with it; the door to all files of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from star_agents.errors import Problem, SeedFileError
from star_agents.records import Seed
from star_agents.records.failures import Tried
from star_agents.storage.formats.row_fields import Row
from star_agents.storage.formats.row_reading import ends_open, read_rows, scan_rows
from star_agents.storage.formats.row_writing import write_rows
from star_agents.storage.formats.scanned import CutShort
from star_agents.storage.incoming.column_map import ColumnMap
from star_agents.storage.incoming.gathered_seeds import GatheredSeeds
from star_agents.storage.incoming.not_read import NotRead
from star_agents.storage.incoming.seed_rows import read_row, row_of_seed, seed_from_row, seeds_from_row
from star_agents.storage.near_texts import Unlike
from star_agents.text.plain_data import plain

__all__ = [
    "Collection",
    "RowSink",
    "SeedFile",
    "gather",
    "read_rows",
    "read_seeds",
    "row_of_seed",
    "seed_from_row",
    "seeds_from_row",
    "write_rows",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedFile:
    """What a seed file, or a request, holds."""

    seeds: Sequence[Seed]
    """Each content once, in order of the file; on disk where they are many (``gathered_seeds``)."""
    problems: tuple[Problem, ...]
    """One for every bad row, or instance, in order of the file."""
    repeated: int
    """Good rows, or instances, that only repeat an earlier one."""
    not_read: tuple[str, ...]
    """What of the rows no agent will see, a sentence each."""
    ends_open: bool = False
    """Whether more seems to come: it ends in the middle of something, or holds nothing yet."""
    tolerated: tuple[Tried, ...] = ()
    """Documents that gave nothing, and chunks of others that were left out, in numbers; nobody need mend them."""
    gave_nothing: tuple[Problem, ...] = ()
    """Documents that gave nothing, one by one, as far as they were told; each is counted in ``tolerated``."""
    unlike: Unlike | None = None
    """Of documents: by what those are found that nearly repeat an earlier one."""


class RowSink(Protocol):
    """Where rows go as they are read."""

    def add(self, row: Row, where: str) -> None:
        """Read one row, which stands at ``where``."""

    def refuse(self, problem: Problem) -> None:
        """Note what stands in the place of a row."""


class Collection:
    """Rows as they come, gathered into a ``SeedFile``; ``columns``: what theirs are called, by our names."""

    def __init__(self, columns: Mapping[str, str] | None = None) -> None:
        self.columns = ColumnMap(columns or {})
        self._seeds = GatheredSeeds()
        self._problems: list[Problem] = []
        self._not_read = NotRead()
        self._good = 0

    def add(self, row: Row, where: str) -> None:
        """Read one row, which stands at ``where``."""
        reading = read_row(self.columns.renamed(row), where)
        self._problems.extend(reading.problems)
        self._not_read.add(reading)
        self._good += len(reading.seeds)
        for seed in reading.seeds:
            self._seeds.add(seed)

    def add_seed(self, seed: Seed, where: str) -> None:
        """Take a seed that a program made, once it is read as the row of a file would be; ``where`` is its place."""
        try:
            row = row_of_seed(replace(seed, meta={}))
        except ValueError:
            fix = "in `history` user and assistant take turns, after a system turn or none"
            self.refuse(Problem(where=where, field="history", message="is no whole number of exchanges", fix=fix))
            return
        reading = read_row(row, seed.source or where)
        self._problems.extend(replace(one, where=where) for one in reading.problems)
        self._good += len(reading.seeds)
        for one in reading.seeds:
            self._seeds.add(replace(one, meta=plain(seed.meta)))

    def refuse(self, problem: Problem) -> None:
        """Note what stands in the place of a row."""
        self._problems.append(problem)

    def check_columns(self, where: str) -> None:
        """Raise SeedFileError where none of the rows, which came from ``where``, had a column that is named."""
        if problems := self.columns.problems(where):
            raise SeedFileError(problems)

    def file(self) -> SeedFile:
        """What has come so far."""
        seeds = self._seeds.all()
        return SeedFile(
            seeds=seeds,
            problems=tuple(self._problems),
            repeated=self._good - len(seeds),
            not_read=self._not_read.sentences(),
        )


def read_seeds(
    *paths: Path, columns: Mapping[str, str] | None = None, called: Mapping[Path, str] = MappingProxyType({})
) -> SeedFile:
    """Read every row of files of any kind that ``row_reading`` knows; ``seed_rows`` names the formats.

    Args:
        paths: The files, as one.
        columns: What their columns are called, by our names.
        called: What files are called in messages and sources, where it is not by their names.

    Raises:
        SeedFileError: when there is no such file, its kind is unknown, or no row has a column that is named. Bad rows
            do not raise, they are listed.
    """
    rows = Collection(columns)
    is_cut = [gather(path, rows, called=called.get(path, "")) for path in paths]
    rows.check_columns(" and ".join(called.get(path, path.name) for path in paths[:2]))
    return replace(rows.file(), ends_open=any(is_cut))


def gather(path: Path, rows: RowSink, *, called: str = "") -> bool:
    """Let every row of a file, or what is wrong in its place, go into ``rows``; whether the end seems to be missing.

    Args:
        path: The file.
        rows: Where they go.
        called: What it is called in their places; its name unless given.

    Raises:
        SeedFileError: as ``read_seeds`` does.
    """
    found, called = None, called or path.name

    def placed(where: str) -> str:
        return f"{called}{where.removeprefix(path.name)}" if where.startswith(path.name) else where

    for found in scan_rows(path):
        if isinstance(found, Problem):
            rows.refuse(replace(found, where=placed(found.where)))
        else:
            where, row = found
            rows.add(row, placed(where))
    if found is None:
        rows.refuse(Problem(where=called, field="", message="holds no rows"))
    return found is None or isinstance(found, CutShort) or ends_open(path)
