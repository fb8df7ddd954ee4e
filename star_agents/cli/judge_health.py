"""`judge-health`: how far judges say what people say, and what else decides their word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import click

from star_agents import offline
from star_agents.arena.bootstrap import Estimate
from star_agents.arena.pair_health import JURY, PairHealth
from star_agents.cli.batches import (
    config_with_notes,
    confirmation_above,
    estimate_by_sample,
    exit_unless_whole,
    spending_options,
)
from star_agents.cli.tables import calls_and_cost, print_failures, print_json, print_table
from star_agents.config.lines import lines_from
from star_agents.engine.batch import BatchResult, run_batch
from star_agents.engine.batch_notes import SKIPPED_SHOWN, sample_agents
from star_agents.engine.judge_health import Judged, Panel, draw_pairs, judging_config, measure_judges
from star_agents.errors import SeedFileError, UsageError
from star_agents.observe.logs import set_up_logging
from star_agents.observe.status import FailureTold
from star_agents.observe.status.reading import read
from star_agents.storage.formats.row_writing import atomic_file
from star_agents.storage.incoming.labelled_pairs import AnsweredPair, PairFile, Verdicts, read_pairs, read_verdicts
from star_agents.text.consoles import progress_console
from star_agents.text.figures import usd_sum
from star_agents.text.plain_data import json_text
from star_agents.text.printing import say

RESULT_FILE = "judge_health.json"
REASONS_SHOWN = 3


class Spending(NamedTuple):
    """What the options of whoever spends came to."""

    estimate: bool
    confirm_above: float
    yes: bool
    quiet: bool


@click.command()
@click.argument("data")
@click.option("--judges", default="", help="Agents of agents.yaml, with commas between: gpt,qwen.")
@click.option(
    "-c", "--config", "config_path", type=click.Path(path_type=Path), default="agents.yaml", show_default=True
)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder of the calls; DATA.judges if not given.")
@click.option("-n", "--limit", type=click.IntRange(min=1), help="Judge only N pairs, drawn by chance; more later on.")
@click.option(
    "--verdicts",
    "verdict_files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Measure what a judge said elsewhere, as recorded in this file, without any call.",
)
@click.option("--verdict-column", default="", help="Of these files, where it is not NAME_result, verdict or winner.")
@click.option("--prompt-column", help="Column of DATA: what both answer, a text or turns.")
@click.option("--input-column", help="What the prompt works on, if that stands in a column of its own.")
@click.option("--first-column", help="The one answer.")
@click.option("--second-column", help="The other one.")
@click.option("--label-column", multiple=True, help="Which is better: 1, 2 or 0, or in words; once for each annotator.")
@click.option("--skip-bad", is_flag=True, help="Leave bad rows out instead of stopping.")
@spending_options
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def command(
    data: str,
    judges: str,
    config_path: Path,
    out: Path | None,
    limit: int | None,
    verdict_files: Sequence[Path],
    verdict_column: str,
    skip_bad: bool,
    estimate: bool,
    confirm_above: float,
    yes: bool,
    as_json: bool,
    quiet: bool,
    **columns: Any,
) -> None:
    """Hold judges against people: accuracy and Cohen's kappa on pairs of answers that people judged.

    DATA has PandaLM's columns (instruction, response1, response2, annotator1 ...), LLMBar's (input, output_1, output_2,
    label) or others that are named; JSON, JSON lines, CSV or Parquet. The word `offline` takes sample pairs.

    Each judge gives both answers points from 1 to 10, in both orders, as in an arena; the same command again goes on
    where it stopped and pays for nothing twice. Intervals are of 95 %, from a bootstrap over prompts.
    """
    names = tuple(dict.fromkeys(name.strip() for name in judges.split(",") if name.strip()))
    if not names and not verdict_files:
        raise UsageError("name judges of agents.yaml (--judges gpt,qwen), or recorded verdicts (--verdicts FILE)")
    path = offline.pairs_path(data)
    file = _pairs(path, columns, skip_bad=skip_bad)
    recorded = _recorded(verdict_files, verdict_column, file.pairs, names)
    out = out or Path(f"{'offline' if data == 'offline' else path.name.partition('.')[0]}.judges")
    panel, result = None, None
    if names:
        config, notes = config_with_notes(config_path)
        set_up_logging(level="error", folder=out)
        if not as_json and (note := sample_agents(config)):
            say(note, err=True)
        panel = Panel(config=judging_config(config, names), pairs=draw_pairs(file.pairs, limit), judges=names)
        with lines_from(config_path):
            result = _ask(panel, path, out, notes, Spending(estimate, confirm_above, yes, quiet), as_json=as_json)
        if estimate:
            return exit_unless_whole(result)
    judged = measure_judges(file.pairs, panel, out, recorded)
    told = {**judged.to_dict(), "bad_rows": len(file.problems), "stopped_by": result.stopped_by if result else ""}
    if names:
        with atomic_file(out / RESULT_FILE) as handle:
            handle.write(json_text(told, indent=2).encode() + b"\n")
    if as_json:
        print_json(told)
    else:
        _show(judged, result, out)
    return exit_unless_whole(result) if result is not None else None


def _pairs(path: Path, columns: dict[str, Any], *, skip_bad: bool) -> PairFile:
    """The pairs, and what is wrong with the others said. Raises SeedFileError for bad rows, unless they are skipped."""
    named = {name.removesuffix("_column"): given for name, given in columns.items() if given}
    if "label" in named:
        named["labels"] = tuple(named.pop("label"))
    file = read_pairs(path, named)
    if file.problems and (not skip_bad or not file.pairs):
        raise SeedFileError(file.problems)
    if len(file.problems) > SKIPPED_SHOWN:
        say(f"skipped: {len(file.problems):,} rows, the first {SKIPPED_SHOWN}:", err=True)
    for problem in file.problems[:SKIPPED_SHOWN]:
        say(f"skipped: {problem}", err=True)
    return file


def _recorded(
    files: Sequence[Path], column: str, pairs: Sequence[AnsweredPair], judges: Sequence[str]
) -> list[tuple[str, Verdicts]]:
    """What each file holds, each under a name of its own."""
    found: list[tuple[str, Verdicts]] = []
    for path in files:
        verdicts = read_verdicts(path, pairs, column)
        taken = {*judges, JURY, *(name for name, _ in found)}
        name = verdicts.judge if verdicts.judge not in taken else f"{verdicts.judge} ({path.stem})"
        if name in taken:
            raise UsageError(f"--verdicts {path}: is named twice")
        found.append((name, verdicts))
    return found


def _ask(
    panel: Panel, path: Path, out: Path, notes: Sequence[str], spending: Spending, *, as_json: bool
) -> BatchResult:
    console = progress_console(quiet=spending.quiet)
    job = partial(run_batch, panel.config, source=path.name, out=out, retry_dropped=True, console=console, notes=notes)
    seeds = panel.to_hear()
    if not seeds:
        raise UsageError(f"{path.name}: every pair has equal answers, and nothing to judge")
    if spending.estimate:
        return estimate_by_sample(job, panel.config, seeds, out, as_json=as_json)
    confirmation = None if spending.yes else confirmation_above(spending.confirm_above)
    result: BatchResult = anyio.run(partial(job, seeds, only_these=True, confirmation=confirmation))
    return result


def _show(judged: Judged, result: BatchResult | None, out: Path) -> None:
    rows = [[name, *(tell(one) for one in judged.judges)] for name, tell in ROWS]
    shown = [row for row in rows if any(cell != "-" for cell in row[1:])]
    title = f"against people, who judged {judged.pairs:,} pairs over {judged.prompts:,} prompts"
    print_table(title, ["", *(one.judge for one in judged.judges)], shown)
    for sentence in _remarks(judged):
        say(sentence)
    if result is not None:
        say(calls_and_cost(result.calls, result.summary))
        print_failures(read(list[FailureTold], result.summary["failures"]))
        say(f"  {out / RESULT_FILE}")


def _share(one: Estimate) -> str:
    return _told(one, lambda value: f"{100 * value:.1f}", " %")


def _number(one: Estimate) -> str:
    return _told(one, lambda value: f"{value:.3f}", "")


def _points(one: Estimate) -> str:
    return _told(one, lambda value: f"{value:+.2f}", "")


def _told(one: Estimate, shown: Any, unit: str) -> str:
    """``66.8 % (62.1 to 71.5)``."""
    if one.value is None:
        return "-"
    ends = ("open" if end is None else shown(end) for end in (one.low, one.high))
    return f"{shown(one.value)}{unit} ({' to '.join(ends)})"


def _places(one: PairHealth) -> str:
    return "-" if one.position_bias.value is None else f"{one.to_first:,} the first, {one.to_second:,} the second"


ROWS = (
    ("pairs", lambda one: f"{one.pairs:,}"),
    ("accuracy", lambda one: _share(one.accuracy)),
    ("Cohen's kappa", lambda one: _number(one.kappa)),
    ("accuracy where nobody says tie", lambda one: _share(one.decided_accuracy)),
    ("says tie", lambda one: _share(one.ties)),
    ("both orders agree", lambda one: _share(one.orders_agree)),
    ("position decides", lambda one: _share(one.position_bias)),
    ("  and names", _places),
    ("bonus of what is shown first, points", lambda one: _points(one.first_bonus)),
    ("longer answer wins", lambda one: _share(one.longer)),
    ("  beyond what people say", lambda one: _share(one.length_bias)),
    ("unreadable votes", lambda one: f"{one.unreadable_votes:,} of {one.votes:,}"),
    ("cost", lambda one: "-" if one.judge == JURY or one.orders == 1 else usd_sum(one.cost_usd, 0)),
)
"""Of the table: what it is, and how a judge's is told."""


def _remarks(judged: Judged) -> Iterator[str]:
    who = judged.people
    if who.annotators > 1:
        kappas = [one for one in who.kappas if one is not None]
        among = f", kappa of two of them {min(kappas):.2f} to {max(kappas):.2f}" if kappas else ""
        yield f"people: {who.annotators} for each pair, all of one mind on {who.unanimous:,}{among}"
    yield f"they say {', '.join(f'{side} {count:,}' for side, count in who.labels.items())}"
    if who.undecided:
        yield f"{who.undecided:,} pairs are left out: no verdict of people has the most votes"
    if judged.equal:
        yield f"{judged.equal:,} pairs are left out: both answers are one"
    if apart := judged.spread:
        yield f"the judges lie {_told(apart.points, lambda v: f'{v:.2f}', ' points')} apart on {apart.pairs:,} pairs"
    if any(one.orders == 1 for one in judged.judges):
        one_order = ", ".join(one.judge for one in judged.judges if one.orders == 1)
        yield f"{one_order}: recorded in one order only, so nobody can tell what an answer's place did"
    for judge, reasons in judged.unread_because.items():
        for reason, count in list(reasons.items())[:REASONS_SHOWN]:
            yield f"{judge}: {count:,} unreadable: {reason[:200]}"
