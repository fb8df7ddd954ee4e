"""A target of planted weakness, its opponents, and a judge that errs at a set rate: what battles over an instruction
say, and what is true of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean
from typing import NamedTuple

from star_agents.arena.games import Battle
from star_agents.arena.lessons import Thresholds, row_to_learn, usefulness
from star_agents.recipes.parts.battle_points import against_target, lost_share

TARGET = "target"
KEEP = Thresholds()


class Played(NamedTuple):
    """What came of one instruction."""

    worth: float
    """What it is worth to whatever was drawn for it, in [0, 1]."""
    is_useful: bool
    """Whether it became a row to learn from, and by the truth the target was wrong and the chosen answer right."""
    lost: float | None = None
    """Share of its battles that the target lost; ``None`` where there were none."""
    best: float | None = None
    """Points of the best opponent."""


@dataclass(frozen=True, kw_only=True)
class World:
    """Types at levels of difficulty. The target is weak in some types, in each at one level and nowhere else; in some
    types the highest level is beyond everybody."""

    types: Sequence[str]
    levels: int
    weak: Mapping[str, int]
    """Type to the level at which the target is weak and its opponents are not."""
    opponents: Sequence[str] = ("ada", "ben", "cleo", "dora")
    right: float = 0.9
    """How often an answer is right, where nothing else is said."""
    weak_right: float = 0.2
    """How often the target's is, where it is weak."""
    beyond_right: float = 0.02
    """How often anybody's is, at the highest level of a type whose weakness lies below."""
    errs: float = 0.05
    """How often the judge takes a right answer for a wrong one, or the other way round, in one game."""
    refused: float = 0.05
    """Share of instructions that come to nothing before they are answered."""

    def play(self, kind: str, level: int, rng: Random, improved: frozenset[str] = frozenset()) -> Played:
        """Let everybody answer an instruction of a type at a level.

        Args:
            kind: The type.
            level: Rounds of refinement.
            rng: Of everything by chance.
            improved: Types in which the target is no longer weak.
        """
        if rng.random() < self.refused:
            return Played(0.0, is_useful=False)
        is_beyond = kind in self.weak and self.weak[kind] < level == self.levels - 1
        most = self.beyond_right if is_beyond else self.right
        is_weak = self.weak.get(kind) == level and kind not in improved
        right = {name: rng.random() < most for name in self.opponents}
        right[TARGET] = rng.random() < (self.weak_right if is_weak else most)
        battles = [self._battle(name, right, rng) for name in self.opponents]
        row = row_to_learn(battles, TARGET, KEEP)
        is_useful = row is not None and right[row.chosen] and not right[TARGET]
        met = against_target(battles, TARGET, self.opponents)
        best = max(met[name] for name in self.opponents)
        worth = usefulness(met, TARGET, KEEP.sft)
        return Played(worth, is_useful=is_useful, lost=lost_share(battles, TARGET), best=best)

    def calls(self, level: int) -> int:
        """Calls for one instruction: a suggestion and an edit each round, an answer each, a judge in both orders."""
        return 2 * level + 1 + 3 * len(self.opponents)

    def _battle(self, opponent: str, right: Mapping[str, bool], rng: Random) -> Battle:
        left, other = sorted((TARGET, opponent))
        points = [fmean(self._points(right[name], rng) for _ in range(2)) for name in (left, other)]
        return Battle(prompt="p", left=left, right=other, left_score=points[0], right_score=points[1])

    def _points(self, is_right: bool, rng: Random) -> float:
        looks_right = is_right != (rng.random() < self.errs)
        return min(max(rng.gauss(8.5 if looks_right else 3.5, 0.8), 1.0), 10.0)


def planted(seed: int, *, types: int = 20, weak: int = 5, levels: int = 3) -> World:
    """A world whose weak types, and the level of each, are drawn."""
    rng = Random(f"world:{seed}")
    names = [f"t{number:02d}" for number in range(types)]
    return World(types=names, levels=levels, weak={one: rng.randrange(levels) for one in rng.sample(names, weak)})
