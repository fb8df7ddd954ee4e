"""Arenas whose strengths are known: battles over a prompt hang together, as real ones do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from star_agents.arena.bradley_terry import strengths
from star_agents.arena.games import Result

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class World:
    """Players and prompts. A prompt suits some players more than others, and that shows in all its battles."""

    strength: Sequence[float]
    """Of each player, natural-log units."""
    suits: float
    """Standard deviation of what a prompt adds to a player's strength."""
    tie: float
    """Share of battles that end even where both are equally strong."""

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Everybody against everybody."""
        return list(combinations(range(len(self.strength)), 2))

    def play(self, prompts: int, rng: np.random.Generator) -> Floats:
        """(prompts, pairs): 1 the left one won, 0 the right one, ½ a tie."""
        at = np.asarray(self.strength) + rng.normal(0, self.suits, (prompts, len(self.strength)))
        left, right = np.array(self.pairs).T
        distance = at[:, left] - at[:, right]
        chance = 1 / (1 + np.exp(-distance))
        even = rng.random(distance.shape) < self.tie * 4 * chance * (1 - chance)
        won = (rng.random(distance.shape) < chance).astype(np.float64)
        return np.where(even, 0.5, won)

    def results(self, played: Floats, *, prompt_of: str = "prompt") -> list[Result]:
        """As ``rate`` takes them. ``prompt_of="battle"``: each battle stands for a prompt of its own."""
        own = prompt_of == "battle"
        return [
            Result(f"{number}:{left}:{right}" if own else str(number), f"p{left}", f"p{right}", float(value))
            for number, row in enumerate(played)
            for (left, right), value in zip(self.pairs, row, strict=True)
        ]

    def truth(self, prompts: int, seed: int) -> Floats:
        """Strengths that a fit of so many prompts gives, relative to the first player."""
        rng, size = np.random.default_rng(seed), len(self.strength)
        table, left = np.zeros((size, size)), prompts
        while left:
            some = min(left, 100_000)
            points = self.play(some, rng).sum(0)
            for (one, other), value in zip(self.pairs, points, strict=True):
                table[one, other] += value
                table[other, one] += some - value
            left -= some
        return strengths(table, 0)
