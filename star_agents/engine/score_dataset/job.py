"""`score`: two models' IFDs for every row of a file of any length, and on from where a kill left off.

    check ─► read ─► score, a few chunks in flight ─► journal; once all rows are in it ─► join, write, count

Rows are never held. The file is read once to check it, once to score it, and once to join its rows with the journal's
scores into the output, which appears whole or not at all. Until then all that was computed stands in ``OUT.part``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
from anyio import to_thread
from rich.console import Console

from star_agents.config.sections import ScoringConfig
from star_agents.engine.score_dataset.columns import COLUMNS, columns_of
from star_agents.engine.score_dataset.pipeline import Samples, Scoring, chunks, score_in_order, scores_of
from star_agents.engine.score_dataset.report import report_page
from star_agents.engine.score_dataset.scored_rows import ScoredRows
from star_agents.engine.score_dataset.source import Row, ScoreSource, sample_of
from star_agents.engine.score_dataset.stopping import stop_on_signal
from star_agents.engine.score_dataset.tally import Tally
from star_agents.errors import UsageError, first_of_ours
from star_agents.records import Score
from star_agents.scoring import ScorerFacts
from star_agents.storage.formats.formula_cells import FormulaGuard
from star_agents.storage.formats.row_writing import atomic_file, write_rows, writer_for
from star_agents.storage.outgoing.score_journal import Header, ScoreJournal
from star_agents.text.consoles import say_on


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreJob:
    """What to score, and where to."""

    source: Path
    out: Path
    config: ScoringConfig
    report: Path | None = None
    """Where the page with the distributions goes."""
    fresh: bool = False
    """Start anew, whatever an earlier run left behind, and replace an output that is there."""
    raw_csv: bool = False
    """Leave cells of a .csv that a spreadsheet would run as formulas as they are (``FormulaGuard``)."""

    @property
    def journal(self) -> Path:
        """Where scores are kept until all are there."""
        return self.out.with_name(f"{self.out.name}.part")


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredFile:
    """How far `score` came with a file."""

    rows: int
    """Of the file; 0 when it was stopped before they were counted."""
    done: int
    """Rows whose scores are on disk."""
    resumed: int
    """Of those, how many an earlier run had scored."""
    work: Header
    """What was scored with what: models, mode, dtypes, input."""
    tally: Tally | None
    """What was found; ``None`` when it was stopped before the output was written."""
    stopped_by: str = ""
    """The signal that did."""
    guarded_cells: int = 0
    """Cells of a .csv that were marked as text, so that no spreadsheet runs them as formulas."""


async def score_file(job: ScoreJob, scorer: Scoring, *, console: Console | None = None) -> ScoredFile:
    """Score every row of ``job.source`` into ``job.out``; ``scorer`` is entered only where rows are left to score.

    SIGINT and SIGTERM end it early but whole: what is scored stays in the journal, and the same call goes on with it.

    Raises:
        SeedFileError: with the rows that cannot be read, before anything is scored.
        UsageError: when the output cannot be written or is there already, or its journal holds other work.
        StoreLocked: while another process writes this output.
        ScorerError: when the models cannot be loaded, or their process is lost; what is scored stays in the journal.
    """
    _refuse_impossible(job)
    work = _Work(job, scorer, console or Console(stderr=True))
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop_on_signal, tasks.cancel_scope, work)
            await work.run()
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if (ours := first_of_ours(group)) is not None:
            raise ours from group
        raise
    return work.ended()


def _refuse_impossible(job: ScoreJob) -> None:
    """What would only come out at the end, hours later."""
    writer_for(job.out)
    for path in filter(None, (job.out, job.report)):
        if path.is_dir() or not path.parent.is_dir():
            raise UsageError(f"{path}: cannot be written: {'it is' if path.is_dir() else 'there is no such'} folder")
    if job.report and job.report in (job.out, job.source):
        raise UsageError(f"{job.report}: the report needs a file of its own")


class _Work:
    """One call of ``score_file``."""

    def __init__(self, job: ScoreJob, scorer: Scoring, console: Console) -> None:
        self._job = job
        self._source = ScoreSource(job.source)
        self._scorer = scorer
        self._console = console
        self._rows = self._done = self._resumed = 0
        self._header: Header = {}
        self._tally: Tally | None = None
        self._guard = FormulaGuard(is_off=job.raw_csv)
        self.stopped_by = ""

    async def run(self) -> None:
        """From the file to the output."""
        before = self._source.state()
        with ScoreJournal.open(self._job.journal) as journal:
            self._refuse_finished(journal)
            work = {**options_of(self._job.config), "input": await to_thread.run_sync(self._source.digest)}
            if self._job.fresh:
                journal.clear()
            self._refuse_other_work(journal, work)
            self._resumed = self._done = journal.rows
            self._rows = await self._count(journal)
            if journal.rows < self._rows:
                await self._score(journal, {**work, "rows": self._rows})
            if self._source.state() != before:
                raise UsageError(f"{self._job.source} was changed while it was scored; call again with --fresh")
            self._header = journal.header or {}
            self._tally = await to_thread.run_sync(_write, self._job, self._source, journal, self._guard)
            journal.remove()

    def ended(self) -> ScoredFile:
        """What came of it."""
        return ScoredFile(
            rows=self._rows,
            done=self._done,
            resumed=self._resumed,
            work=self._header,
            tally=self._tally,
            stopped_by="" if self._tally else self.stopped_by,
            guarded_cells=self._guard.cells,
        )

    async def _count(self, journal: ScoreJournal) -> int:
        """The rows of the file. A journal knows, since it is begun only when the file was found whole."""
        if journal.rows and journal.header:
            self._say(f"going on after {journal.rows:,} rows that are scored already, in {self._job.journal}")
            return int(journal.header["rows"])
        rows, columns, not_read = await to_thread.run_sync(self._source.check)
        if replaced := [name for name in COLUMNS if name in columns]:
            self._say(f"note: the columns {', '.join(replaced)} of {self._job.source} are replaced")
        for sentence in not_read:
            self._say(f"note: {sentence}")
        return rows

    async def _score(self, journal: ScoreJournal, work: Header) -> None:
        progress = ScoredRows(self._rows, done=journal.rows, console=self._console)

        async def keep(scores: list[Score]) -> None:
            await to_thread.run_sync(journal.append, scores)
            self._done = journal.rows
            progress.advance(len(scores))

        with progress:
            async with self._scorer as scorer:
                work = {**work, **as_loaded(scorer.describe())}
                self._refuse_other_work(journal, work)
                if not journal.rows:
                    journal.begin(work)
                progress.begin()
                await score_in_order(partial(scores_of, scorer, self._job.config.mode), self._chunks(), keep)

    def _chunks(self) -> Iterator[Samples]:
        """The rows that are left."""
        left = itertools.islice(self._source.rows(), self._done, None)
        return chunks((sample_of(row, where) for where, row in left), lambda: self._done)

    def _refuse_finished(self, journal: ScoreJournal) -> None:
        """Keep what stands in the output. Rows in the journal say that it was given up, or just written from them."""
        if self._job.out.exists() and not journal.rows and not self._job.fresh:
            raise UsageError(
                f"{self._job.out} is there already: it is another command's result, or this one's that is finished; "
                "--fresh scores anew, or name another file"
            )

    def _refuse_other_work(self, journal: ScoreJournal, work: Header) -> None:
        if differences := journal.differences(work):
            raise UsageError(
                f"{self._job.journal} holds {journal.rows:,} scored rows of other work: {'; '.join(differences)}. "
                "Give --fresh to start anew and lose them, or choose another output file"
            )

    def _say(self, message: str) -> None:
        say_on(self._console, message)


def options_of(config: ScoringConfig) -> dict[str, str | int]:
    """What of the configuration decides about scores."""
    return {name: getattr(config, name) for name in ("small", "large", "mode", "max_length", "dtype")}


def as_loaded(facts: ScorerFacts) -> dict[str, str]:
    """What decides about scores besides the configuration, and shows only when the models are loaded."""
    found: dict[str, str] = {}
    for size, model in (("small", facts.small), ("large", facts.large)):
        if model is not None:
            found |= {
                f"dtype of {size}": model.dtype,
                f"prompts of {size} (by its chat template)": model.prompts,
                f"tokens of {size} (by its tokenizer)": model.tokens,
            }
    return found


def _write(job: ScoreJob, source: ScoreSource, journal: ScoreJournal, guard: FormulaGuard) -> Tally:
    """Join rows and scores into the output, count them, and write the report. Raises UsageError."""
    tally = Tally()

    def joined() -> Iterator[Row]:
        for (where, row), score in zip(source.rows(), journal.scores(), strict=True):
            tally.add(score, partial(sample_of, row, where))
            yield {**row, **columns_of(score)}

    write_rows(job.out, joined(), guard=guard)
    if job.report:
        with atomic_file(job.report) as file:
            file.write(report_page(job.source.name, journal.header or {}, tally).encode())
    return tally
