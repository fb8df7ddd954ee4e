"""A weak spot that no given type asks for: whether types that are added find it, by the product's pools and rules.

Every instruction is about one of many topics. A given type asks for its own topic mostly, and now and then for any: so
the weak one turns up in what the target lost, but no arm stands for it. The grower names the topic that it sees most
often in what was lost and that no type asks for; sometimes it sees amiss and names any other.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from statistics import fmean
from typing import NamedTuple

from arena_instruct_bench.measuring import LAST
from arena_instruct_bench.planted import Played, World
from star_agents.config.sections import EvolutionConfig
from star_agents.recipes.agent_instruct_settings import AgentInstructSettings
from star_agents.recipes.parts.growth import MOST_PROPOSED, SHOWN, planned
from star_agents.records import NewArm, Outcome, RetiredArm, Reward, Standing
from star_agents.scheduling.grown import Grown
from star_agents.scheduling.pools import Pools

GIVEN, TOPICS = 20, 40
"""Types that a skill comes with, each for a topic of its own; and topics in all, one of which the target is weak in."""
SPILL = 0.15
"""Share of a type's instructions that are about any topic."""
SEES = 0.7
"""Share of proposals that name what was lost most; the others name any topic."""
POOL, SKILL = "bench.types", "s"


class Found(NamedTuple):
    """Of one run."""

    weak: float
    """Share of its last instructions that are about the weak topic."""
    useful_per_call: float
    came_after: int | None
    """Instructions until a type for the weak topic was added; ``None``: none was."""
    added: int
    retired: int
    floor: float
    """Least probability that a type ever had, in floors of the default policy for as many as there were."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a run is made: sizes are those of the file that ``init --recipe arena_instruct`` writes, and the defaults."""

    grow: int = 6
    draws: int = 4
    each: int = 2
    in_flight: int = 8
    expected: int = 250
    """Documents."""
    seed: int = 0

    @property
    def per_document(self) -> int:
        """Instructions."""
        return self.draws * self.each


class Growing:
    """A run under way."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self._rng = plan, Random(f"grow:{plan.seed}")
        self.weak = f"{SKILL}/topic{self._rng.randrange(GIVEN, TOPICS):02d}"
        self.world = World(types=[f"{SKILL}/topic{n:02d}" for n in range(TOPICS)], levels=1, weak={self.weak: 0})
        self.given = list(self.world.types[:GIVEN])
        arms = {POOL: self.given}
        self.pools = Pools(EvolutionConfig(), arms, draws_expected=plan.expected, random_seed=plan.seed, fed_back=arms)
        self.grown, self.standings = Grown(), dict[str, Standing]()
        self.topics: list[tuple[str, Played]] = []
        """Of each instruction, what it was about and what came of it."""
        self.calls, self.floor = 0.0, 1.0
        self.came_after: int | None = None
        self._lost: deque[str] = deque(maxlen=SHOWN)
        self._unheard: deque[tuple[str, list[tuple[str, Played]]]] = deque()
        self._turn = 0

    def run(self, documents: int) -> Found:
        """Work so many documents."""
        for number in range(documents):
            self._document(number)
        about = [topic for topic, _ in self.topics]
        late = about[-LAST:]
        arms = self.grown.of_recipe("bench")
        useful = sum(one.is_useful for _, one in self.topics) / self.calls
        retired = sum(one.is_retired for one in arms)
        return Found(late.count(self.weak) / len(late), useful, self.came_after, len(arms), retired, self.floor)

    def _document(self, number: int) -> None:
        added = {one.arm: one for one in self.grown.of_recipe("bench")}
        defaults = AgentInstructSettings.model_fields
        after, tries = defaults["grow_after"].default, defaults["grow_tries"].default
        drawn_from = [name for name, one in added.items() if not one.is_retired]
        plan = planned(
            self.standings,
            {SKILL: self.given},
            {SKILL: drawn_from},
            most=self.plan.grow,
            after=after,
            tries=tries,
        )
        first = plan.on_trial[:1]
        rest = [one for one in (*self.given, *drawn_from) if one not in first]
        key = f"document:{number}"
        drawn = (*first, *self.pools.draw(POOL, self.plan.draws - len(first), key=key, among=rest).arms)
        for arm in drawn:
            standing = self.standings.get(arm, Standing(0, 0, 0.0))
            self.standings[arm] = standing._replace(draws=standing.draws + 1)
            played = [self._instruction(arm) for _ in range(self.plan.each)]
            self.topics += played
            self.calls += 1 + self.plan.each * self.world.calls(0)
            self._unheard.append((arm, played))
        proposed: list[str] = []
        if plan.due.get(SKILL, 0) > self._turn:
            self._turn = plan.due[SKILL]
            self.calls += 1
            proposed = self._proposed(plan.room)
        self._settle(number, plan.retired, proposed)
        while len(self._unheard) > self.plan.in_flight * self.plan.draws:
            self._learn(*self._unheard.popleft())

    def _instruction(self, arm: str) -> tuple[str, Played]:
        topic = self._rng.choice(self.world.types) if self._rng.random() < SPILL else arm
        return topic, self.world.play(topic, 0, self._rng)

    def _proposed(self, room: int) -> list[str]:
        known = {*self.given, *(one.arm for one in self.grown.of_recipe("bench"))}
        open_ = [one for one in self.world.types if one not in known]
        seen = [one for one, _ in Counter(self._lost).most_common() if one in open_]
        named: list[str] = []
        for _ in range(min(MOST_PROPOSED, room, len(open_))):
            left = [one for one in seen if one not in named]
            others = [one for one in open_ if one not in named]
            named.append(left[0] if left and self._rng.random() < SEES else self._rng.choice(others))
        return named

    def _settle(self, number: int, retired: Mapping[str, str], proposed: Sequence[str]) -> None:
        gone = [RetiredArm(pool=POOL, arm=arm, reason=why) for arm, why in retired.items()]
        new = [NewArm(pool=POOL, arm=one, at_most=self.plan.grow) for one in proposed]
        if not gone and not new:
            return
        outcome = Outcome(seed_id=str(number), kind="kept", added=tuple(new), retired=tuple(gone))
        changed = self.grown.changes(outcome, self.pools.arms).changed
        self.grown = self.grown.with_(replace(one, seq=number + 1) for one in changed)
        drawn = [one.arm for one in self.grown.of_recipe("bench") if not one.is_retired]
        arms = {POOL: [*self.given, *drawn]}
        self.pools.learn(self.pools.foresee([], arms), arms)
        if self.came_after is None and self.weak in drawn:
            self.came_after = len(self.topics)

    def _learn(self, arm: str, played: Sequence[tuple[str, Played]]) -> None:
        worth = fmean(one.worth for _, one in played)
        standing = self.standings[arm]
        self.standings[arm] = standing._replace(rewards=standing.rewards + 1, earned=standing.earned + worth)
        self._lost += [topic for topic, one in played if one.worth > 0]
        self.pools.learn(self.pools.foresee([Reward(pool=POOL, arm=arm, value=worth)]))
        weights = self.pools.probabilities()[POOL].values()
        self.floor = min(self.floor, min(weights) * len(weights) / 0.15)


def run(plan: Plan) -> Found:
    """One run, of as many documents as are expected."""
    return Growing(plan).run(plan.expected)
