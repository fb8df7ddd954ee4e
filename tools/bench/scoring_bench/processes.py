"""Pairs through the scorer's processes, as the daemon's callers bring them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import anyio

from star_agents.records import Sample
from star_agents.scoring import Scorer

CALLERS = 8
"""At once."""


async def score_by_callers(client: Scorer, pairs: Sequence[Sample]) -> list[float]:
    """IFDs of the small model; NaN for a pair without one."""
    found = [math.nan] * len(pairs)

    async def call(caller: int) -> None:
        scores = await client.score(pairs[caller::CALLERS])
        found[caller::CALLERS] = [math.nan if score.ifd_small is None else score.ifd_small for score in scores]

    async with anyio.create_task_group() as tasks:
        for caller in range(CALLERS):
            tasks.start_soon(call, caller)
    return found


def all_are_loaded(client: Scorer) -> bool:
    """Whether each of its processes has its models."""
    return all(one.facts is not None for one in client._supervisors)
