"""What `-s` names: files, folders, patterns, datasets of the hub, the word `offline`, as the paths that are read."""

from __future__ import annotations

import glob
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from star_agents import offline
from star_agents.engine.document_door import reading_progress
from star_agents.errors import Problem, SeedFileError
from star_agents.export.hub_names import PREFIX
from star_agents.records import Seed
from star_agents.storage.incoming.gathered_seeds import sampled, shuffled

MOST_FILES = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedSources:
    """Where seeds are read from."""

    paths: tuple[Path, ...]
    """In the order in which they are read: as they were named, those of a pattern by name."""
    name: str
    """What all of them are called in messages and in the store."""
    called: Mapping[Path, str] = field(default_factory=dict[Path, str])
    """What files of the hub are called, each: by dataset, commit and path."""


class ByChance(NamedTuple):
    """Which seeds are taken, and in which order. The same seeds and numbers give the same ones, however the files are
    ordered, so a run that is called again takes those that it took before."""

    sample: int | None = None
    """So many of them; ``None``: all."""
    shuffle: int | None = None
    """In an order by chance, of this random seed; ``None``: as they stand."""

    def of(self, seeds: Sequence[Seed]) -> Sequence[Seed]:
        """Those that are taken."""
        if self.sample is not None and self.sample < len(seeds):
            seeds = sampled(seeds, self.sample, self.shuffle or 0)
        return seeds if self.shuffle is None else shuffled(seeds, self.shuffle)


EVERY_SEED = ByChance()


def find_sources(
    given: Sequence[str], *, documents: bool, out: Path | None = None, console: Console | None = None
) -> SeedSources:
    """The paths that are named; datasets of the hub are fetched.

    Args:
        given: Each a path; the word `offline`; `hf:user/name[@revision][:config[:split]]`; or a pattern, as
            `data/*.jsonl`, `data/**/*.parquet`. A path that is there is none, whatever it holds.
        documents: Whether `offline` means the sample documents.
        out: The folder of the run, which keeps the commit that a name of the hub meant at first.
        console: Where to show how far the fetching is.

    Raises:
        SeedFileError: nothing is called like a pattern, or a file is named twice.
        HubError: the hub does not give a dataset, or cannot be reached.
    """
    paths, names, called = list[Path](), list[str](), dict[Path, str]()
    for one in given:
        if one.startswith(PREFIX):
            from star_agents.engine.hub_sources import fetch_for  # noqa: PLC0415  loads the hub's library

            with reading_progress(console) as hear:
                fetched = fetch_for(one, out, hear=hear)
            paths += fetched.paths
            called |= fetched.called
            names.append(fetched.name)
        else:
            found = _paths_of(one, documents=documents)
            paths += found
            names += [path.name for path in found]
    known = dict[Path, Path]()
    for path in paths:
        if (place := path.absolute()) in known:
            problem = Problem(where=str(path), field="", message="is named twice", fix="name it once")
            raise SeedFileError([problem])
        known[place] = path
    others = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
    return SeedSources(paths=tuple(paths), name=f"{names[0]}{others}", called=called)


def _paths_of(given: str, *, documents: bool) -> list[Path]:
    path = offline.seeds_path(given, documents=documents)
    if not glob.has_magic(given) or _is_there(path):
        return [path]
    found = list(itertools.islice(glob.iglob(given, recursive=True), MOST_FILES + 1))
    if len(found) > MOST_FILES:
        message = f"stands for more than {MOST_FILES:,} files"
        raise SeedFileError([Problem(where=given, field="", message=message, fix="name fewer of them")])
    files = sorted(one for one in map(Path, found) if one.is_file())
    if not files:
        fix = "check the pattern; in a shell, put it into quotes"
        raise SeedFileError([Problem(where=given, field="", message="no file is called like this", fix=fix)])
    return files


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
