"""A seed file, read whole and checked before anything else is done with it; the door to all files of rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from star_agents.errors import Problem, SeedFileError
from star_agents.records import Seed
from star_agents.storage.row_reading import read_rows, scan_rows
from star_agents.storage.row_writing import write_rows
from star_agents.storage.seed_rows import seed_from_row, seeds_from_row

__all__ = ["SeedFile", "read_rows", "read_seeds", "seed_from_row", "seeds_from_row", "write_rows"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedFile:
    """What a seed file holds."""

    seeds: tuple[Seed, ...]
    """Each content once, in order of the file."""
    problems: tuple[Problem, ...]
    """One for every bad row, in order of the file."""
    duplicates: int
    """Good rows that only repeat an earlier one."""


def read_seeds(path: Path) -> SeedFile:
    """Read every row of a .jsonl, .json, .csv or .parquet file; ``seed_rows`` names the formats.

    Raises:
        SeedFileError: when there is no such file, or its kind is unknown. Bad rows do not raise, they are listed.
    """
    seeds: dict[str, Seed] = {}
    problems: list[Problem] = []
    good = 0
    for found in scan_rows(path):
        if isinstance(found, Problem):
            problems.append(found)
            continue
        where, row = found
        try:
            of_row = seeds_from_row(row, where)
        except SeedFileError as error:
            problems.extend(error.problems)
            continue
        good += len(of_row)
        for seed in of_row:
            seeds.setdefault(seed.id, seed)
    if not seeds and not problems:
        problems.append(Problem(where=path.name, field="", message="holds no rows"))
    return SeedFile(seeds=tuple(seeds.values()), problems=tuple(problems), duplicates=good - len(seeds))
