"""An evaluation worked: answers and grades as one batch, and comparisons of these answers as a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from star_agents.config.models import Config
from star_agents.engine.batch import BatchResult, run_batch
from star_agents.engine.confirmation import Confirmation
from star_agents.engine.evaluation import Evaluation
from star_agents.engine.evaluation_results import Results, dropped_in, results_of, without_hopeless
from star_agents.engine.host import COMMAND, Host
from star_agents.events import Event
from star_agents.records import Seed
from star_agents.storage.evaluation_files import keep_protocol

Hears = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """How an evaluation ended."""

    results: Results
    batch: BatchResult
    """The last batch, with what either failed by."""
    calls: int
    """Sent and answered by both."""


def _nobody_hears(seeds: int) -> Hears:
    return lambda event: None


def batch_job(
    evaluation: Evaluation,
    config: Config,
    out: Path,
    *,
    console: Console | None,
    notes: Sequence[str],
    host: Host = COMMAND,
) -> Any:
    """`run_batch` for one of the two batches; what was dropped before is tried again."""
    source = evaluation.benchmark.name
    return partial(
        run_batch, config, source=source, out=out, retry_dropped=True, console=console, notes=notes, host=host
    )


def lenient_with_what_failed_before(config: Config, out: Path, seeds: Sequence[Seed]) -> Config:
    """The config that lets everything fail, where only what failed before is left, and so little that all of it may:
    alone it would be far beyond the limits that the whole evaluation keeps."""
    limits, dropped = config.failure_limits, dropped_in(out)
    left = sum(dropped.get(one.id, False) for one in seeds)
    if left > limits.share * len(seeds) or any(one.id not in dropped for one in seeds):
        return config
    return config.model_copy(update={"failure_limits": limits.model_copy(update={"share": 1.0, "referees": 1.0})})


async def evaluate(
    evaluation: Evaluation,
    out: Path,
    *,
    pairwise: bool = False,
    console: Console | None = None,
    notes: Sequence[str] = (),
    confirmation: Confirmation | None = None,
    begins: Callable[[int], Hears] = _nobody_hears,
    host: Host = COMMAND,
) -> Evaluated:
    """Work whatever is left of an evaluation in its folder, and say what it comes to.

    Args:
        evaluation: What is asked.
        out: Its folder.
        pairwise: Whether answers are compared, too.
        console: Where to show progress; ``None``: nowhere.
        notes: Of agents.yaml, to be logged.
        confirmation: Asked before more is spent than it says, in each batch.
        begins: Told how many seeds a batch has; what it gives hears everything that happens in it.
        host: The program around it.

    Raises:
        UsageError: the folder holds an evaluation by another protocol.
        StarAgentsError: the work cannot go on; what is done stays in the store.
    """
    keep_protocol(out, evaluation.protocol)

    async def work(config: Config, seeds: Sequence[Any]) -> BatchResult:
        left = without_hopeless(out, seeds)
        config = lenient_with_what_failed_before(config, out, seeds)
        job = batch_job(evaluation, config, out, console=console, notes=notes, host=host)
        ended: BatchResult = await job(left, only_these=True, confirmation=confirmation, hear=begins(len(left)))
        return ended

    batch = await work(evaluation.grading, evaluation.graded_seeds())
    calls = batch.calls
    if pairwise and not batch.stopped_by:
        answers = results_of(evaluation, out).found.answers
        if pairs := evaluation.compared_seeds(answers):
            compared = await work(evaluation.comparing, pairs)
            failed = "; ".join(filter(None, (batch.failed_because, compared.failed_because)))
            calls, batch = calls + compared.calls, replace(compared, failed_because=failed)
    return Evaluated(results=results_of(evaluation, out, pairwise=pairwise), batch=batch, calls=calls)
