"""The benchmarks that agents.yaml names for `admission.contamination`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from star_agents.admission.contamination import BenchmarkIndex
from star_agents.config.contamination import BenchmarkFile
from star_agents.config.models import Config
from star_agents.config.reading import Note
from star_agents.errors import ConfigError, Problem, SeedFileError
from star_agents.records.contamination import BenchmarkItem
from star_agents.storage.incoming.benchmark_files import read_benchmarks

_FIELD = "admission.contamination"


def items_of(config: Config) -> Iterator[BenchmarkItem]:
    """The items of its benchmarks; none where nothing is held against any. Raises SeedFileError."""
    named = config.admission.contamination
    return read_benchmarks(named.against if named is not None else (), Path())


def with_benchmarks(config: Config, folder: Path, where: str, note: Note) -> Config:
    """The config with the whole paths of its benchmarks, each of which was read once.

    Args:
        config: As it was read.
        folder: From which their paths go.
        where: Name of the config, for people.
        note: Hears of items that cannot be looked for.

    Raises:
        ConfigError: one of them cannot be read, with its line and field.
    """
    named = config.admission.contamination
    if named is None:
        return config
    whole = tuple(
        one.model_copy(update={"file": str((folder / Path(one.file).expanduser()).absolute())}) for one in named.against
    )
    index = BenchmarkIndex(_read(whole, where), ngram=named.ngram, coverage=named.coverage)
    for name, items in index.items.items():
        why = ((index.too_short[name], "too short"), (index.too_common[name], "no more than what many others say"))
        if left := sum(count for count, _ in why):
            told = ", ".join(f"{count:,} {what}" for count, what in why if count)
            message = f"of the {items:,} items of {name} {left:,} cannot be looked for"
            note(Problem(where=where, field=_FIELD, message=message, fix=told))
    contamination = named.model_copy(update={"against": whole})
    return config.model_copy(update={"admission": config.admission.model_copy(update={"contamination": contamination})})


def _read(files: Sequence[BenchmarkFile], where: str) -> Iterator[BenchmarkItem]:
    for place, one in enumerate(files):
        try:
            yield from read_benchmarks([one], Path())
        except SeedFileError as error:
            raise ConfigError(
                [_problem(problem, where, f"{_FIELD}.against.{place}") for problem in error.problems]
            ) from None


def _problem(problem: Problem, where: str, field: str) -> Problem:
    place = f"{problem.where}: {problem.field}" if problem.field else problem.where
    return Problem(where=where, field=field, message=f"{place}: {problem.message}", fix=problem.fix)
