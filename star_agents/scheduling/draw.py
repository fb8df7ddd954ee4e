"""Eq. 3 with the memory bank: which M pairs a seed asks besides the base pairs."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence

from star_agents.records import AgentPair, Draw
from star_agents.scheduling.policies import Policy

FIRST_TRIES = 10
"""Draws that a pair gets which joins a line at work. The memory bank knows only what has won, and the other draws go by
probabilities that are near their floor once a few pairs lead: without these a new pair may never be asked. Ten tell a
pair that wins one time in four from one that never wins (p = 0.06), and cost ten answers."""


def draw_pairs(
    policy: Policy,
    remembered: Sequence[str],
    *,
    base: Sequence[AgentPair],
    candidates: int,
    from_memory: int,
    rng: random.Random,
    down: Collection[str] = (),
    owed: Mapping[str, int] | None = None,
) -> Draw:
    """Draw M distinct pairs: l among what the neighbours were won by, the rest from all remaining pairs.

    One of the M is kept for the pair that is owed the most first tries, where any is. Where none is, chance is used as
    if there were no such thing, so that a run is repeated bit for bit.

    Args:
        policy: Holds the pool and its probabilities.
        remembered: Winning pairs of the nearest stored instructions; repeats and pairs that left the pool count once
            and not at all.
        base: Base pairs, always called; they stand outside the pool.
        candidates: M. With fewer pairs in the pool, all of them are drawn.
        from_memory: l. With fewer distinct remembered pairs, all of those are drawn.
        rng: Source of chance for this seed.
        down: Agents that take no calls at the moment. Their pairs are passed over, unless there are no others.
        owed: First tries that new pairs have not had yet.
    """
    configured = [AgentPair.from_name(name) for name in policy.probabilities()]
    up = [pair for pair in configured if not {pair.instruction, pair.response} & set(down)]
    pool = [pair.name for pair in up or configured]
    known = [pair for pair in dict.fromkeys(remembered) if pair in set(pool)]
    new = _owed_the_most(owed or {}, pool)
    first = policy.draw(min(from_memory, candidates - len(new)), rng, [pair for pair in known if pair not in new])
    rest = policy.draw(candidates - len(new) - len(first), rng, [pair for pair in pool if pair not in {*first, *new}])
    return Draw(
        base=tuple(base),
        sampled=tuple(AgentPair.from_name(name) for name in (*first, *new, *rest)),
        from_memory=len(first),
    )


def _owed_the_most(owed: Mapping[str, int], pool: Sequence[str]) -> list[str]:
    """The pair with the fewest first tries, the first in order of configuration; none where all had theirs."""
    waiting = [pair for pair in pool if owed.get(pair, 0) > 0]
    return sorted(waiting, key=lambda pair: -owed[pair])[:1]
