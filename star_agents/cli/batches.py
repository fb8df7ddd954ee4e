"""What commands that work seeds as a batch have in common: agents.yaml, an estimate, a question before money is spent,
and how they end."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import click

from star_agents.cli.estimates import ask_on_terminal, estimate_as_data, is_on_terminal, show_estimate
from star_agents.cli.tables import print_json
from star_agents.config.models import Config
from star_agents.config.sections import PartsConfig
from star_agents.config.target import TargetConfig
from star_agents.engine.batch import BatchResult, worked_parts
from star_agents.engine.configuration import read_config
from star_agents.engine.confirmation import Confirmation
from star_agents.engine.estimate import RunEstimate, estimate_run, pick_sample
from star_agents.engine.target_rows import seeds_needed
from star_agents.events import Event, OutcomeCommitted
from star_agents.records import Seed
from star_agents.storage.parts import check_parts
from star_agents.storage.reader import StoreReader
from star_agents.storage.target_facts import target_facts
from star_agents.text.printing import say

STOPPED_EARLY = 4
SIGNALLED = 128
"""Plus the signal's number, as shells have it: 130 after Ctrl-C, 143 after SIGTERM."""
Job = Callable[..., Awaitable[BatchResult]]
"""`run_batch` with all that is the same whichever seeds are worked."""
Command = TypeVar("Command", bound=Callable[..., Any])


def spending_options(command: Command) -> Command:
    """The options of whoever spends: `--estimate`, `--confirm-above`, `--yes`."""
    options = (
        click.option(
            "--estimate",
            is_flag=True,
            help="Work 20 seeds by chance (`evaluate`: 10 questions), say what all will take, and stop there.",
        ),
        click.option(
            "--confirm-above",
            type=click.FloatRange(min=0),
            default=5.0,
            show_default=True,
            metavar="DOLLARS",
            help="On a terminal, ask before a run goes beyond so much.",
        ),
        click.option("-y", "--yes", is_flag=True, help="Never ask."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def config_with_notes(path: Path) -> tuple[Config, list[str]]:
    """The config, and what of it should be written otherwise, which is said."""
    notes: list[str] = []
    config = read_config(path, os.environ, note=lambda note: notes.append(str(note)))
    for note in notes:
        say(f"note: {note}", err=True)
    return config, notes


def of_parts(config: Config, only: tuple[str, ...]) -> Config:
    """The config that works these parts of the seeds alone. Raises UsageError where it has none of that name."""
    settings = config.parts or PartsConfig()
    check_parts(only, settings.sizes, "seeds")
    return config.model_copy(update={"parts": settings.model_copy(update={"only": only})})


def with_rows(config: Config, rows: int | None) -> Config:
    """The config that wants so many rows, of the shape that it wants already, or of ``sft``; ``None``: as it is."""
    if rows is None:
        return config
    shape = "sft" if config.target_rows is None else config.target_rows.shape
    return config.model_copy(update={"target_rows": TargetConfig(rows=rows, shape=shape)})


def confirmation_above(usd: float) -> Confirmation:
    """Asks a person on a terminal before more than so many dollars are spent."""
    ask = ask_on_terminal if is_on_terminal() else None
    return Confirmation(above_usd=usd, ask=ask, say=lambda text: say(f"note: {text}", err=True))


def estimate_by_sample(job: Job, config: Config, seeds: Sequence[Seed], out: Path, *, as_json: bool) -> BatchResult:
    """Work a sample of the seeds, which a later run does not pay for again, and say what all of them will take."""
    seeds = worked_parts(seeds, config)
    result, found = estimate_from(job, config, seeds, pick_sample(seeds, config.random_seed), out)
    if found is None:
        say("no seed was finished, so nothing can be estimated", err=True)
    elif as_json:
        print_json({**estimate_as_data(found), "stopped_by": result.stopped_by})
    else:
        if config.target_rows is not None:
            needed = f"{found.seeds:,} of the {len(seeds):,} seeds"
            say(f"target_rows: {config.target_rows.rows:,} rows are expected of {needed}, by what those gave")
        show_estimate(found)
    return result


def estimate_from(
    job: Job, config: Config, seeds: Sequence[Seed], sample: Sequence[Seed], out: Path, *, expected: int | None = None
) -> tuple[BatchResult, RunEstimate | None]:
    """Work some of the seeds; how that ended, and what all will take, or ``None`` where none of them was finished.

    Args:
        job: How seeds are worked.
        config: Under which.
        seeds: All of them.
        sample: Those that are worked.
        out: Where.
        expected: How many seeds there will be, where some cannot be made yet.
    """
    number, seconds = expected or len(seeds), defaultdict[str, float](float)
    roots: dict[str, str] = {}

    def hear(event: Event) -> None:
        """What children take counts for the seed that they come of."""
        if isinstance(event, OutcomeCommitted):
            root = roots.get(event.outcome.seed_id, event.outcome.seed_id)
            roots.update((child.id, root) for child in event.outcome.children)
            seconds[root] += event.seconds

    result: BatchResult = anyio.run(partial(job, sample, only_these=True, expected=number, hear=hear))
    with StoreReader(out) as reader:
        done = reader.usage_of_seeds([seed.id for seed in seeds])
        if config.target_rows is not None:
            there = target_facts(config.target_rows, reader.tallies())
            room, given = max(0, there.wanted - there.rows), there.rows + there.spare
            number = len(done) + seeds_needed(room, number - len(done), seeds=len(done), rows=given)
    names = {seed.id for seed in sample}
    worked = [one for one in done if one.seed_id in names]
    if not worked:
        return result, None
    at_once = min(config.concurrency, max(1, len(roots) + len(seconds)))
    return result, estimate_run(number, done, worked, list(seconds.values()), at_once)


def exit_unless_whole(result: BatchResult) -> None:
    """Say why a batch ended before its last seed, or what failed beyond its limit, and exit with the code of that."""
    for one in result.stranded:
        say(one.sentence, err=True)
    for why, n in result.not_caught_up.items():
        say(f"{n:,} finished seeds do not catch up: {why}", err=True)
    if result.parked:
        waiting = f"{result.parked:,} seeds wait for batches of their providers, which go on there"
        again = "the same command" if result.stopped_by else "a run that wants more rows"
        say(f"{waiting}; {again} takes in what they bring, and pays for none of it again", err=True)
    if result.interrupted_by:
        say(f"{result.stopped_by}; the same command goes on where it stopped", err=True)
        sys.exit(SIGNALLED + result.interrupted_by)
    if result.stopped_by:
        say(f"stopped early: {result.stopped_by}", err=True)
        sys.exit(STOPPED_EARLY)
    if result.failed_because:
        say(f"failed: {result.failed_because}", err=True)
        sys.exit(STOPPED_EARLY)
