"""The benchmarks that agents.yaml names for `admission.contamination`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from star_agents.config.models import Config
from star_agents.errors import ConfigError, Problem, SeedFileError
from star_agents.records.contamination import BenchmarkItem
from star_agents.storage.benchmark_files import read_benchmarks


def items_of(config: Config) -> Iterator[BenchmarkItem]:
    """The items of its benchmarks; none where nothing is held against any. Raises SeedFileError."""
    named = config.admission.contamination
    return read_benchmarks(named.against if named is not None else (), Path())


def with_benchmarks(config: Config, folder: Path, where: str) -> Config:
    """The config with the whole paths of its benchmarks, each of which was read once.

    Args:
        config: As it was read.
        folder: From which their paths go.
        where: Name of the config, for people.

    Raises:
        ConfigError: one of them cannot be read, with its line and field.
    """
    named = config.admission.contamination
    if named is None:
        return config
    found = []
    for place, one in enumerate(named.against):
        whole = one.model_copy(update={"file": str((folder / Path(one.file).expanduser()).absolute())})
        try:
            for _ in read_benchmarks([whole], folder):
                pass
        except SeedFileError as error:
            field = f"admission.contamination.against.{place}"
            raise ConfigError([_problem(problem, where, field) for problem in error.problems]) from None
        found.append(whole)
    contamination = named.model_copy(update={"against": tuple(found)})
    return config.model_copy(update={"admission": config.admission.model_copy(update={"contamination": contamination})})


def _problem(problem: Problem, where: str, field: str) -> Problem:
    place = f"{problem.where}: {problem.field}" if problem.field else problem.where
    return Problem(where=where, field=field, message=f"{place}: {problem.message}", fix=problem.fix)
