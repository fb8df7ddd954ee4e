"""`reproduce`: the experiment of a paper as one command, here in the closed world, or as the paper has it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import click

from star_agents.cli.batches import SIGNALLED
from star_agents.cli.reproduce_tables import (
    show_arena,
    show_estimate,
    show_findings,
    show_star,
    write_arena,
    write_star,
)
from star_agents.cli.rounds import Telling, work_rounds
from star_agents.cli.tables import print_json
from star_agents.config.base import server_address
from star_agents.config.lines import lines_from
from star_agents.config.models import Config
from star_agents.engine.campaign.state import read_state as read_rounds
from star_agents.engine.campaign.training import check_training
from star_agents.engine.configuration import read_config
from star_agents.engine.reproduction.arena import arena_summary, read_arena_experiment, write_arena_world
from star_agents.engine.reproduction.estimate import estimate_of
from star_agents.engine.reproduction.experiment import (
    AGENTS_FILE,
    EXPERIMENT_FILE,
    Experiment,
    Scale,
    read_experiment,
    write_files,
    write_world,
)
from star_agents.engine.reproduction.papers import star_paper
from star_agents.engine.reproduction.plan import fixed_by
from star_agents.engine.reproduction.prerequisites import (
    Finding,
    agents_of,
    arena_prerequisites,
    prerequisites_of,
)
from star_agents.engine.reproduction.state import ReproductionState, read_state
from star_agents.engine.reproduction.summary import summary_of
from star_agents.engine.reproduction.work import Reproduction, Server
from star_agents.errors import StarAgentsError, UsageError, first_of_ours
from star_agents.observe.logs import set_up_logging
from star_agents.storage.lock import FolderLock
from star_agents.text.consoles import progress_console, say_on
from star_agents.text.printing import say

ROUNDS = "rounds"
"""Folder of Arena Learning's rounds below that of the reproduction."""
NOTHING_BEGUN = "nothing was begun and nothing spent: the same command with --yes begins"
WHOLE = {"star": "Star-Agents' Tables 2 to 4", "arena": "Arena Learning's rounds"}


class Asked(NamedTuple):
    """What the options came to."""

    out: Path
    scale: Scale
    estimate: bool
    yes: bool
    server: Server | None
    as_json: bool
    quiet: bool
    verbose: bool


@click.command()
@click.argument("experiment", type=click.Choice(list(WHOLE)))
@click.option("--scale", type=click.Choice(["tiny", "paper"]), default="tiny", show_default=True)
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Folder for everything.")
@click.option("--quick", is_flag=True, help="tiny, and so small that figures say nothing: to see the line at work.")
@click.option("--estimate", is_flag=True, help="Say what is left to do and what it takes, and do nothing.")
@click.option("-y", "--yes", is_flag=True, help="paper: begin, and spend; without it the plan is shown.")
@click.option("--model-server", help="star, tiny: http://HOST:PORT/v1, whose model answers ten questions, to be read.")
@click.option("--served-as", default="model", show_default=True, help="What that server calls its model.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("-v", "--verbose", is_flag=True, help="Log every seed to the console too; OUT/log.jsonl has it all.")
def command(
    experiment: str,
    scale: Scale,
    out: Path,
    quick: bool,
    estimate: bool,
    yes: bool,
    model_server: str | None,
    served_as: str,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Do a paper's own experiment again, and show its figures beside ours.

    star: each arm of Tables 2 to 4 of Star-Agents makes its rows, the target is trained on them, three benchmarks are
    graded. arena: Arena Learning's rounds, as `rounds` works them. At scale tiny all of it is the closed world of the
    package: no key, no download, no GPU. At scale paper the files are written first, for models, seeds and questions of
    yours.

    The same command again goes on where it stopped: nothing is paid, trained or graded again.
    """
    if quick and scale != "tiny":
        raise UsageError("--quick is for --scale tiny: at the paper's scale, edit experiment.yaml")
    if model_server is not None and (experiment, scale) != ("star", "tiny"):
        raise UsageError("--model-server is for `reproduce star --scale tiny`")
    server = None if model_server is None else Server(_address(model_server), served_as)
    asked = Asked(out, "quick" if quick else scale, estimate, yes, server, as_json, quiet, verbose)
    _star(asked) if experiment == "star" else _arena(asked)


def _arena(asked: Asked) -> None:
    """`rounds`, with what it begins with written for it, and the paper beside what it comes to."""
    _begin(asked, "arena")
    experiment = read_arena_experiment(asked.out, asked.scale)
    write_arena_world(asked.out, experiment)
    is_planned = asked.estimate or (asked.scale == "paper" and not asked.yes)
    if asked.scale == "paper" and (is_planned or read_rounds(asked.out / ROUNDS) is None):
        config, findings = agents_of(asked.out, os.environ)
        findings += arena_prerequisites(asked.out, experiment, config)
        if is_planned and not asked.as_json:
            show_findings(findings)
        _refuse_lacking(findings, are_shown=is_planned)

    def show(rounds: Mapping[str, Any]) -> None:
        summary = write_arena(asked.out, arena_summary(asked.out / ROUNDS, rounds))
        print_json(summary) if asked.as_json else show_arena(summary)

    told = Telling(as_json=asked.as_json, quiet=asked.quiet, verbose=asked.verbose, show=show)
    seeds, rounds = str(asked.out / experiment.seeds), experiment.rounds
    out = asked.out / ROUNDS
    work_rounds(asked.out / AGENTS_FILE, seeds, out, rounds, told, estimate=is_planned)
    if is_planned and asked.scale == "paper" and not asked.as_json:
        say(NOTHING_BEGUN)


def _begin(asked: Asked, name: str) -> None:
    """Write the files that it begins with; those of the paper's scale are to be edited."""
    written = write_files(asked.out, name, asked.scale)
    for path in written if asked.scale == "paper" else ():
        say(f"wrote {path}: put in what is yours", err=True)


def _refuse_lacking(findings: Sequence[Finding], *, are_shown: bool) -> None:
    """Raise UsageError where something is missing; with what to do, unless that is shown already."""
    lacks = [one for one in findings if one.state == "MISSING"]
    told = dict.fromkeys(one.what if are_shown else f"{one.what} ({one.detail})" for one in lacks)
    if told:
        raise UsageError(f"nothing was begun, since {len(lacks)} things are missing: {'; '.join(told)}")


def _star(asked: Asked) -> None:
    _begin(asked, "star")
    experiment = read_experiment(asked.out, asked.scale)
    write_world(asked.out, experiment)
    if asked.scale == "paper" and not (asked.yes and not asked.estimate):
        return _plan(asked, experiment)
    check_training(experiment.training, ["sft"])
    config = read_config(asked.out / AGENTS_FILE, os.environ)
    if asked.estimate:
        return _estimate(asked, config, experiment)
    if asked.scale == "paper" and read_state(asked.out) is None:
        _refuse_lacking(list(prerequisites_of(asked.out, experiment, star_paper(), config)), are_shown=False)
    return _run(asked, config, experiment)


def _plan(asked: Asked, experiment: Experiment) -> None:
    """What is needed, what it takes, and what will be done; nothing is begun. Exits with 2 where something lacks."""
    config, findings = agents_of(asked.out, os.environ)
    findings += prerequisites_of(asked.out, experiment, star_paper(), config)
    work = _reproduction(asked, config, experiment, _begun(asked.out))
    try:
        found = estimate_of(work)
    except StarAgentsError:
        if all(one.state != "MISSING" for one in findings):
            raise
        found = None  # Of files that are not there, as the findings say.
    steps = [step.name for step in work.steps]
    if asked.as_json:
        print_json({"findings": [asdict(one) for one in findings], "estimate": found, "steps": steps})
    else:
        show_findings(findings)
        if found is not None:
            show_estimate(found)
        say(f"{len(steps)} steps: {', '.join(steps)}")
        say(f"{asked.out / EXPERIMENT_FILE} and {AGENTS_FILE} beside it hold all of it, to be edited before it begins")
    _refuse_lacking(findings, are_shown=True)
    if not asked.as_json:
        say(NOTHING_BEGUN)


def _estimate(asked: Asked, config: Config, experiment: Experiment) -> None:
    found = estimate_of(_reproduction(asked, config, experiment, _begun(asked.out)))
    print_json(found) if asked.as_json else show_estimate(found)


def _run(asked: Asked, config: Config, experiment: Experiment) -> None:
    """Work to the end, and show what it came to before anybody hears why it is none."""
    set_up_logging(level="info" if asked.verbose else "error", folder=asked.out)
    lock = FolderLock.acquire(asked.out)
    try:
        state = ReproductionState.opened(asked.out, fixed_by(config, experiment))
        work = _reproduction(asked, config, experiment, state)
        error = _work(work, asked.out / AGENTS_FILE, asked.server)
        summary = write_star(asked.out, summary_of(work))
    finally:
        lock.release()
    print_json(summary) if asked.as_json else show_star(summary)
    if error is not None:
        raise error
    if work.words.number:
        say("stopped by a signal; the same command goes on where it stopped", err=True)
        sys.exit(SIGNALLED + work.words.number)


def _address(text: str) -> str:
    """Raises UsageError."""
    try:
        return server_address(text)
    except ValueError as error:
        raise UsageError(f"--model-server {error}") from None


def _begun(folder: Path) -> ReproductionState:
    """What is done there, be it nothing."""
    return read_state(folder) or ReproductionState(folder=folder, fixed={})


def _reproduction(asked: Asked, config: Config, experiment: Experiment, state: ReproductionState) -> Reproduction:
    console = progress_console(quiet=asked.quiet)
    work = Reproduction(
        config=config,
        experiment=experiment,
        paper=star_paper(),
        state=state,
        console=console,
        tell=lambda sentence: say_on(console, sentence),
    )
    work.after_grades = lambda: _write(asked.out, work)
    return work


def _write(out: Path, work: Reproduction) -> None:
    write_star(out, summary_of(work))


def _work(work: Reproduction, config_path: Path, server: Server | None) -> StarAgentsError | None:
    """Work; why it cannot go on, if it cannot."""

    async def all_of_it() -> None:
        await work.run()
        if server is not None:
            work.shown = await work.show(server)

    try:
        with lines_from(config_path):
            anyio.run(work.words.obey, all_of_it)
    except (StarAgentsError, BaseExceptionGroup) as found:
        if (error := first_of_ours(found)) is None:
            raise
        return error
    return None
