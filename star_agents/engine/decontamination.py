"""A dataset held against benchmarks, row after row: what of them it holds, and the dataset without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from star_agents.admission.contamination import BenchmarkIndex
from star_agents.config.contamination import ContaminationConfig
from star_agents.errors import Problem, SeedFileError
from star_agents.records.contamination import Contamination
from star_agents.storage.formats.row_fields import RowError
from star_agents.storage.formats.row_reading import scan_rows
from star_agents.storage.formats.row_writing import atomic_file, json_line, write_rows
from star_agents.storage.formats.scanned import Row
from star_agents.storage.incoming.benchmark_files import read_benchmarks
from star_agents.storage.incoming.row_texts import texts_of_row

PROBLEMS = 1000
"""Bad rows after which nobody needs to read on."""
EXAMPLES = 3
"""Rows that are shown of each benchmark: those that hold most of an item, each item once."""
EVIDENCE_TOLD = 20
"""Items of one row that are written beside it; all are counted."""
TOLD_EVERY = 100_000
"""Rows between two words on how far it is."""
EVIDENCE = "contamination"
"""The column of evidence in a dataset whose rows are kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decontamination:
    """What is to be done."""

    source: Path
    settings: ContaminationConfig
    columns: tuple[str, ...] = ()
    """Of the dataset, to be read instead of those of its form."""
    clean: Path | None = None
    """Where the dataset goes."""
    keep: bool = False
    """Whether rows with contamination go there too, all with a column that says what they hold."""
    report: Path | None = None
    """Where the evidence goes, a line for each row and item."""
    skip_bad: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkFound:
    """What of one benchmark the dataset holds."""

    benchmark: str
    items: int
    too_short: int
    """Of the items, those that are not looked for since nothing of them is long enough."""
    too_common: int
    """Likewise, since they say what many others say."""
    items_found: int
    rows: int
    """That hold an item."""
    examples: tuple[tuple[str, Contamination], ...]
    """Each with the place of its row."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        examples = [{"row": where, **one.to_dict()} for where, one in self.examples]
        return {**{name: getattr(self, name) for name in self.__slots__}, "examples": examples}


@dataclass(kw_only=True, slots=True)
class Decontaminated:
    """What was found, counted while the rows pass."""

    rows: int = 0
    rows_found: int = 0
    rows_written: int = 0
    problems: list[Problem] = field(default_factory=list[Problem])
    """Rows that could not be read, as far as they are told."""
    bad_rows: int = 0
    unknown_forms: int = 0
    """Rows of which all texts were read, since their form is none that is known."""
    items_found: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    rows_by_benchmark: Counter[str] = field(default_factory=Counter[str])
    examples: dict[str, list[tuple[str, Contamination]]] = field(
        default_factory=dict[str, list[tuple[str, Contamination]]]
    )

    def add(self, where: str, found: Sequence[Contamination]) -> None:
        """Count one row."""
        self.rows += 1
        self.rows_found += bool(found)
        self.rows_by_benchmark.update({one.benchmark for one in found})
        for one in found:
            self.items_found.setdefault(one.benchmark, set()).add(one.where)
            examples = self.examples.setdefault(one.benchmark, [])
            if all(one.where != other.where for _, other in examples):
                examples.append((where, one))
                examples.sort(key=lambda example: -example[1].coverage)
                del examples[EXAMPLES:]

    def by_benchmark(self, index: BenchmarkIndex) -> list[BenchmarkFound]:
        """In the order in which they were named."""
        return [
            BenchmarkFound(
                benchmark=name,
                items=items,
                too_short=index.too_short[name],
                too_common=index.too_common[name],
                items_found=len(self.items_found.get(name, ())),
                rows=self.rows_by_benchmark[name],
                examples=tuple(self.examples.get(name, ())),
            )
            for name, items in index.items.items()
        ]


def decontaminate(
    job: Decontamination, tell: Callable[[str], None] = lambda _: None
) -> tuple[Decontaminated, list[BenchmarkFound]]:
    """Hold every row of a dataset against the benchmarks; a row is in memory at a time.

    Args:
        job: What is to be done.
        tell: Hears how far it is.

    Raises:
        SeedFileError: a benchmark or a row cannot be read, with line and field; then nothing is written.
        UsageError: something cannot be written.
    """
    settings = job.settings
    items = read_benchmarks(settings.against, Path())
    index = BenchmarkIndex(items, ngram=settings.ngram, coverage=settings.coverage)
    found = Decontaminated()
    with ExitStack() as files:
        report = files.enter_context(atomic_file(job.report)) if job.report else None
        rows = _rows(job, index, found, report, tell)
        if job.clean is None:
            found.rows_written = sum(0 for _ in rows)
        else:
            found.rows_written = write_rows(job.clean, rows)
    return found, found.by_benchmark(index)


def _rows(
    job: Decontamination,
    index: BenchmarkIndex,
    found: Decontaminated,
    report: BinaryIO | None,
    tell: Callable[[str], None],
) -> Iterator[Row]:
    """The rows that the dataset is to have, each once it was held against the benchmarks."""
    is_empty = True
    for one in scan_rows(job.source):
        is_empty = False
        if isinstance(one, Problem):
            _note(found, one)
            continue
        where, row = one
        try:
            texts = texts_of_row(row, job.columns)
        except RowError as bad:
            _note(found, Problem(where=where, field=bad.field, message=bad.message, fix=bad.fix))
            if found.bad_rows >= PROBLEMS and not job.skip_bad:
                break
            continue
        found.unknown_forms += not texts.is_known
        held = index.check(texts.texts)
        found.add(where, held)
        if report is not None:
            for evidence in held:
                report.write(json_line({"row": where, **evidence.to_dict()}))
        if job.keep:
            yield {**row, EVIDENCE: [evidence.to_dict() for evidence in held[:EVIDENCE_TOLD]]}
        elif not held:
            yield row
        if found.rows % TOLD_EVERY == 0:
            tell(f"{found.rows:,} rows read, {found.rows_found:,} of them with items of benchmarks")
    if is_empty:
        _note(found, Problem(where=job.source.name, field="", message="holds no rows", fix="name a dataset"))
    if found.problems and (not job.skip_bad or not found.rows):
        raise SeedFileError(found.problems)


def _note(found: Decontaminated, problem: Problem) -> None:
    found.bad_rows += 1
    if len(found.problems) < PROBLEMS:
        found.problems.append(problem)
