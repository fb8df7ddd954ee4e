"""Samples measured by a scorer beside IFD, and what of it failed noted."""

from __future__ import annotations

from collections.abc import Sequence

from star_agents.bench.seed_time import SeedTime
from star_agents.bench.tries import SeedTries
from star_agents.config.models import Config
from star_agents.config.recipes import scorers_of
from star_agents.errors import RecipeError
from star_agents.records import Sample
from star_agents.scoring.scorer import Scorer


async def measured_by(
    by: str,
    samples: Sequence[Sample],
    recipe: str,
    config: Config,
    scorer: Scorer | None,
    time: SeedTime,
    tries: SeedTries,
) -> list[dict[str, float] | str]:
    """Measures of each sample, or why there are none.

    Raises:
        RecipeError: no such scorer is loaded.
        ScorerError: it is lost.
    """
    known = scorers_of(config)
    if by not in known or scorer is None:
        there_are = ", ".join(["ifd", *known])
        raise RecipeError(f"recipe {recipe} measures by {by!r}; there are: {there_are}; add it to scoring.scorers")
    with time.stands_still():
        measured = await scorer.measure(by, samples)
    note_measured(tries, by, samples, measured)
    return measured


def note_measured(tries: SeedTries, by: str, samples: Sequence[Sample], measured: Sequence[object]) -> None:
    """Note what could be measured; where it could not, its reason stands in its place."""
    for sample, one in zip(samples, measured, strict=True):
        if isinstance(one, str):
            tries.refused((by, sample), one)
        else:
            tries.worked("scorer", "", (by, sample))
