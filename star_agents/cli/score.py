"""`score`: IFD of two models for every row of any dataset, useful by itself."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Any, get_args

import anyio
import click

from star_agents import offline
from star_agents.cli.main import INTERRUPTED
from star_agents.cli.score_shards import cluster_config, run_on_cluster
from star_agents.cli.tables import print_json
from star_agents.config.sections import ScoreMode, ScoringConfig
from star_agents.engine.score_dataset.job import ScoredFile, ScoreJob, score_file
from star_agents.engine.score_dataset.shards import ShardsJob
from star_agents.engine.score_dataset.tally import Tally, quantile
from star_agents.errors import UsageError
from star_agents.observe.logs import set_up_logging
from star_agents.scoring import Scorer
from star_agents.text.printing import say

REASONS_SHOWN = 10


@click.command()
@click.argument("file")
@click.option("--small", required=True, help="The target model: Hugging Face name, path, or offline/small.")
@click.option("--large", required=True, help="The stronger model.")
@click.option("-o", "--out", required=True, help="File: .jsonl, .json, .csv or .parquet; with --on a folder or URI.")
@click.option("--on", metavar="ray", type=click.Choice(["ray"]), help="Score shards on the nodes of a Ray cluster.")
@click.option(
    "--ray", default="auto", show_default=True, help="Which cluster: auto, local, HOST:PORT, ray://HOST:PORT."
)
@click.option("--gpus-per-scorer", type=float, default=1.0, show_default=True, help="With --on: 0.5 is two on a GPU.")
@click.option(
    "--report", type=click.Path(path_type=Path), help="Also write an HTML page: distributions, pairs to read."
)
@click.option("--fresh", is_flag=True, help="Start anew, whatever an earlier run left in OUT or OUT.part.")
@click.option(
    "--raw-csv", is_flag=True, help="Put no ' before cells of a .csv that a spreadsheet would run as formulas."
)
@click.option("--mode", type=click.Choice(get_args(ScoreMode)), default=ScoringConfig().mode, show_default=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option(
    "--dtype", type=click.Choice(["auto", "float32", "bfloat16", "float16"]), default="auto", show_default=True
)
@click.option("--max-length", type=click.IntRange(min=8), default=2048, show_default=True, help="Tokens per sequence.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.")
@click.option("--trust-remote-code", is_flag=True, help="Let the model repositories run their own code.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    file: str,
    out: str,
    on: str | None,
    ray: str,
    gpus_per_scorer: float,
    report: Path | None,
    fresh: bool,
    raw_csv: bool,
    as_json: bool,
    **scoring: Any,
) -> None:
    """Keep every column of FILE and add ifd_small, ifd_large, gap, reason and ifd_formula.

    IFD near or above 1: the instruction does not help the model to the response. A large gap: hard for the small model,
    within the large one's reach. A row that cannot be scored says why in `reason`; it never gets a 0.

    FILE is .jsonl, .json, .csv or .parquet, text also packed (.gz, .zst), of any length: a part of it is in memory at
    a time (but a .json file that is one object over several lines is read whole). Finished rows go to OUT.part at once;
    after a kill or Ctrl-C the same command goes on from there. OUT appears when all rows are done; an OUT that is there
    already is replaced only with --fresh.

    With --on ray FILE is a folder of .parquet files, by path or URI (s3://, gs://, hdfs://), and OUT another one that
    every node reaches, too. Nodes read, score and write whole files; those that are done are never scored again.
    """
    set_up_logging(level="error")
    config = ScoringConfig(**scoring)
    if on is not None:
        if report or raw_csv:
            raise UsageError("--report and --raw-csv are for one file, without --on")
        cluster = cluster_config(ray, gpus_per_scorer)
        job_of_shards = ShardsJob(source=file, out=out, config=config, fresh=fresh)
        run_on_cluster(job_of_shards, cluster, as_json=as_json)
        return
    job = ScoreJob(source=Path(file), out=Path(out), config=config, report=report, fresh=fresh, raw_csv=raw_csv)
    tell = partial(say, err=True)
    result = anyio.run(score_file, job, Scorer(config, embedder=None, resolve=offline.resolve_model, tell=tell))
    if result.tally is None:
        _say_how_to_go_on(result, job)
        sys.exit(INTERRUPTED)
    if as_json:
        print_json(_summary(result, result.tally, job))
    else:
        _show(result, result.tally, job)


def _say_how_to_go_on(result: ScoredFile, job: ScoreJob) -> None:
    total = f" of {result.rows:,}" if result.rows else ""
    # Without a scored row the fresh start is still to be made; with some, it would throw them away.
    again = shlex.join(argument for argument in sys.argv[1:] if argument != "--fresh" or not result.done)
    say(
        f"stopped by {result.stopped_by}: {result.done:,}{total} rows are scored, in {job.journal}\n"
        f"to go on: python -m star_agents {again}",
        err=True,
    )


def _summary(result: ScoredFile, tally: Tally, job: ScoreJob) -> dict[str, Any]:
    return {
        "rows": tally.rows,
        "scored": tally.scored,
        "gap_median": quantile(tally.gaps, 0.5),
        "gap_positive": tally.positive,
        "reasons": dict(tally.reasons.most_common()),
        "resumed": result.resumed,
        "guarded_cells": result.guarded_cells,
        "out": str(job.out),
        "report": str(job.report) if job.report else None,
    }


def _show(result: ScoredFile, tally: Tally, job: ScoreJob) -> None:
    say(f"scored {tally.scored:,} of {tally.rows:,} rows to {job.out}")
    if (median := quantile(tally.gaps, 0.5)) is not None:
        say(f"median gap {median:.4f}, above 0 in {tally.positive:,} rows")
    for reason, count in tally.reasons.most_common(REASONS_SHOWN):
        say(f"  {count:,} rows: {reason}")
    if result.guarded_cells:
        say(
            f"note: {result.guarded_cells:,} cells that a spreadsheet would run as formulas (they begin with = + - @, "
            "a tab or a line end, and are no numbers) have a ' before them; --raw-csv leaves them as they are"
        )
    if job.report:
        say(f"report: {job.report}")
