"""Pairs of a benchmark's answers as win rates, as FastChat's ``pair-v2`` has them. Pure.

Each turn is a battle of its own. Both orders have to name the same answer, else it is a tie; a tie is half a win and
half a loss. A battle of which one order cannot be read is none, and is counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from star_agents.arena.bootstrap import Estimate, resampled_sums, share_estimate
from star_agents.arena.mt_bench import Side, joined
from star_agents.arena.ratings import RESAMPLES
from star_agents.records import Flat


@dataclass(frozen=True, kw_only=True, slots=True)
class PairVerdict(Flat):
    """What a judge said of two models' answers to one turn, in both orders."""

    first: str
    """Whose answer stood first in the order ``forward``."""
    second: str
    question: str
    category: str
    turn: int
    forward: Side | None
    """``None``: it cannot be read."""
    backward: Side | None
    """Of the order with both exchanged: ``first`` is the model ``second``."""
    repeat: int = 1

    @property
    def value(self) -> float | None:
        """Points of the model ``first``: 1, 0, or 0.5 for a tie and for orders that disagree; ``None`` unread."""
        points = {"first": 1.0, "second": 0.0, "tie": 0.5}
        side = joined(self.forward, self.backward)
        return None if side is None else points[side]

    @property
    def agrees(self) -> bool | None:
        """Whether both orders name the same; ``None`` where one cannot be read."""
        if self.forward is None or self.backward is None:
            return None
        return {"first": "second", "second": "first", "tie": "tie"}[self.backward] == self.forward


@dataclass(frozen=True, kw_only=True, slots=True)
class WinRate:
    """How often one model was the better one."""

    model: str
    against: str
    """Empty: all others together."""
    wins: int
    losses: int
    ties: int
    unreadable: int
    """Battles of which an order cannot be read."""
    rate: Estimate
    """Wins and half of the ties, of all that count; the bootstrap draws questions."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "model": self.model,
            "against": self.against,
            "wins": self.wins,
            "losses": self.losses,
            "ties": self.ties,
            "unreadable": self.unreadable,
            "rate": self.rate._asdict(),
        }


def win_rates(verdicts: Sequence[PairVerdict], models: Sequence[str], *, resamples: int = RESAMPLES) -> list[WinRate]:
    """Each model against all others together, and then each pair."""
    every = [_rate(model, "", verdicts, resamples) for model in models]
    if len(models) == 2:
        return every
    return [*every, *(_rate(one, other, verdicts, resamples) for one, other in combinations(models, 2))]


def orders_agree(verdicts: Iterable[PairVerdict]) -> tuple[int, int]:
    """Battles whose two orders name the same, and battles of which both can be read."""
    said = [one.agrees for one in verdicts if one.agrees is not None]
    return sum(said), len(said)


def _rate(model: str, against: str, verdicts: Sequence[PairVerdict], resamples: int) -> WinRate:
    met = [one for one in verdicts if model in (one.first, one.second)]
    met = [one for one in met if not against or against in (one.first, one.second)]
    points = [
        (one.question, one.value if one.first == model else 1 - one.value) for one in met if one.value is not None
    ]
    by_question: defaultdict[str, list[float]] = defaultdict(list)
    for question, value in points:
        by_question[question].append(value)
    sums = np.array([[sum(some), len(some)] for some in by_question.values()], dtype=np.float64).reshape(-1, 2)
    earned = [value for _, value in points]
    return WinRate(
        model=model,
        against=against,
        wins=earned.count(1.0),
        losses=earned.count(0.0),
        ties=earned.count(0.5),
        unreadable=len(met) - len(points),
        rate=share_estimate(0, 1, sums.sum(axis=0), resampled_sums(sums, resamples)),
    )
