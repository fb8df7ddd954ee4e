"""A long run of one policy over known outcomes, with many seeds in flight. Method: sees π, never who was right.

The policies are the product's own; the table of outcomes stands in for calls, scorer and referee. Without a memory
bank ``draw_pairs`` is ``Policy.draw`` over the whole pool, so the policy is asked directly; a test holds that.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proof.outcomes import Outcomes
from star_agents.config.star import Reward
from star_agents.scheduling.policies import Policy


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
    pairs: Sequence[str],
    m: int,
    in_flight: int,
    reward: Reward,
    rng: random.Random,
) -> Trace:
    """Run ``policy`` over ``rows``; the world changes from one stage to the next at equal distances.

    A seed draws when one of those in flight has come to its end: which one is chance. So a policy learns from an
    outcome some ``in_flight`` draws after it was drawn, in another order, as in a run.
    """
    column = {name: place for place, name in enumerate(pairs, start=1)}
    flying: list[list[tuple[str, float]]] = []
    draws = np.zeros(len(rows), dtype=np.int32)
    curve: list[list[float]] = []
    for step, row in enumerate(rows.tolist()):
        if step * 100 // len(rows) >= len(curve):
            curve.append(list(policy.probabilities().values()))
        outcomes = stages[step * len(stages) // len(rows)]
        names = policy.draw(m, rng, pairs)
        columns = [column[name] for name in names]
        draws[step] = place = outcomes.index[tuple(columns)]
        flying.append(_rewards(outcomes, place, row, names, columns, reward))
        if len(flying) > in_flight:
            policy.observe(flying.pop(rng.randrange(len(flying))))
    return Trace(rows=rows, draws=draws, curve=np.array(curve))


def _rewards(
    outcomes: Outcomes, place: int, row: int, names: Sequence[str], columns: Sequence[int], reward: Reward
) -> list[tuple[str, float]]:
    """Who earned what, in order of drawing."""
    earned = list(zip(names, outcomes.pi[place, row].tolist(), strict=True))
    if reward == "all":
        return earned
    if reward == "judged":
        return [one for one, known in zip(earned, outcomes.known[place, row].tolist(), strict=True) if known]
    winner = outcomes.winner.item(place, row)
    return [(name, pi if column == winner else 0.0) for (name, pi), column in zip(earned, columns, strict=True)]
