"""`run`: the line as a batch job that ends with its last seed, and goes on where it stopped when called again."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import anyio
from rich.console import Console

from star_agents.config.models import Config
from star_agents.engine.catching_up import reopen_lacking
from star_agents.engine.confirmation import Checkpoint, Confirmation
from star_agents.engine.document_door import read_for, reading_progress
from star_agents.engine.engine import Engine
from star_agents.engine.host import COMMAND, Host
from star_agents.engine.intake import intake_problems
from star_agents.engine.interruption import Interruption
from star_agents.engine.progress import BatchProgress
from star_agents.engine.seed_sources import EVERY_SEED, ByChance, SeedSources
from star_agents.engine.stages import declarations_of, stages_of
from star_agents.engine.target_rows import TargetRows
from star_agents.engine.target_watch import TargetWatch
from star_agents.engine.upkeep import forget_texts
from star_agents.engine.wiring import models_to_load, open_engine, refuse_early
from star_agents.errors import Problem, SeedFileError
from star_agents.events import CallAnswered, ConfigNoted, Event, OutcomeCommitted, SeedsAdded
from star_agents.observe.bus import Bus
from star_agents.observe.logs import log_event
from star_agents.observe.telemetry import open_telemetry
from star_agents.process.garbage_collection import spare_what_stays
from star_agents.records import Seed
from star_agents.records.failures import CountedFailure, Tried, joined, one_line, without_numbers
from star_agents.scheduling.policies import probabilities_of
from star_agents.storage.incoming.gathered_seeds import gathered, ids_of
from star_agents.storage.incoming.seed_files import SeedFile
from star_agents.storage.near_texts import Unlike
from star_agents.storage.outgoing.export import write_run_folder
from star_agents.storage.parts import Parts
from star_agents.storage.reader import StoreReader
from star_agents.storage.rows import Counts
from star_agents.storage.run_scope import RunSeeds
from star_agents.storage.store import Store
from star_agents.storage.stranded import Stranded
from star_agents.storage.windows import windows
from star_agents.text.consoles import say_on
from star_agents.text.redaction import redactor


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchResult:
    """How a batch ended."""

    summary: Mapping[str, Any]
    """What `summary.json` holds."""
    calls: int
    """Calls sent and answered in this run."""
    stopped_by: str
    """Why it ended before its last seed; empty when it did not."""
    added: SeedsAdded
    """What became of the rows of the seed file."""
    failed_because: str = ""
    """What failed beyond its limit, where the batch came to its end all the same; empty where nothing did."""
    left_waiting: int = 0
    """Seeds of earlier runs that this one was told to leave."""
    interrupted_by: int = 0
    """Number of the signal that ended it early; 0 where none did."""
    parked: int = 0
    """Seeds that wait for batches at their providers."""
    stranded: tuple[Stranded, ...] = ()
    """Seeds that nobody takes as things stand, for their recipe or their part."""
    not_caught_up: Mapping[str, int] = field(default_factory=dict[str, int])
    """Finished seeds that cannot have what agents.yaml asks for now, by reason."""


_AT_ONCE = 10_000
"""Seeds that are queued in one transaction. A run that is killed between two goes on with the rest."""


class _End(NamedTuple):
    """As in `BatchResult`."""

    stopped_by: str
    failed_because: str
    interrupted_by: int = 0


def load_seeds(
    sources: SeedSources | Path,
    config: Config,
    *,
    skip_bad: bool,
    limit: int | None,
    by_chance: ByChance = EVERY_SEED,
    console: Console | None = None,
    out: Path | None = None,
) -> SeedFile:
    """Read seed files, or documents, whole and check them, before any money is spent.

    Args:
        sources: Files of rows, or one; or, where the first recipe takes documents, documents or folders of them.
        config: Says which.
        skip_bad: Leave out what is bad.
        limit: Of their seeds, take the first so many.
        by_chance: Which of the seeds, and in which order.
        console: Where to show how far the reading is; nowhere unless given.
        out: The folder of the run: documents that nearly repeat what its store knows are left out.

    Returns:
        The file with the seeds that can be used; its problems are those of the rows that were skipped.

    Raises:
        SeedFileError: with every bad row, unless ``skip_bad``; or when no usable seed is left.
    """
    if isinstance(sources, Path):
        sources = SeedSources(paths=(sources,), name=sources.name)
    with reading_progress(console) as hear:
        file = read_for(
            config,
            sources.paths,
            name=sources.name,
            folder=out,
            skip_bad=skip_bad,
            called=sources.called,
            hear=hear,
        )
    where = str(sources.paths[0]) if len(sources.paths) == 1 else sources.name
    return usable_seeds(file, config, where=where, skip_bad=skip_bad, limit=limit, by_chance=by_chance)


def usable_seeds(
    file: SeedFile,
    config: Config,
    *,
    where: str,
    skip_bad: bool,
    limit: int | None,
    by_chance: ByChance = EVERY_SEED,
) -> SeedFile:
    """The same with the seeds that this config can work, as for ``load_seeds``; ``where`` names it in messages.

    Raises:
        SeedFileError: with every bad row, unless ``skip_bad``; or when no usable seed is left.
    """
    unanswerable = [one for window in windows(file.seeds, _AT_ONCE) for one in intake_problems(config, window)]
    problems = [*file.problems, *unanswerable]
    if problems and not skip_bad:
        raise SeedFileError(problems)
    seeds = file.seeds
    if unanswerable:
        seeds = gathered(seed for seed in seeds if not intake_problems(config, [seed]))
    if not len(seeds):
        none = Problem(where=where, field="", message="holds no seeds", fix="; ".join(file.not_read))
        raise SeedFileError(problems or [none])
    seeds = by_chance.of(seeds)
    if limit is not None:
        seeds = gathered(itertools.islice(worked_parts(seeds, config), limit))
    return replace(file, seeds=seeds, problems=tuple(problems))


def worked_parts(seeds: Sequence[Seed], config: Config) -> Sequence[Seed]:
    """Those of the parts that are worked."""
    if config.parts is None:
        return seeds
    divided = Parts(config.parts)
    return gathered(seed for seed in seeds if divided.is_worked(seed))


async def run_batch(
    config: Config,
    seeds: Sequence[Seed],
    source: str,
    out: Path,
    *,
    retry_dropped: bool,
    console: Console | None,
    only_these: bool = False,
    expected: int | None = None,
    confirmation: Confirmation | None = None,
    hear: Callable[[Event], None] = lambda event: None,
    repeated: int = 0,
    not_read: tuple[str, ...] = (),
    left_out: Sequence[Problem] = (),
    tolerated: Sequence[Tried] = (),
    notes: Sequence[str] = (),
    unlike: Unlike | None = None,
    host: Host = COMMAND,
    now: Callable[[], float] = time.time,
) -> BatchResult:
    """Work the seeds into ``out`` and write the dataset files there.

    SIGINT and SIGTERM, or what else the ``host`` has for them, end it early but whole: seeds in hand are finished, for
    up to `server.drain_s`, and the files are written. At the budget of a day it waits for the next one; at one that
    holds for the life of the store it ends. What earlier runs left waiting in the same folder is worked too, unless
    ``only_these``. What of the file is ``repeated`` and ``not_read`` is told with what became of its seeds; what was
    ``left_out`` or ``tolerated`` of it is counted among the failures, and ``notes`` of agents.yaml are logged. Those of
    documents come in as far as they are ``unlike`` what is there. These seeds may be a sample of the ``expected`` ones.
    A person is asked before more is spent than a ``confirmation`` says. ``hear`` hears everything that happens.

    Raises:
        StarAgentsError: when the line cannot be built or loses its scorer; what is done stays in the store.
    """
    refuse_early(config)
    bus = _heard_by(log_event, hear)
    async with open_telemetry(bus, os.environ), await Store.open(out, now=now) as store:
        _tell_notes(bus, notes)
        await _note_left_out(store, (_left_out(source, left_out, len(seeds) + len(left_out)), *tolerated))
        new, duplicates = await _queue(store, config, seeds, unlike, only_these=only_these, retry_dropped=retry_dropped)
        added = SeedsAdded(source=source, new=new, duplicates=duplicates, repeated=repeated, not_read=not_read)
        bus.publish(added)
        _say(console, f"{source}: {added.words}")
        not_caught_up = await _catch_up(store, config, bus, console)
        counts, mine = await store.counts(), await store.run_seeds()
        total, done = (mine.seeds, mine.done) if only_these else (counts.seeds - counts.stranded, counts.done)
        _say_what_else_waits(None if only_these else console, mine)
        bus.subscribe((progress := BatchProgress(total, done=done, before=counts, console=console)).hear)
        end, left = _End("", ""), mine.waiting if only_these else counts.waiting
        if left or config.target_rows is not None or await store.spare_rows.by_shape():  # These may enter.
            ahead = None if confirmation is None else _Ahead(_aside(confirmation, progress), counts, left)
            with progress:
                run = _Run(expected or len(seeds), left, only_these, progress)
                end = await _work(config, store, bus, run, now, console, ahead, host)
        await _forget(store, config.retention_days, now())
        stranded, parked = await store.stranded(), await store.batches.parked()
    with StoreReader(out) as reader:
        summary = write_run_folder(reader, out, probabilities=partial(probabilities_of, config))
    result = BatchResult(summary=summary, calls=progress.calls, added=added, stranded=stranded, **end._asdict())
    return replace(result, left_waiting=only_these * mine.others_waiting, parked=parked, not_caught_up=not_caught_up)


async def _queue(
    store: Store,
    config: Config,
    seeds: Sequence[Seed],
    unlike: Unlike | None,
    *,
    only_these: bool,
    retry_dropped: bool,
) -> tuple[int, int]:
    """Let seeds wait for the chain; how many were new, and how many were known already."""
    await store.declare_parts(config.parts)
    new = duplicates = 0
    for window in windows(seeds, _AT_ONCE):
        of_these = await store.add_seeds(window, unlike=unlike)
        new, duplicates = new + of_these[0], duplicates + of_these[1]
    await store.begin_run(ids_of(seeds), only=only_these)
    if retry_dropped:
        await store.requeue_dropped()
    await store.declare_recipes(declarations_of(stages_of(config)))
    return new, duplicates


async def _forget(store: Store, after_days: float | None, now: float) -> None:
    """Clear old texts, where that is asked for."""
    if after_days is not None:
        await forget_texts(store, after_days, now)


async def _catch_up(store: Store, config: Config, bus: Bus, console: Console | None) -> Mapping[str, int]:
    """Let finished seeds wait that lack something; those that cannot have it, by reason."""
    if (reopened := await reopen_lacking(store, stages_of(config))) is None:
        return {}
    bus.publish(reopened)
    _say(console, reopened.message)
    return reopened.left_out


def _heard_by(*ears: Callable[[Event], None]) -> Bus:
    bus = Bus()
    for hears in ears:
        bus.subscribe(hears)
    return bus


def _tell_notes(bus: Bus, notes: Sequence[str]) -> None:
    for note in notes:
        bus.publish(ConfigNoted(message=note))


async def _note_left_out(store: Store, left_out: Sequence[Tried]) -> None:
    for tried in left_out:
        await store.set_left_out(tried)


def _left_out(source: str, problems: Sequence[Problem], rows: int) -> Tried:
    failures = [
        CountedFailure(
            reason=without_numbers(f"{one.field}: {one.message}" if one.field else one.message),
            example=one_line(redactor.text(str(one))),
        )
        for one in problems
    ]
    return Tried(part="seeds", name=one_line(source), tries=rows, failures=joined(failures))


def _note(bus: Bus, console: Console | None, told: str) -> None:
    bus.publish(ConfigNoted(message=told))
    _say(console, told)


def _say(console: Console | None, text: str) -> None:
    if console is not None:
        say_on(console, text)


def _say_what_else_waits(console: Console | None, mine: RunSeeds) -> None:
    if mine.others_waiting:
        others = f"{mine.others_waiting:,} seeds of earlier runs wait in this folder and are worked too"
        _say(console, f"{others}; -n {mine.seeds} would leave them")


class _Run(NamedTuple):
    """Which seeds are worked."""

    expected: int
    """How many there are in all."""
    waiting: int
    is_part: bool
    """Only some of them, so that a target need not be reached."""
    progress: BatchProgress


class _Ahead(NamedTuple):
    """What a question before spending is about."""

    confirmation: Confirmation
    before: Counts
    left: int


def _aside(confirmation: Confirmation, progress: BatchProgress) -> Confirmation:
    """The same, asking while no progress is drawn."""
    if (ask := confirmation.ask) is None:
        return confirmation

    async def ask_aside(question: str) -> bool:
        with progress.paused():
            return await ask(question)

    return replace(confirmation, ask=ask_aside)


async def _watch(target: TargetRows, line: Engine, waiting: int, say: Callable[[str], None]) -> TargetWatch:
    *before, last = line.stages
    to_come = await line.store.spare_rows.seeds_for(last) if before else waiting
    return TargetWatch(target, last, to_come=to_come, to_open=waiting - to_come, say=say)


async def _work(
    config: Config,
    store: Store,
    bus: Bus,
    run: _Run,
    now: Callable[[], float],
    console: Console | None,
    ahead: _Ahead | None,
    host: Host,
) -> _End:
    """Work what waits."""
    if models := models_to_load(config):
        _say(console, f"loading {models} …")
    async with open_engine(config, store, bus=bus, seeds_expected=run.expected, ends_when_empty=True, now=now) as line:
        line.failures.retry_option = host.retry_option
        checkpoint = None
        if ahead is not None:
            checkpoint = Checkpoint(line, ahead.confirmation, before=ahead.before, left=ahead.left)
            bus.subscribe(checkpoint.hear, CallAnswered, OutcomeCommitted)
            checkpoint.begin()
        if host.pace is not None:
            host.pace.hold(line.queue)
        run.progress.target = target = line.settling.rules.target
        if target is not None and not run.is_part:
            bus.subscribe((await _watch(target, line, run.waiting, partial(_note, bus, console))).hear)
        if host.owns_process:
            spare_what_stays()
        interruption, is_whole = Interruption(line, partial(_say, console), host.stops), False
        async with anyio.create_task_group() as tasks:
            if checkpoint is not None:
                tasks.start_soon(checkpoint.watch)
            tasks.start_soon(interruption.watch, tasks.cancel_scope)
            tasks.start_soon(store.watch_files)
            await line.work()
            is_whole = True
            tasks.cancel_scope.cancel()
        if not is_whole:
            interruption.say_what_is_left()
        failed = "" if line.stopped_by else line.failures.at_end()
        if target is not None:
            _say(console, target.sentence)
            failed = failed or target.unknown_label or ("" if line.stopped_by or run.is_part else target.missing())
        return _End(line.stopped_by, failed, interruption.signal)
