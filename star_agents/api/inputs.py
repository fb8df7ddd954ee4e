"""What callers give: a config and seeds in any of their forms, read once and turned into our own errors."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from star_agents import offline
from star_agents.api.tables import Dataset, Frame, is_dataset, is_frame, is_splits, rows_of_dataset, rows_of_frame
from star_agents.config.lines import lines_from
from star_agents.config.models import Config
from star_agents.engine.configuration import check_config, read_config
from star_agents.engine.document_door import intake_for, read_for
from star_agents.engine.seed_sources import find_sources
from star_agents.engine.stages import takes_documents
from star_agents.errors import ConfigError, Problem, UsageError
from star_agents.records import Document, Sample, Seed
from star_agents.storage.formats.row_fields import found
from star_agents.storage.incoming.seed_files import Collection, SeedFile, read_rows

PathLike: TypeAlias = str | os.PathLike[str]
ConfigLike: TypeAlias = PathLike | Mapping[str, Any] | Config
"""agents.yaml: its path, a dict with the same keys, or a ``Config``."""
SeedsLike: TypeAlias = PathLike | Iterable[Mapping[str, Any] | Sample | Document | Seed] | Dataset | Frame
"""Seeds: the path of a file, or rows of any format that files have, as an iterable or as a table."""
SOURCE = "seeds"
"""What seeds that come from no file are called in messages, with the number of the row."""
NAMED_LIKE_A_FILE = "agents.yaml"


def path_of(given: PathLike) -> Path:
    """A path that a file system takes. Raises UsageError for one that holds a NUL."""
    path = Path(given)
    if "\0" in str(path):
        raise UsageError(f"{str(path)!r} holds a NUL character, and is no path")
    return path


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenConfig:
    """A config that was checked, and where it came from."""

    config: Config
    path: Path | None

    @contextmanager
    def places(self) -> Iterator[None]:
        """Give the problems of a ``ConfigError`` that comes out of the block their lines, or the name of no file."""
        if self.path is not None:
            with lines_from(self.path):
                yield
            return
        try:
            yield
        except ConfigError as error:
            told = [replace(one, where=one.where.replace(NAMED_LIKE_A_FILE, "config", 1)) for one in error.problems]
            raise ConfigError(told) from error


def given_config(given: ConfigLike, *, concurrency: int | None = None) -> GivenConfig:
    """Read and check a config.

    Raises:
        ConfigError: with one problem per mistake; each names the field, and the line where there is a file.
        UsageError: ``concurrency`` is below 1.
    """
    path = path_of(given) if isinstance(given, (str, os.PathLike)) else None
    config = read_config(path, os.environ, note=_warn) if path is not None else _checked(given)
    if concurrency is not None:
        if concurrency < 1:
            raise UsageError(f"concurrency={concurrency} must be at least 1")
        config = config.model_copy(update={"concurrency": concurrency})
    return GivenConfig(config=config, path=path)


def _warn(note: Problem) -> None:
    warnings.warn(str(note), FutureWarning, stacklevel=2)


def _checked(given: object) -> Config:
    if isinstance(given, (Mapping, Config)):
        return check_config(given, environ=os.environ, note=_warn)
    fix = "give the path of agents.yaml, a dict with its keys, or a Config"
    message = f"must be a path, a dict or a Config; found {found(given)}"
    raise ConfigError([Problem(where="config", field="", message=message, fix=fix)])


def name_of_source(seeds: object, *, documents: bool = False, out: Path | None = None) -> str:
    """What seeds are called in messages and in the store; ``documents`` and ``out`` as for ``find_sources``."""
    if not isinstance(seeds, (str, os.PathLike)):
        return SOURCE
    return find_sources([os.fspath(seeds)], documents=documents, out=out).name


def rereadable(seeds: object) -> object:
    """Seeds that may be read in another thread: what can be gone through only once is gone through here.

    Whatever the caller's own iterator raises passes through.
    """
    if isinstance(seeds, (str, os.PathLike, Mapping, Sequence)) or is_frame(seeds) or is_dataset(seeds):
        return seeds
    return list(rows_in(seeds)) if not is_splits(seeds) else seeds


def given_seeds(seeds: object, config: Config, *, skip_bad: bool, out: Path | None = None) -> SeedFile:
    """Read seeds, whatever they come in, as the first recipe takes them; bad rows do not raise, they are listed.

    Documents that nearly repeat what the store in ``out`` has are left out.

    Raises:
        SeedFileError: there is no such file, its kind is unknown, or no row has a column that `seeds` names.
        UsageError: it is nothing that holds rows.
    """
    if isinstance(seeds, (str, os.PathLike)):
        sources = find_sources([os.fspath(seeds)], documents=takes_documents(config), out=out)
        return read_for(config, sources.paths, name=sources.name, folder=out, skip_bad=skip_bad, called=sources.called)
    read = intake_for(config, SOURCE, folder=out, skip_bad=skip_bad) or Collection(config.seeds.names)
    for number, row in enumerate(rows_in(seeds), start=1):
        where = f"{SOURCE}:row {number}"
        if isinstance(row, Seed):
            read.add_seed(row, where)
        elif isinstance(row, (Sample, Document)):
            read.add_seed(Seed.of(row), where)
        elif isinstance(row, Mapping):
            read.add(row, where)
        else:
            fix = "give rows such as {'instruction': ..., 'output': ...}"
            message = f"must be a dict of columns, a Sample, a Document or a Seed; found {found(row)}"
            read.refuse(Problem(where=where, field="", message=message, fix=fix))
    read.check_columns(SOURCE)
    return read.file()


def rows_in(seeds: object) -> Iterator[object]:
    """The rows that something holds.

    Raises:
        UsageError: it is nothing that holds rows.
        SeedFileError: it is a file that cannot be read.
    """
    if isinstance(seeds, (str, os.PathLike)):
        return (row for _, row in read_rows(offline.seeds_path(os.fspath(seeds))))
    if is_splits(seeds):
        raise UsageError(f"several splits were given ({', '.join(seeds)}): name one, as in data['train']")
    if is_frame(seeds):
        return iter(rows_of_frame(seeds))
    if is_dataset(seeds):
        return iter(rows_of_dataset(seeds))
    if isinstance(seeds, (Mapping, Sample, Document, Seed)):
        raise UsageError(f"one {type(seeds).__name__} was given where rows are expected: put it into a list")
    if not isinstance(seeds, Iterable) or isinstance(seeds, (bytes, bytearray)):
        raise UsageError(f"rows are expected: a path, a list of dicts, a Dataset or a DataFrame; found {found(seeds)}")
    return iter(seeds)
