"""The door for documents: files, folders and rows become seeds, whichever way they come.

`run`, the inbox, a POST and Python all go through here where the first recipe takes documents. A document that gives
nothing is counted with its reason, and the others go on; past the share of `failure_limits` that are at fault (not: of
another kind, in another language, or known already) nothing is taken in, unless bad ones are to be skipped.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from star_agents.config.documents import DocumentsConfig
from star_agents.documents.extracted import MOST_CHARACTERS, Block, DocumentError, Extracted
from star_agents.documents.folder import files_below
from star_agents.documents.kinds import kind_of
from star_agents.documents.plain import read_plain
from star_agents.documents.reading import DocumentReader
from star_agents.documents.sentences import tokens_in
from star_agents.engine.document_seeds import (
    ORIGIN_COLUMNS,
    ChunkSeeds,
    LeftOut,
    Origin,
    nothing_of,
    repeated_as,
)
from star_agents.engine.earlier_documents import EarlierDocuments
from star_agents.errors import Problem, SeedFileError
from star_agents.records import Seed
from star_agents.records.failures import CountedFailure, Tried, counts_of, joined, without_numbers
from star_agents.storage.formats.row_fields import Row, RowError, required
from star_agents.storage.incoming.gathered_seeds import GatheredSeeds, gathered
from star_agents.storage.incoming.not_read import KEPT_BESIDE
from star_agents.storage.incoming.seed_files import Collection, SeedFile, gather
from star_agents.storage.incoming.seed_rows import FORMATS
from star_agents.storage.near_texts import Unlike
from star_agents.text.plain_data import plain

COLUMNS = ("document", "text", "content")
"""Columns that are taken for the text where `documents.column` names none."""
PROBLEMS_TOLD = 1000
"""Of documents that are at fault, so many are told one by one; all are counted."""
Heard = Callable[[int, int], None]
"""Hears how many files of how many are read."""


class DocumentIntake:
    """One intake: give it files and rows, and take the seeds.

    Args:
        settings: The section `documents`.
        share: Of the documents that give something or should, how many may be at fault.
        source: What all of it is called where failures are counted.
        earlier: Knows what was taken in before; nothing was, unless given.
        takes_samples: Whether rows that hold no document may be samples.
        skip_bad: Go on however many are at fault.
    """

    def __init__(
        self,
        settings: DocumentsConfig,
        source: str,
        *,
        share: float,
        earlier: EarlierDocuments | None = None,
        takes_samples: bool = False,
        skip_bad: bool = False,
        columns: Mapping[str, str] | None = None,
    ) -> None:
        self._settings, self._share = settings, share
        self._earlier = earlier or EarlierDocuments()
        self._source, self._takes_samples, self._skip_bad = source, takes_samples, skip_bad
        self._chunks = ChunkSeeds(settings, self._earlier)
        self._samples = Collection(columns)
        self._seeds = GatheredSeeds()
        self._columns: dict[str, int] = {}
        self._beside: dict[str, int] = {}
        self._documents = self._given = self._cut = self._faults = 0
        self._nothing: tuple[CountedFailure, ...] = ()
        self._left_out: tuple[CountedFailure, ...] = ()
        self._problems: list[Problem] = []
        self._of_rows: list[Problem] = []
        self._gave_nothing: list[Problem] = []
        self._notes: list[str] = []
        self._is_strict, self._ends_open = True, False

    def read(
        self,
        *paths: Path,
        hear: Heard = lambda done, total: None,
        called: Mapping[Path, str] = MappingProxyType({}),
    ) -> None:
        """Read files, and everything below folders; ``called``: what files are, instead of by their names.

        Raises:
            SeedFileError: one is not there, or cannot be read at all.
        """
        with DocumentReader(max_bytes=self._settings.max_mib << 20, timeout_s=self._settings.timeout_s) as reader:
            for done, path in enumerate(paths):
                if path.is_dir():
                    self._is_strict = False
                    self._read_folder(reader, path.resolve(), hear)
                else:
                    self._is_strict = kind_of(path) == "rows"
                    name = called.get(path) or _shown(Path(path.name))
                    self._read(reader, path.absolute(), Origin(where=name, path=name), called.get(path, ""))
                if len(paths) > 1:
                    hear(done + 1, len(paths))

    def _read_folder(self, reader: DocumentReader, path: Path, hear: Heard) -> None:
        try:
            entries = list(files_below(path))
        except OSError as error:
            problem = f"cannot be read: {error.strerror or error}"
            raise SeedFileError([Problem(where=str(path), field="", message=problem)]) from error
        for done, (file, why_not) in enumerate(entries):
            hear(done, len(entries))
            origin = Origin(where=_shown(file.relative_to(path.parent)), path=_shown(file.relative_to(path)))
            if why_not is None:
                self._read(reader, file, origin)
            else:
                self._gives_nothing(origin.where, why_not)
        hear(len(entries), len(entries))

    def add(self, row: Row, where: str) -> None:
        """Read one row, which stands at ``where``."""
        column = self._column_of(row)
        if column is None:
            if self._is_strict:
                self._samples.add(row, where)
            else:
                names = self._settings.column or f"{', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}"
                self._gives_nothing(where, DocumentError(f"has no column {names}", is_fault=False))
            return
        self._columns[column] = self._columns.get(column, 0) + 1
        try:
            self._take(_document_in(row, column, self._settings.chunk_tokens), _origin_of(row, column, where))
        except RowError as bad:
            self._refuse(Problem(where=where, field=bad.field, message=bad.message, fix=bad.fix))
        except DocumentError as error:
            self._gives_nothing(where, error)
        else:
            for name in row:
                if name not in (column, "title", *ORIGIN_COLUMNS):
                    self._beside[str(name)] = self._beside.get(str(name), 0) + 1

    def add_seed(self, seed: Seed, where: str) -> None:
        """Take a seed that a program made, as it is."""
        self._samples.add_seed(seed, where)

    def refuse(self, problem: Problem) -> None:
        """Note what stands in the place of a row."""
        self._refuse(problem)

    def check_columns(self, where: str) -> None:
        """Raise SeedFileError where none of the samples, which came from ``where``, had a column that is named."""
        self._samples.check_columns(where)

    def file(self) -> SeedFile:
        """What has come so far."""
        self._earlier.close()
        samples = self._samples.file()
        seeds = self._seeds.all()
        if len(samples.seeds):
            seeds = gathered(itertools.chain(seeds, samples.seeds))
        is_too_much = not self._skip_bad and self._faults > self._share * (self._given + self._faults)
        has_none = not (len(seeds) or samples.problems)
        problems = [*self._of_rows, *(self._problems if is_too_much or has_none else [])]
        tolerated, least = self._tolerated(), self._settings.duplicates
        unlike = Unlike(signatures=self._chunks.signatures, least=least, source=self._source) if least else None
        return SeedFile(
            seeds=seeds,
            problems=(*problems, *samples.problems),
            repeated=samples.repeated,
            not_read=(*self._sentences(tolerated), *samples.not_read),
            ends_open=self._ends_open,
            tolerated=tolerated,
            gave_nothing=tuple(self._gave_nothing),
            unlike=unlike,
        )

    def _read(self, reader: DocumentReader, path: Path, origin: Origin, called: str = "") -> None:
        if kind_of(path) == "rows":
            try:
                self._ends_open = gather(path, self, called=called)
            except SeedFileError as error:
                if self._is_strict:
                    raise
                for problem in error.problems:
                    self._refuse(problem)
            return
        try:
            document = reader.read(path)
            self._notes += [f"{origin.where}: {note}" for note in document.notes]
            self._take(document, origin)
        except DocumentError as error:
            self._gives_nothing(origin.where, error)

    def _take(self, document: Extracted, origin: Origin) -> None:
        """Keep the chunks of a document. Raises DocumentError where none is kept."""
        left_out: LeftOut | None = None
        refused = list[LeftOut]()
        found = 0
        for one in self._chunks.seeds_of(document, origin):
            self._cut += 1
            if isinstance(one, Seed):
                known = self._seeds.source_of(one.id)
                if known is None:
                    self._seeds.add(one)
                    found += 1
                    continue
                one = repeated_as(known)
            left_out = one
            refused.append(one)
        self._left_out = joined([*self._left_out, *(one.counted(origin.where) for one in refused)])
        if not found:
            raise nothing_of(left_out)
        self._documents += 1
        self._given += 1

    def _gives_nothing(self, where: str, error: DocumentError) -> None:
        problem = Problem(where=where, field="", message=str(error), fix=error.fix)
        if error.is_fault:
            self._refuse(problem)
            return
        self._documents += 1
        self._count(problem)

    def _refuse(self, problem: Problem) -> None:
        self._documents += 1
        self._faults += 1
        if self._is_strict:
            self._of_rows.append(problem)
            return
        self._count(problem)
        if len(self._problems) < PROBLEMS_TOLD:
            self._problems.append(problem)

    def _count(self, problem: Problem) -> None:
        if len(self._gave_nothing) < PROBLEMS_TOLD:
            self._gave_nothing.append(problem)
        said = f"{problem.field}: {problem.message}" if problem.field else problem.message
        counted = CountedFailure(reason=without_numbers(said), example=str(problem.shortened()))
        self._nothing = joined([*self._nothing, counted])

    def _column_of(self, row: Row) -> str | None:
        if (named := self._settings.column) is not None:
            return named if named in row else None
        is_sample = self._takes_samples and any(name in row for name in FORMATS if name != "document")
        return None if is_sample else next((name for name in COLUMNS if isinstance(row.get(name), str)), None)

    def _tolerated(self) -> tuple[Tried, ...]:
        documents = Tried(part="documents", name=self._source, tries=self._documents, failures=self._nothing)
        chunks = Tried(part="chunks", name=self._source, tries=self._cut, failures=self._left_out)
        return tuple(one for one in (documents, chunks) if one.failures)

    def _sentences(self, tolerated: tuple[Tried, ...]) -> list[str]:
        guessed = [f"`{name}` ({count:,} rows)" for name, count in self._columns.items() if not self._settings.column]
        beside = [f"{name} ({count:,} rows)" for name, count in self._beside.items()]
        failures = [one for tried in tolerated for one in counts_of(tried)]
        return [
            *([f"documents are read from column {', '.join(guessed)}"] if guessed else []),
            *([f"{KEPT_BESIDE}: {', '.join(beside)}"] if beside else []),
            *(one.sentence for one in failures),
            *self._notes,
        ]


def _document_in(row: Row, column: str, chunk_tokens: int) -> Extracted:
    """The text of a row; as it stands, where it is no longer than a chunk. Raises RowError, DocumentError."""
    text = required(row[column], column)
    if len(text) > MOST_CHARACTERS:
        raise DocumentError(f"holds more than {MOST_CHARACTERS // 1_000_000} million characters", "split it")
    title = row.get("title")
    named = title if isinstance(title, str) and title.strip() else ""
    if tokens_in(text) <= chunk_tokens:
        return Extracted(text=text, blocks=(Block(0, len(text)),), title=named)
    return replace(read_plain(text), title=named)


def _origin_of(row: Row, column: str, where: str) -> Origin:
    was_a_chunk = isinstance(row.get("path"), str) and isinstance(row.get("span"), str)
    told = {name: row[name] for name in ORIGIN_COLUMNS if was_a_chunk and isinstance(row.get(name), str)}
    read = {column, "title", *told}
    meta: Mapping[str, Any] = {str(name): plain(value) for name, value in row.items() if name not in read}
    return Origin(where=where, path=where, labels=told, meta=meta)


def _shown(path: Path) -> str:
    """A path as text that can be written, whatever bytes it is made of."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
