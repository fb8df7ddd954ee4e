"""`evaluate`: models answer MT-bench or its kin, and a judge grades them, by FastChat's protocol."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import click

from star_agents.cli.batches import (
    STOPPED_EARLY,
    config_with_notes,
    confirmation_above,
    estimate_from,
    exit_unless_whole,
    spending_options,
)
from star_agents.cli.estimates import estimate_as_data, show_estimate
from star_agents.cli.evaluation_live import LivePage
from star_agents.cli.evaluation_tables import show, show_against
from star_agents.cli.tables import calls_and_cost, print_failures, print_json
from star_agents.config.lines import lines_from
from star_agents.config.models import Config
from star_agents.engine.batch_notes import sample_agents
from star_agents.engine.estimate import RunEstimate
from star_agents.engine.evaluation import Evaluation
from star_agents.engine.evaluation_against import Against, compare, refuse_incomparable
from star_agents.engine.evaluation_files import REPORT_FILE, write_all, write_page
from star_agents.engine.evaluation_results import Results, results_of, without_hopeless
from star_agents.engine.evaluation_run import Evaluated, batch_job, evaluate
from star_agents.engine.evaluation_sentences import what_is_asked
from star_agents.engine.evaluation_setup import evaluation_for
from star_agents.errors import StarAgentsError
from star_agents.observe.logs import set_up_logging
from star_agents.observe.status import FailureTold
from star_agents.observe.status.reading import read
from star_agents.report.pictures import picture_for
from star_agents.storage.evaluation_files import Earlier, keep_protocol, read_earlier
from star_agents.text.consoles import progress_console
from star_agents.text.content_hash import digest
from star_agents.text.printing import say

QUESTIONS_OF_ESTIMATE = 10
"""Asked of every model, to tell what all of them will take."""


class Spending(NamedTuple):
    """What the options of whoever spends came to."""

    estimate: bool
    confirm_above: float
    yes: bool
    quiet: bool


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be done, and how it is told."""

    evaluation: Evaluation
    out: Path
    pairwise: bool
    against: Earlier | None
    pictures: str
    as_json: bool
    spending: Spending
    notes: Sequence[str]


@click.command()
@click.option("--models", required=True, help="Who answers: agents of agents.yaml, or folders of models: a,b,./c.")
@click.option(
    "--questions",
    "named",
    required=True,
    help="mt_bench, vicuna or wizardlm in the folder of `evaluation: {questions: FOLDER}`, a file in their form, or "
    "the word `offline`: sample questions.",
)
@click.option("--judge", required=True, help="Agent that grades.")
@click.option(
    "-c", "--config", "config_path", type=click.Path(path_type=Path), default="agents.yaml", show_default=True
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), required=True, help="Folder for store, scores and report."
)
@click.option("-n", "--limit", type=click.IntRange(min=1), help="Only N questions, drawn by chance; more later on.")
@click.option("--repeats", type=click.IntRange(1, 100), default=1, show_default=True, help="Ask all so often: medians.")
@click.option("--pairwise", is_flag=True, help="Compare the models' answers as well, each with each, in both orders.")
@click.option("--against", type=click.Path(path_type=Path), help="Folder of an earlier evaluation to compare with.")
@click.option("--references", type=click.Path(path_type=Path), help="Reference answers, in the form of FastChat's.")
@click.option("--judge-prompts", type=click.Path(path_type=Path), help="FastChat's judge_prompts.jsonl.")
@click.option("--pictures", type=click.Choice(["svg", "png", "pdf"]), default="svg", help="Kind; png, pdf: `plot`.")
@spending_options
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def command(
    models: str,
    named: str,
    judge: str,
    config_path: Path,
    out: Path,
    limit: int | None,
    repeats: int,
    pairwise: bool,
    against: Path | None,
    references: Path | None,
    judge_prompts: Path | None,
    pictures: str,
    estimate: bool,
    confirm_above: float,
    yes: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Let models answer a benchmark, grade each turn from 1 to 10, and say how good they are, by category.

    By FastChat's protocol of MT-bench: two turns, its temperatures, reference answers for math, reasoning and coding.
    The same command again goes on where it stopped; a model named later pays its own calls only. OUT gets
    evaluation.json, table.csv, grades.jsonl, report.html, radar and bars; with --pairwise battles.jsonl for `elo`.
    """
    picture_for(Path(f"radar.{pictures}"))
    config, notes = config_with_notes(config_path)
    evaluation = evaluation_for(
        config,
        [name for one in models.split(",") if (name := one.strip())],
        named,
        judge,
        beside=config_path.parent,
        limit=limit,
        repeats=repeats,
        pairwise=pairwise,
        references=references,
        judge_prompts=judge_prompts,
    )
    earlier = None if against is None else read_earlier(against)
    if earlier is not None:
        refuse_incomparable(evaluation.protocol, evaluation.questions, earlier)
    keep_protocol(out, evaluation.protocol)
    set_up_logging(level="error", folder=out)
    work = Work(
        evaluation=evaluation,
        out=out,
        pairwise=pairwise,
        against=earlier,
        pictures=pictures,
        as_json=as_json,
        spending=Spending(estimate, confirm_above, yes, quiet),
        notes=notes,
    )
    if not as_json:
        for sentence in filter(None, (*what_is_asked(evaluation, pairwise=pairwise), sample_agents(evaluation.config))):
            say(sentence, err=True)
    with lines_from(config_path):
        _estimate(work) if estimate else _do(work)


def _do(work: Work) -> None:
    """Work all of it, and tell what came of it."""
    ended = _worked(work)
    against = _against(work, ended.results)
    written = write_all(ended.results, against, work.out, pictures=work.pictures)
    _tell(work, ended, against, written)
    if not ended.batch.stopped_by:
        _exit_if_nothing_can_be_read(ended.results, work.out)
    exit_unless_whole(ended.batch)


def _worked(work: Work) -> Evaluated:
    """Whatever is left, with the page kept up to date meanwhile."""
    out, spending = work.out, work.spending
    if not work.as_json and not spending.quiet:
        say(f"{out / REPORT_FILE} shows it meanwhile", err=True)
    page = LivePage(lambda running: _write_page(work, running))
    job = partial(
        evaluate,
        work.evaluation,
        out,
        pairwise=work.pairwise,
        console=progress_console(quiet=spending.quiet),
        notes=work.notes,
        confirmation=None if spending.yes else confirmation_above(spending.confirm_above),
        begins=page.begin,
    )
    try:
        ended: Evaluated = anyio.run(job)
    except BaseException:
        page.close()
        with suppress(StarAgentsError):  # What ended the work is told; the page only must not say that it goes on.
            _write_page(work, "")
        raise
    if trouble := page.close():
        say(f"note: {out / REPORT_FILE} could not be kept up to date meanwhile: {trouble}", err=True)
    return ended


def _write_page(work: Work, running: str) -> None:
    now = f"{running} at {datetime.now():%H:%M:%S}" if running else ""
    write_page(results_of(work.evaluation, work.out, pairwise=work.pairwise), None, work.out, running=now)


def _against(work: Work, results: Results) -> Against | None:
    if work.against is None:
        return None
    grades = [one.grade() for one in results.found.judged]
    evaluation = work.evaluation
    return compare(grades, evaluation.protocol, evaluation.questions, evaluation.repeats, work.against)


def _tell(work: Work, ended: Evaluated, against: Against | None, written: Sequence[Path]) -> None:
    cost, failures = ended.batch.summary["cost"], ended.batch.summary["failures"]
    if work.as_json:
        told = {"against": None if against is None else against.to_dict(), "calls_sent": ended.calls, "cost": cost}
        print_json({**ended.results.to_dict(), **told, "failures": failures})
        return
    show(ended.results)
    if against is not None:
        show_against(against)
    say(calls_and_cost(ended.calls, ended.batch.summary))
    print_failures(read(list[FailureTold], failures))
    for path in written:
        say(f"  {path}")


def _exit_if_nothing_can_be_read(results: Results, out: Path) -> None:
    """Fail where more grades are unreadable than `failure_limits` allows of votes."""
    limits = results.evaluation.config.failure_limits
    allowed = limits.share if limits.referees is None else limits.referees
    if results.unreadable_share > allowed:
        share = f"{results.unreadable_share:.0%} of the judgements of {results.evaluation.judge} hold no grade"
        fix = f"grades.jsonl has what it wrote; ask another judge, with another -o than {out}"
        say(f"failed: {share}; failure_limits allows {allowed:.0%}. {fix}", err=True)
        sys.exit(STOPPED_EARLY)


def _job(work: Work, config: Config) -> Any:
    console = progress_console(quiet=work.spending.quiet)
    job = batch_job(work.evaluation, config, work.out, console=console, notes=work.notes)
    return lambda seeds, **how: job(without_hopeless(work.out, seeds), **how)


def _estimate(work: Work) -> None:
    """Ask some questions of everybody, which a later run does not pay for again, and say what all will take."""
    evaluation = work.evaluation
    seeds = evaluation.graded_seeds()
    chosen = sorted(evaluation.questions, key=lambda one: digest(["estimate", one.id]))[:QUESTIONS_OF_ESTIMATE]
    names = {one.id for one in chosen}
    sample = [one for one in seeds if one.meta["question"]["id"] in names and one.meta["repeat"] == 1]
    grading, comparing = evaluation.grading, evaluation.comparing
    result, graded = estimate_from(_job(work, grading), grading, seeds, sample, work.out)
    told: dict[str, RunEstimate | None] = {"questions to models": graded}
    if work.pairwise and not result.stopped_by:
        pairs = evaluation.compared_seeds(results_of(evaluation, work.out).found.answers)
        sample = [one for one in pairs if one.meta["question"]["id"] in names and one.meta["repeat"] == 1]
        number = len(work.evaluation.questions) * evaluation.pairs * evaluation.repeats
        if sample:
            job = _job(work, comparing)
            result, told["comparisons"] = estimate_from(job, comparing, pairs, sample, work.out, expected=number)
    if work.as_json:
        print_json(
            {
                **{what: None if one is None else estimate_as_data(one)["estimate"] for what, one in told.items()},
                "calls": evaluation.calls + (evaluation.pair_calls if work.pairwise else 0),
                "stopped_by": result.stopped_by,
            }
        )
    else:
        for what, one in told.items():
            if one is None:
                say(f"no {what} are finished, so nothing can be estimated", err=True)
            else:
                show_estimate(one, what)
    exit_unless_whole(result)
