"""Results of battles as a table of wins, and that table again over prompts drawn with replacement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from star_agents.arena.bootstrap import CELLS, Floats, times_drawn
from star_agents.arena.games import Result

Numbers = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class WinTable:
    """What each result adds to which cell of the table, and over which prompt."""

    players: int
    prompts: int
    prompt: Numbers
    """(results,) Number of the prompt."""
    cell: Numbers
    """(results,) row · players + column of left over right."""
    mirror: Numbers
    """(results,) The same of right over left."""
    value: Floats
    wins: Floats
    """(players, players) Wins of row over column, a tie half a win for each."""
    won: Numbers
    """(players,) Battles won."""
    tied: Numbers

    @classmethod
    def of(cls, results: Sequence[Result], place: Mapping[str, int]) -> Self:
        """Count results; ``place``: the number of each player."""
        prompts: dict[str, int] = {}
        prompt = np.array([prompts.setdefault(one.prompt, len(prompts)) for one in results], dtype=np.int64)
        left = np.array([place[one.left] for one in results], dtype=np.int64)
        right = np.array([place[one.right] for one in results], dtype=np.int64)
        value = np.array([one.value for one in results], dtype=np.float64)
        return cls.counted(prompt, left, right, value, players=len(place), prompts=len(prompts))

    @classmethod
    def counted(
        cls, prompt: Numbers, left: Numbers, right: Numbers, value: Floats, *, players: int, prompts: int
    ) -> Self:
        """Count battles: (battles,) numbers of the prompt and of both players, and what came of each."""
        cell, mirror = left * players + right, right * players + left
        tie = value == 0.5
        return cls(
            players=players,
            prompts=prompts,
            prompt=prompt,
            cell=cell,
            mirror=mirror,
            value=value,
            wins=_sum(cell, mirror, value, np.ones(len(value)), players),
            won=np.bincount(left[value > 0.5], minlength=players) + np.bincount(right[value < 0.5], minlength=players),
            tied=np.bincount(left[tie], minlength=players) + np.bincount(right[tie], minlength=players),
        )

    def resampled(self, resamples: int, seed: int, *, cells: int = CELLS) -> Iterator[Floats]:
        """Tables over as many prompts as there are, drawn with replacement; (some, players, players) at a time."""
        per_prompt = self._per_prompt() if self.prompts * self.players**2 <= cells else None
        some = max(1, min(resamples, cells // max(self.prompts, self.players**2)))
        for times in times_drawn(self.prompts, resamples, seed, some=some):
            yield self._over(times) if per_prompt is None else self._by_prompts(times, *per_prompt)

    def _per_prompt(self) -> tuple[Floats, Numbers]:
        """(prompts, cells in use) of points, and which cells these are."""
        used, column = np.unique(np.concatenate([self.cell, self.mirror]), return_inverse=True)
        points = np.zeros((self.prompts, len(used)))
        np.add.at(points, (np.tile(self.prompt, 2), column), np.concatenate([self.value, 1 - self.value]))
        return points, used

    def _by_prompts(self, times: Floats, points: Floats, used: Numbers) -> Floats:
        tables = np.zeros((len(times), self.players**2))
        tables[:, used] = times @ points
        return tables.reshape(-1, self.players, self.players)

    def _over(self, times: Floats) -> Floats:
        """The same by going over the battles for each resample: slower, and it needs no table of prompts."""
        return np.stack([_sum(self.cell, self.mirror, self.value, one[self.prompt], self.players) for one in times])


def _sum(cell: Numbers, mirror: Numbers, value: Floats, weight: Floats, size: int) -> Floats:
    wins = np.bincount(cell, weights=value * weight, minlength=size * size)
    wins += np.bincount(mirror, weights=(1 - value) * weight, minlength=size * size)
    return np.asarray(wins, dtype=np.float64).reshape(size, size)
