"""Eq. 3 with the memory bank: which M pairs a seed asks besides the base pairs."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence

from star_agents.records import AgentPair, Draw
from star_agents.scheduling.policies import Policy


def draw_pairs(
    policy: Policy,
    remembered: Sequence[str],
    *,
    base: Sequence[AgentPair],
    candidates: int,
    from_memory: int,
    rng: random.Random,
    down: Collection[str] = (),
) -> Draw:
    """Draw M distinct pairs: l among what the neighbours were won by, the rest from all remaining pairs.

    Args:
        policy: Holds the pool and its probabilities.
        remembered: Winning pairs of the nearest stored instructions; repeats and pairs that left the pool count once
            and not at all.
        base: Base pairs, always called; they stand outside the pool.
        candidates: M. With fewer pairs in the pool, all of them are drawn.
        from_memory: l. With fewer distinct remembered pairs, all of those are drawn.
        rng: Source of chance for this seed.
        down: Agents that take no calls at the moment. Their pairs are passed over, unless there are no others.
    """
    configured = [AgentPair.from_name(name) for name in policy.probabilities()]
    up = [pair for pair in configured if not {pair.instruction, pair.response} & set(down)]
    pool = [pair.name for pair in up or configured]
    known = [pair for pair in dict.fromkeys(remembered) if pair in set(pool)]
    first = policy.draw(min(from_memory, candidates), rng, known)
    rest = policy.draw(candidates - len(first), rng, [pair for pair in pool if pair not in first])
    return Draw(
        base=tuple(base),
        sampled=tuple(AgentPair.from_name(name) for name in (*first, *rest)),
        from_memory=len(first),
    )
