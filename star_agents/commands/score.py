"""`score`: IFD of two models for every row of any dataset, useful by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import anyio
import click
from rich.console import Console
from rich.progress import Progress

from star_agents import offline
from star_agents.commands.tables import print_json
from star_agents.config import ScoreMode, ScoringConfig
from star_agents.errors import SeedFileError, UsageError
from star_agents.logs import set_up_logging
from star_agents.records import Sample, Score
from star_agents.scoring.scorer import Scorer
from star_agents.storage.seed_files import read_rows, seed_from_row, write_rows

ROWS_AT_ONCE = 256
OWN_COLUMNS = ("ifd_small", "ifd_large", "gap", "reason", "ifd_formula")


@click.command(short_help="Add IFD scores of two models to any dataset.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--small", required=True, help="The target model: Hugging Face name, path, or offline/small.")
@click.option("--large", required=True, help="The stronger model.")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), required=True, help="File: .jsonl, .json, .csv or .parquet."
)
@click.option("--mode", type=click.Choice(get_args(ScoreMode)), default="perplexity_ratio", show_default=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option(
    "--dtype", type=click.Choice(["auto", "float32", "bfloat16", "float16"]), default="auto", show_default=True
)
@click.option("--max-length", type=click.IntRange(min=8), default=2048, show_default=True, help="Tokens per sequence.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.")
@click.option("--trust-remote-code", is_flag=True, help="Let the model repositories run their own code.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(file: Path, out: Path, as_json: bool, **scoring: Any) -> None:
    """Keep every column of FILE and add ifd_small, ifd_large, gap and reason.

    IFD near or above 1: the instruction does not help the model to the response. A large gap: hard for the small model,
    within the large one's reach. A row that cannot be scored says why in `reason`; it never gets a 0.
    """
    set_up_logging(level="error")
    config = ScoringConfig(**scoring)
    rows = [(where, dict(row)) for where, row in read_rows(file)]
    if not rows:
        raise UsageError(f"{file} holds no rows")
    taken = sorted(set(OWN_COLUMNS) & rows[0][1].keys())
    if taken and not as_json:
        click.echo(f"note: the columns {', '.join(taken)} of {file} are replaced", err=True)
    scored = anyio.run(_score_all, config, rows)
    write_rows(out, scored)
    _report(scored, out, as_json)


async def _score_all(config: ScoringConfig, rows: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    scored: list[dict[str, Any]] = []
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("loading models", total=len(rows))
        async with Scorer(config, embedder=None, resolve=offline.resolve_model) as scorer:
            progress.update(task, description="scoring")
            for start in range(0, len(rows), ROWS_AT_ONCE):
                chunk = rows[start : start + ROWS_AT_ONCE]
                scored.extend(await _score_chunk(scorer, chunk))
                progress.update(task, completed=len(scored))
    return scored


async def _score_chunk(scorer: Scorer, rows: list[tuple[str, dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    samples: list[Sample | str] = [_sample(row, where) for where, row in rows]
    scores = iter(await scorer.score([sample for sample in samples if isinstance(sample, Sample)]))
    found = [next(scores) if isinstance(sample, Sample) else Score(reason=sample) for sample in samples]
    return (_with_score(row, score) for (_, row), score in zip(rows, found, strict=True))


def _sample(row: Mapping[str, Any], where: str) -> Sample | str:
    """The row's sample, or why it has none."""
    try:
        return seed_from_row(row, source=where).sample
    except SeedFileError as error:
        return f"unreadable row: {error.problems[0].field}: {error.problems[0].message}"


def _with_score(row: Mapping[str, Any], score: Score) -> dict[str, Any]:
    return {
        **row,
        "ifd_small": score.ifd_small,
        "ifd_large": score.ifd_large,
        "gap": score.gap,
        "reason": score.reason,
        "ifd_formula": score.formula,
    }


def _report(rows: list[dict[str, Any]], out: Path, as_json: bool) -> None:
    gaps = sorted(row["gap"] for row in rows if row["gap"] is not None)
    reasons: dict[str, int] = {}
    for row in rows:
        if row["reason"]:
            reasons[row["reason"]] = reasons.get(row["reason"], 0) + 1
    median = gaps[len(gaps) // 2] if gaps else None
    positive = sum(1 for gap in gaps if gap > 0)
    if as_json:
        print_json(
            {"rows": len(rows), "scored": len(gaps), "gap_median": median, "gap_positive": positive, "reasons": reasons}
        )
        return
    click.echo(f"scored {len(gaps)} of {len(rows)} rows to {out}")
    if median is not None:
        click.echo(f"median gap {median:.4f}, above 0 in {positive} rows")
    for reason, count in sorted(reasons.items(), key=lambda item: -item[1])[:10]:
        click.echo(f"  {count} rows: {reason}")
