"""`rounds`: from data to a better target and back, as the command `rounds` goes."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from star_agents.api.inputs import PathLike, SeedsLike, given_seeds, name_of_source, path_of
from star_agents.api.job import Job, Words
from star_agents.config.lines import lines_from
from star_agents.engine.batch import usable_seeds
from star_agents.engine.batch_notes import sample_agents, skipped_rows
from star_agents.engine.campaign.report import write_rounds
from star_agents.engine.campaign.setup import PlannedRounds, campaign_in, plan_checked, planned_rounds
from star_agents.engine.campaign.stopping import WordsToStop
from star_agents.engine.configuration import read_config
from star_agents.engine.stages import takes_documents
from star_agents.observe.logs import folder_log
from star_agents.text.consoles import progress_console, say_on


def rounds(
    config: PathLike,
    seeds: SeedsLike,
    *,
    out: PathLike,
    rounds: int = 3,
    skip_bad: bool = False,
    retry_dropped: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Make data with a target, train it on that, and let the new one make more; return when the last round is done.

    The same call again, or the command ``rounds -o out``, goes on where it stopped: nothing is paid or trained again.
    Ctrl-C finishes the seeds in hand, or lets a training write its checkpoint; a second one ends at once.

    Args:
        config: The path of agents.yaml, with a section `rounds`.
        seeds: The path of a seed file (or ``"offline"``), or rows, as ``run`` takes them.
        out: The folder of stores, rows, models and report.
        rounds: How many.
        skip_bad: Leave bad rows out instead of raising.
        retry_dropped: Queue seeds again that the phase in hand had to drop.
        progress: Tell on standard error what happens.

    Returns:
        What summary.json holds: ``steps`` with rows, losses, ratings and gains, ``target``, ``model``, ``cost``.

    Raises:
        ConfigError: the config cannot be used.
        SeedFileError: seeds cannot be used.
        UsageError: the folder holds other rounds, or a run; or an argument makes no sense.
        StoreError: the folder cannot be used; ``StoreLocked`` where another process works on it.
        StarAgentsError: a step cannot go on: why, and what to do.
        KeyboardInterrupt: Ctrl-C was pressed, and what was in hand is done.
    """
    path, folder = path_of(config), path_of(out)
    settings = read_config(path, os.environ)
    plan = plan_checked(settings, rounds)
    source = name_of_source(seeds, documents=takes_documents(settings), out=folder)
    found = given_seeds(seeds, settings, skip_bad=skip_bad, out=folder)
    file = usable_seeds(found, settings, where=source, skip_bad=skip_bad, limit=None)
    planned = planned_rounds(settings, path, plan, file.seeds, source)
    notes = [*skipped_rows(file), sample_agents(settings)]
    work = partial(_work, planned=planned, out=folder, notes=notes, retry_dropped=retry_dropped, progress=progress)
    return Job(work, folder=folder.absolute()).wait()


async def _work(
    words: Words, *, planned: PlannedRounds, out: Path, notes: list[str], retry_dropped: bool, progress: bool
) -> dict[str, Any]:
    console = progress_console(quiet=not progress)
    for sentence in filter(None, notes):
        say_on(console, sentence)
    heard = WordsToStop(words.heard)
    how = partial(campaign_in, out, planned, console=console, retry_dropped=retry_dropped, words=heard)
    with folder_log(out) as log, how(owns_process=False, hear=log.hear) as campaign:
        try:
            with lines_from(planned.path):
                await heard.obey(campaign.run)
        finally:
            summary = write_rounds(out)
    return summary
