"""`rounds`: from data to a better target and back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import click
from rich.console import Console

from star_agents.cli.batches import SIGNALLED, config_with_notes
from star_agents.cli.rounds_table import show_estimate, show_rounds
from star_agents.cli.tables import print_json
from star_agents.config.lines import lines_from
from star_agents.config.models import Config
from star_agents.engine.batch import load_seeds
from star_agents.engine.batch_notes import sample_agents, skipped_rows
from star_agents.engine.campaign.campaign import Campaign
from star_agents.engine.campaign.estimate import estimate_rounds
from star_agents.engine.campaign.evaluating import calls_of_grading
from star_agents.engine.campaign.report import write_rounds
from star_agents.engine.campaign.setup import campaign_in, plan_checked, planned_rounds
from star_agents.engine.campaign.summary import rounds_summary
from star_agents.engine.seed_sources import find_sources
from star_agents.engine.stages import takes_documents
from star_agents.errors import StarAgentsError, UsageError, first_of_ours
from star_agents.observe.logs import set_up_logging
from star_agents.records import Seed
from star_agents.text.consoles import progress_console
from star_agents.text.printing import say


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option(
    "-c", "--config", "config_path", type=click.Path(path_type=Path), default="agents.yaml", show_default=True
)
@click.option("-s", "--seeds", "seeds_path", help="Seed file, or documents; the word `offline` takes the sample seeds.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder for stores, rows, models and report.")
@click.option("--rounds", "rounds", type=click.IntRange(1, 100), default=3, show_default=True, help="How many.")
@click.option("--status", "asks", is_flag=True, help="Show what the rounds of FOLDER came to so far, and do nothing.")
@click.option("--estimate", is_flag=True, help="Say what it will take at the most, and do nothing.")
@click.option("--skip-bad", is_flag=True, help="Leave bad rows out instead of stopping.")
@click.option("--retry-dropped", is_flag=True, help="Queue seeds again that the phase in hand had to drop.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("-v", "--verbose", is_flag=True, help="Log every seed to the console too; OUT/log.jsonl has it all.")
def command(
    folder: Path | None,
    config_path: Path,
    seeds_path: str | None,
    out: Path | None,
    rounds: int,
    asks: bool,
    estimate: bool,
    skip_bad: bool,
    retry_dropped: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Make data with the target of section `rounds` of agents.yaml, train it on that, and let the new one make more.

    Round 0 trains on the seeds of D0; each stage of a round has a part of the seeds of its own, fought by the newest
    target. The same command again goes on where it stopped: nothing is paid or trained again.
    """
    out = out or folder
    if out is None:
        raise UsageError("name a folder: -o OUT")
    if asks:
        summary = rounds_summary(out)
        return print_json(summary) if as_json else show_rounds(summary)
    if seeds_path is None:
        raise UsageError("name the seeds: -s FILE")
    told = Telling(as_json=as_json, quiet=quiet, verbose=verbose, show=print_json if as_json else show_rounds)
    options = {"estimate": estimate, "skip_bad": skip_bad, "retry_dropped": retry_dropped}
    work_rounds(config_path, seeds_path, out, rounds, told, **options)
    return None


class Telling(NamedTuple):
    """How rounds are told of."""

    as_json: bool
    quiet: bool
    verbose: bool
    show: Callable[[Mapping[str, Any]], None]
    """Shows what they came to."""


def work_rounds(
    config_path: Path,
    seeds_path: str,
    out: Path,
    rounds: int,
    told: Telling,
    *,
    estimate: bool = False,
    skip_bad: bool = False,
    retry_dropped: bool = False,
) -> None:
    """Work rounds to their end, or say what they take where only an ``estimate`` is asked for.

    Raises:
        StarAgentsError: they cannot begin, or not go on; what is done is shown before.
    """
    config, _ = config_with_notes(config_path)
    plan = plan_checked(config, rounds)
    console = progress_console(quiet=told.quiet)
    seeds, source = _seeds(config, seeds_path, out, skip_bad=skip_bad, console=console)
    planned = planned_rounds(config, config_path, plan, seeds, source)
    if estimate:
        graded = calls_of_grading(config, config_path.parent)
        found = estimate_rounds(config, plan, seeds, planned.prompts, out, graded=graded)
        return print_json(found) if told.as_json else show_estimate(found)
    if notice := "" if told.as_json else sample_agents(config):
        say(notice, err=True)
    set_up_logging(level="info" if told.verbose else "error", folder=out)
    with campaign_in(out, planned, console=console, retry_dropped=retry_dropped) as campaign:
        error = _work(campaign, config_path)
        summary = write_rounds(out)
    told.show(summary)  # Before anybody hears why there is no more of it.
    if error is not None:
        raise error
    if campaign.words.number:
        say("stopped by a signal; the same command goes on where it stopped", err=True)
        sys.exit(SIGNALLED + campaign.words.number)
    return None


def _work(campaign: Campaign, config_path: Path) -> StarAgentsError | None:
    """Work; why it cannot go on, if it cannot."""
    try:
        with lines_from(config_path):
            anyio.run(campaign.words.obey, campaign.run)
    except (StarAgentsError, BaseExceptionGroup) as found:
        if (error := first_of_ours(found)) is None:
            raise
        return error
    return None


def _seeds(config: Config, name: str, out: Path, *, skip_bad: bool, console: Console) -> tuple[Sequence[Seed], str]:
    sources = find_sources([name], documents=takes_documents(config), out=out, console=console)
    file = load_seeds(sources, config, skip_bad=skip_bad, limit=None, console=console)
    for sentence in skipped_rows(file):
        say(sentence, err=True)
    return file.seeds, sources.name
