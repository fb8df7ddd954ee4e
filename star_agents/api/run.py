"""`run` and `arun`: a batch over seeds, as the command `run` does it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from star_agents.api.inputs import (
    ConfigLike,
    GivenConfig,
    SeedsLike,
    given_config,
    given_seeds,
    name_of_source,
    path_of,
    rereadable,
)
from star_agents.api.job import Job, Words, running_loop
from star_agents.api.result import RunResult
from star_agents.engine.batch import BatchResult, run_batch, usable_seeds
from star_agents.engine.batch_notes import failed_judges, sample_agents, skipped_rows, tolerated
from star_agents.engine.host import Host, Pace
from star_agents.engine.seed_sources import ByChance
from star_agents.engine.stages import takes_documents
from star_agents.errors import UsageError
from star_agents.events import Event
from star_agents.observe.logs import folder_log
from star_agents.observe.status import FailureTold
from star_agents.observe.status.reading import read
from star_agents.storage.incoming.seed_files import SeedFile
from star_agents.text.consoles import progress_console, say_on


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What a batch is told besides config and seeds."""

    out: Path
    limit: int | None
    skip_bad: bool
    retry_dropped: bool
    progress: bool
    by_chance: ByChance

    def __post_init__(self) -> None:
        for name, number in (("limit", self.limit), ("sample", self.by_chance.sample)):
            if number is not None and number < 1:
                raise UsageError(f"{name}={number} must be at least 1")


def options_of(
    out: str | os.PathLike[str],
    limit: int | None,
    skip_bad: bool,
    retry_dropped: bool,
    progress: bool,
    by_chance: ByChance,
) -> Options:
    """The options of ``run``. Raises UsageError where one makes no sense."""
    return Options(
        out=path_of(out),
        limit=limit,
        skip_bad=skip_bad,
        retry_dropped=retry_dropped,
        progress=progress,
        by_chance=by_chance,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """A batch whose config and seeds were read and checked; nothing was spent or written yet."""

    given: GivenConfig
    file: SeedFile
    source: str
    options: Options

    @classmethod
    def of(cls, given: GivenConfig, seeds: object, options: Options) -> Batch:
        """Read and check seeds.

        Raises:
            SeedFileError: with every bad row, unless they are to be skipped; or when no usable seed is left.
            UsageError: it is nothing that holds rows.
        """
        source = name_of_source(seeds, documents=takes_documents(given.config), out=options.out)
        file = usable_seeds(
            given_seeds(seeds, given.config, skip_bad=options.skip_bad, out=options.out),
            given.config,
            where=source,
            skip_bad=options.skip_bad,
            limit=options.limit,
            by_chance=options.by_chance,
        )
        return cls(given=given, file=file, source=source, options=options)

    def job(self, *, pace: Pace | None = None, hear: Callable[[Event], None] = lambda event: None) -> Job[RunResult]:
        """The work, ready to start. ``hear`` hears everything that happens, in the job's thread."""
        return Job(partial(self._work, pace=pace, hear=hear), folder=self.options.out.absolute())

    async def _work(self, words: Words, *, pace: Pace | None, hear: Callable[[Event], None]) -> RunResult:
        options, console = self.options, progress_console(quiet=not self.options.progress)
        for sentence in (*skipped_rows(self.file), sample_agents(self.given.config)):
            if sentence:
                say_on(console, sentence)
        with self.given.places(), folder_log(options.out) as log:

            def hear_all(event: Event) -> None:
                log.hear(event)
                hear(event)

            batch: BatchResult = await run_batch(
                self.given.config,
                self.file.seeds,
                self.source,
                options.out,
                retry_dropped=options.retry_dropped,
                console=console,
                only_these=options.limit is not None,
                hear=hear_all,
                repeated=self.file.repeated,
                not_read=self.file.not_read,
                left_out=self.file.problems,
                tolerated=self.file.tolerated,
                unlike=self.file.unlike,
                host=Host(stops=words.heard, pace=pace, owns_process=False, retry_option="retry_dropped=True"),
            )
        for sentence in (*tolerated(read(list[FailureTold], batch.summary["failures"])), failed_judges(batch.summary)):
            if sentence:
                say_on(console, sentence)
        return RunResult(options.out, batch)


def run(
    config: ConfigLike,
    seeds: SeedsLike,
    *,
    out: str | os.PathLike[str],
    limit: int | None = None,
    sample: int | None = None,
    shuffle: int | None = None,
    concurrency: int | None = None,
    skip_bad: bool = False,
    retry_dropped: bool = False,
    progress: bool = True,
) -> RunResult:
    """Turn seeds into a better dataset; return when the last one is done.

    It works in a script, in a notebook, and inside a running event loop, which waits meanwhile (``arun`` lets it go
    on). The same call again, or the command ``run -o out``, goes on where it stopped and pays for nothing twice: a
    folder is the same for both. Ctrl-C finishes the seeds in hand, for up to ``server.drain_s`` seconds; a second one
    ends at once. Nothing is lost either way. SIGTERM is left to the program.

    Args:
        config: agents.yaml: its path, a dict with the same keys, or a ``Config``.
        seeds: The path of a seed file, a pattern (``"data/*.jsonl.gz"``), a dataset of the hub
            (``"hf:user/name:config:split"``), ``"offline"`` for the sample seeds; or rows: any iterable of dicts in the
            formats that seed files have, of ``Sample``, ``Document`` or ``Seed``, a ``datasets.Dataset``, a pandas
            DataFrame. They are read to their end and checked before anything is spent.
        out: The folder that keeps everything; made where it is missing.
        limit: Work only the first so many seeds; what else waits in the folder goes on waiting.
        sample: Take so many of the seeds by chance, the same ones each time.
        shuffle: Work them in an order by chance, of this random seed.
        concurrency: Seeds in flight; overrides the config's.
        skip_bad: Leave bad rows out instead of raising.
        retry_dropped: Queue seeds again that an earlier run had to drop.
        progress: Show progress on standard error: a bar on a terminal, lines elsewhere. Errors are told in any case.

    Returns:
        What came of it: ``rows()``, ``preferences()``, ``status()``, ``to_pandas()``. Where it ended before its last
        seed, by a budget or because too much failed, ``stopped_by`` says why and a ``StoppedEarly`` warning is given.

    Raises:
        ConfigError: the config cannot be used; its ``problems`` name line, field and fix.
        SeedFileError: seeds cannot be used; its ``problems`` name every bad row.
        UsageError: an argument makes no sense.
        StoreError: the folder cannot be used; ``StoreLocked`` where another process works on it.
        ScorerError: a scorer model cannot be loaded, or is lost.
        KeyboardInterrupt: Ctrl-C was pressed, and what was in hand is done.
    """
    options = options_of(out, limit, skip_bad, retry_dropped, progress, ByChance(sample, shuffle))
    job = Batch.of(given_config(config, concurrency=concurrency), seeds, options).job()
    result = job.wait()
    result.warn_if_stopped(stacklevel=2)
    return result


async def arun(
    config: ConfigLike,
    seeds: SeedsLike,
    *,
    out: str | os.PathLike[str],
    limit: int | None = None,
    sample: int | None = None,
    shuffle: int | None = None,
    concurrency: int | None = None,
    skip_bad: bool = False,
    retry_dropped: bool = False,
    progress: bool = True,
) -> RunResult:
    """The same as ``run`` for an event loop of asyncio, which goes on meanwhile; arguments and errors are the same.

    Cancellation loses nothing: it finishes the seeds in hand, for up to ``server.drain_s`` seconds, and is raised
    then. A second one ends at once; calls that were in flight may be paid once more when the run goes on.

    Raises:
        asyncio.CancelledError: it was cancelled, and what was in hand is done.
        UsageError: the event loop is not asyncio's.
    """
    batch = await batch_of(
        config, seeds, options_of(out, limit, skip_bad, retry_dropped, progress, ByChance(sample, shuffle)), concurrency
    )
    job = batch.job()
    job.start()
    result = await job.end()
    result.warn_if_stopped(stacklevel=2)
    return result


async def batch_of(config: ConfigLike, seeds: SeedsLike, options: Options, concurrency: int | None) -> Batch:
    """Read and check config and seeds while the event loop goes on; errors as in ``run``."""
    running_loop()
    rows = rereadable(seeds)  # An iterator is gone through in the thread that it belongs to.

    def read() -> Batch:
        return Batch.of(given_config(config, concurrency=concurrency), rows, options)

    return await asyncio.to_thread(read)
