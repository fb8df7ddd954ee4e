"""The arms: pure choices over the same table. Method: each sees scores, verdicts and chance, and no more.

``seeds`` and ``random`` need nothing; ``ifd``, ``referee``, ``gap`` and ``full`` are the paper's Tables 3 and 4,
decided by the product's own ``Contest``. The oracle is no arm: it asks the checker, and stands with the figures.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proof.scores import Scores
from star_agents.config.star import JUDGED, Selection
from star_agents.recipes.choosing import Contender, Contest, relative_gaps, worths

ARMS: dict[str, Selection] = {
    "seeds": "base",
    "random": "random",
    "ifd": "ifd",
    "referee": "referee",
    "gap": "gap",
    "full": "dual",
}
"""Name of an arm, and of the product's selection that it is: ``gap`` is dual without a referee."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What an arm took for one seed, and what it paid."""

    column: int
    verdicts: int
    """Verdicts paid for."""


def choose_row(
    selection: Selection,
    columns: Sequence[int],
    small: Sequence[float],
    gap: Sequence[float],
    verdict: Sequence[float],
    same: Sequence[bool],
    rng: random.Random,
    *,
    lazy: bool = True,
) -> Choice:
    """Choose among the base (column 0) and the drawn ``columns`` of one seed, as recipe ``star`` does.

    ``lazy=False`` judges every candidate of worth, and so must choose the same.
    """
    places = [0, *columns]
    if selection == "base":
        return Choice(column=0, verdicts=0)
    if selection == "random":
        return Choice(column=rng.choice(places), verdicts=0)
    gaps, smalls = ([None if np.isnan(one[at]) else one[at] for at in places] for one in (gap, small))
    values = worths(selection, gaps, smalls, relative_gaps(gaps))
    ranked_by_gap = gaps if selection in ("dual", "gap") else [None] * len(places)
    contenders = [
        Contender(order=order, is_base=order == 0, worth=worth, gap=ranked_by_gap[order])
        for order, worth in enumerate(values)
    ]
    contest = Contest(contenders, base=0, judged_by_referee=selection in JUDGED)
    paid = 0
    while (index := contest.next_to_judge(everybody=not lazy)) is not None:
        paid += not same[places[index]]
        contest.settle(index, 0.5 if same[places[index]] else verdict[places[index]])
    return Choice(column=places[contest.winner() or 0], verdicts=paid)


def choose_all(
    selection: Selection,
    draws: NDArray[np.int64],
    scores: Scores,
    verdict: NDArray[np.float64],
    same: NDArray[np.bool_],
    seed: int,
    *,
    lazy: bool = True,
) -> list[Choice]:
    """One choice per seed; ``draws`` is [seeds, M], the drawn columns in order of drawing."""
    rng, gap = random.Random(seed), scores.gap.tolist()
    small, said, again = scores.small.tolist(), verdict.tolist(), same.tolist()
    return [
        choose_row(selection, drawn, small[at], gap[at], said[at], again[at], rng, lazy=lazy)
        for at, drawn in enumerate(draws.tolist())
    ]
