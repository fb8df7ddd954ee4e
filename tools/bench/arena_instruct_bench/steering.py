"""Documents one after another through the pools of the product: drawn, played, and learned from."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import fmean
from typing import NamedTuple

from arena_instruct_bench.planted import World
from star_agents.config.sections import EvolutionConfig
from star_agents.recipes.agent_instruct_settings import level_arm
from star_agents.records import Reward
from star_agents.scheduling.pools import Pools

PROBES = 200
"""Draws that tell how often each type would be drawn, where it is asked."""


class Draw(NamedTuple):
    """A type and a level that were drawn for a document, and what came of their instructions."""

    type: str
    level: int
    instructions: int
    useful: int
    calls: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a run is made; sizes are those of the file that ``init --recipe arena_instruct`` writes."""

    evolution: EvolutionConfig = field(default_factory=EvolutionConfig)
    feedback: bool = True
    fed_back: bool = True
    """The rate of pools that learn by children; without it that of pools whose recipe says itself what they earn."""
    draws: int = 4
    """Types of each document."""
    each: int = 2
    """Instructions of each type."""
    in_flight: int = 8
    """Documents that are drawn for before the first of them is heard of."""
    expected: int | None = None
    """Documents that a run knows will come; ``None`` in a daemon."""
    seed: int = 0

    @property
    def per_document(self) -> int:
        """Instructions."""
        return self.draws * self.each


class Steered:
    """A run under way."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.world, self.plan = world, plan
        arms = {kind: [level_arm(kind, level) for level in range(world.levels)] for kind in world.types}
        self._levels = arms
        pools = {"types": list(world.types), "levels": [arm for those in arms.values() for arm in those]}
        fed_back = pools if plan.fed_back else ()
        self.pools = Pools(
            plan.evolution, pools, draws_expected=plan.expected, random_seed=plan.seed, fed_back=fed_back
        )
        self.drawn: list[Draw] = []
        self.least = 1.0
        """The least probability that any type ever had."""
        self._number = 0
        self._unheard: deque[list[Reward]] = deque()

    def go_on(self, instructions: int, improved: frozenset[str] = frozenset()) -> Sequence[Draw]:
        """Work so many instructions more; return their draws."""
        before = len(self.drawn)
        for _ in range(round(instructions / self.plan.per_document)):
            self._document(improved)
        return self.drawn[before:]

    def share_of(self, kind: str) -> float:
        """How often a type would be among the draws now."""
        keys = (f"probe:{self._number}:{number}" for number in range(PROBES))
        return fmean(kind in self.pools.draw("types", self.plan.draws, key=key).arms for key in keys) / self.plan.draws

    def _document(self, improved: frozenset[str]) -> None:
        self._number += 1
        rng, key = Random(f"play:{self.plan.seed}:{self._number}"), f"document:{self._number}"
        for kind in self.pools.draw("types", self.plan.draws, key=key).arms:
            (arm,) = self.pools.draw("levels", 1, key=f"{key}:{kind}", among=self._levels[kind]).arms
            level = self._levels[kind].index(arm)
            played = [self.world.play(kind, level, rng, improved) for _ in range(self.plan.each)]
            worth = fmean(one.worth for one in played)
            of_type = Reward(pool="types", arm=kind, value=worth)
            self._unheard.append([of_type, Reward(pool="levels", arm=arm, value=worth)])
            calls = 1 + self.plan.each * self.world.calls(level)  # 1: writing the list of them
            useful = sum(one.is_useful for one in played)
            self.drawn.append(Draw(kind, level, self.plan.each, useful, calls))
        while len(self._unheard) > self.plan.in_flight * self.plan.draws:
            self._learn(self._unheard.popleft())

    def _learn(self, rewards: Sequence[Reward]) -> None:
        if self.plan.feedback:
            self.pools.learn(self.pools.foresee(rewards))
            self.least = min(self.least, *self.pools.probabilities()["types"].values())
