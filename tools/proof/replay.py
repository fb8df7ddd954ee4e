"""A long run of one policy over known outcomes, with many seeds in flight. Method: sees π, never who was right.

The policies and the draw are the product's own; what stands in for calls, scorer and referee is the table of outcomes.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from proof.outcomes import Outcomes
from star_agents.records import AgentPair
from star_agents.scheduling.draw import draw_pairs
from star_agents.scheduling.policies import Policy

Reward = Literal["chosen", "all"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """What happened at each step, and what the policy thought now and then."""

    rows: NDArray[np.int32]
    """[steps]: which seed of the table."""
    draws: NDArray[np.int32]
    """[steps]: which draw of ``Outcomes.index``."""
    curve: NDArray[np.float64]
    """[100, pairs]: probabilities at every hundredth of the run."""


def replay(
    policy: Policy,
    stages: Sequence[Outcomes],
    rows: NDArray[np.int32],
    *,
    pairs: Sequence[AgentPair],
    m: int,
    in_flight: int,
    reward: Reward,
    rng: random.Random,
) -> Trace:
    """Run ``policy`` over ``rows``; the world changes from one stage to the next at equal distances.

    A seed draws when one of those in flight has come to its end: which one is chance. So a policy learns from an
    outcome some ``in_flight`` draws after it was drawn, in another order, as in a run.
    """
    column = {pair.name: place for place, pair in enumerate(pairs, start=1)}
    flying: list[list[tuple[str, float]]] = []
    draws, curve = np.zeros(len(rows), dtype=np.int32), []
    for step, row in enumerate(rows):
        if step * 100 // len(rows) >= len(curve):
            curve.append(list(policy.probabilities().values()))
        outcomes = stages[step * len(stages) // len(rows)]
        drawn = draw_pairs(policy, (), base=(), candidates=m, from_memory=0, rng=rng).sampled
        names = [pair.name for pair in drawn]
        draws[step] = place = outcomes.index[tuple(column[name] for name in names)]
        winner, earned = outcomes.winner[place, row], outcomes.pi[place, row]
        rewards = [
            (name, float(pi) if reward == "all" or column[name] == winner else 0.0)
            for name, pi in zip(names, earned, strict=True)
        ]
        flying.append(rewards)
        if len(flying) > in_flight:
            policy.observe(flying.pop(rng.randrange(len(flying))))
    return Trace(rows=rows, draws=draws, curve=np.array(curve))
