"""Scores of rows that are in memory, by the same scorer and in the same chunks as those of a file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from rich.console import Console

from star_agents.engine.score_dataset.pipeline import Scoring, chunks, score_in_order, scores_of
from star_agents.engine.score_dataset.scored_rows import ScoredRows
from star_agents.errors import first_of_ours
from star_agents.records import Sample, Score


async def score_samples(
    samples: Sequence[Sample | str], scorer: Scoring, *, mode: str, console: Console
) -> list[Score]:
    """One score per sample, in order; for what is no sample, a score with that text as its reason.

    Raises:
        ScorerError: when the models cannot be loaded, or their process is lost.
    """
    found: list[Score] = []
    progress = ScoredRows(len(samples), done=0, console=console)

    async def keep(scores: list[Score]) -> None:
        found.extend(scores)
        progress.advance(len(scores))

    try:
        with progress:
            async with scorer:
                progress.begin()
                await score_in_order(partial(scores_of, scorer, mode), chunks(iter(samples), lambda: len(found)), keep)
    except BaseExceptionGroup as group:
        if (ours := first_of_ours(group)) is not None:
            raise ours from group
        raise
    return found
