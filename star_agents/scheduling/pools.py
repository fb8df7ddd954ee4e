"""Named sets of arms with a policy each: what recipes draw from, and what learns from what they earn.

Learning is split in two, as the scheduler's is: ``foresee`` gives the states that rewards would lead to, the caller
commits them with the outcome, and only then ``learn`` makes them ours.
"""

from __future__ import annotations

import copy
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from star_agents.config.sections import EvolutionConfig
from star_agents.errors import RecipeError
from star_agents.records import Reward
from star_agents.scheduling.memory import MemoryBank, Remembered, Vector
from star_agents.scheduling.policies import Policy, make_policy, restore_policy

PoolStates = Mapping[str, Mapping[str, Any]]


class Near(NamedTuple):
    """What arms are looked for near to, as agents.yaml has it for the memory bank."""

    vector: Vector
    neighbours: int
    """How many that are nearest are looked up."""
    draws: int
    """The most arms that are drawn among theirs."""


class Drawn(NamedTuple):
    """Arms of a draw."""

    arms: tuple[str, ...]
    recalled: int = 0
    """How many of them, the first ones, earned near what was asked for."""


def _bank() -> MemoryBank:
    return MemoryBank("")


class Pools:
    """The pools of all recipes of a line.

    Args:
        config: The ``evolution`` section, which is for every pool.
        arms: Pool to its arms.
        draws_expected: How many outcomes a batch will bring, for the rates that go by it; ``None`` in a daemon.
        random_seed: Of every draw.
        fed_back: The pools that earn by what becomes of children.
        make_bank: Makes what a pool recalls by.
    """

    def __init__(
        self,
        config: EvolutionConfig,
        arms: Mapping[str, Sequence[str]],
        *,
        draws_expected: int | None = None,
        random_seed: int = 0,
        fed_back: Collection[str] = (),
        make_bank: Callable[[], MemoryBank] = _bank,
    ) -> None:
        self._config = config
        self._arms = {name: tuple(pool) for name, pool in arms.items()}
        self._draws_expected = draws_expected
        self._random_seed = random_seed
        self._fed_back = frozenset(fed_back)
        self._policies = {name: self._made(name, self._arms) for name, pool in self._arms.items() if pool}
        self._make_bank = make_bank
        self._banks: dict[str, MemoryBank] = {}
        """What earned near what, by pool."""

    def remember(self, pool: str, one: Remembered) -> None:
        """Recall an arm that earned near something."""
        if pool not in self._banks:
            self._banks[pool] = self._make_bank()
        self._banks[pool].add(one)

    @property
    def banks(self) -> tuple[MemoryBank, ...]:
        """Those that pools recall by."""
        return tuple(self._banks.values())

    @property
    def draws_expected(self) -> int | None:
        """How many outcomes a batch will bring; ``None`` in a daemon."""
        return self._draws_expected

    @property
    def arms(self) -> Mapping[str, tuple[str, ...]]:
        """By pool, of those that have arms."""
        return {name: self._arms[name] for name in self._policies}

    def restore(self, states: PoolStates) -> None:
        """Continue from kept states; arms that they do not know are new."""
        for name, policy in self._policies.items():
            if name in states:
                restore_policy(policy, states[name], self._arms[name])

    def prepared(
        self,
        config: EvolutionConfig,
        arms: Mapping[str, Sequence[str]],
        random_seed: int,
        fed_back: Collection[str] = (),
    ) -> Pools:
        """Those of a changed config, which know of arms that stay what these do; these stay as they are."""
        expected = self._draws_expected
        other = Pools(config, arms, draws_expected=expected, random_seed=random_seed, fed_back=fed_back)
        other.restore(self.states())
        other._banks, other._make_bank = self._banks, self._make_bank
        return other

    def take_over(self, other: Pools) -> None:
        """Be as others are."""
        self._config, self._arms, self._policies = other._config, other._arms, other._policies
        self._random_seed, self._fed_back = other._random_seed, other._fed_back

    def states(self) -> dict[str, dict[str, Any]]:
        """Every pool's state, for the store."""
        return {name: policy.state() for name, policy in self._policies.items()}

    def probabilities(self) -> dict[str, dict[str, float]]:
        """How probable each arm of each pool is."""
        return {name: policy.probabilities() for name, policy in self._policies.items()}

    def draw(
        self,
        name: str,
        count: int,
        *,
        key: str,
        without: Collection[str] = (),
        among: Collection[str] | None = None,
        near: Near | None = None,
    ) -> Drawn:
        """Draw distinct arms, or all there are; the same key, state and ``random_seed`` give the same.

        Args:
            name: Of the pool.
            count: How many.
            key: Whom the draw is for.
            without: Arms to pass over, unless there are no others: what they need is down.
            among: Only of these; ``None`` for all.
            near: Draws up to half of them, rounded by chance, among those that earned near this.

        Raises:
            RecipeError: there is no such pool.
        """
        policy = self._policies.get(name)
        if policy is None:
            known = ", ".join(self._policies) or "none"
            raise RecipeError(f"there is no pool {name!r} to draw from (there are: {known}); declare it with its arms")
        arms = [arm for arm in policy.probabilities() if among is None or arm in among]
        left = [arm for arm in arms if arm not in without] or arms
        rng = random.Random(f"draw:{self._random_seed}:{key}:{name}")
        first: list[str] = []
        if near is not None and (bank := self._banks.get(name)) is not None:
            near_by = [arm for arm in dict.fromkeys(bank.nearest_pairs(near.vector, near.neighbours)) if arm in left]
            half = count // 2 + (count % 2 and rng.random() < 0.5)
            first = policy.draw(min(half, near.draws), rng, near_by)
        rest = policy.draw(count - len(first), rng, [arm for arm in left if arm not in first])
        return Drawn((*first, *rest), len(first))

    def foresee(
        self,
        rewards: Sequence[Reward],
        arms: Mapping[str, Sequence[str]] | None = None,
        after: PoolStates | None = None,
    ) -> dict[str, dict[str, Any]]:
        """The states, after these rewards, of the pools that they are for; of pools that are gone there is none.

        Args:
            rewards: What arms earned.
            arms: Every pool's arms from now on, where some of them are others: new ones start at the floor. Pools whose
                arms change have a state, too.
            after: States of pools that are not learned yet, and that these rewards come after.
        """
        by_pool: defaultdict[str, list[tuple[str, float]]] = defaultdict(list)
        for reward in rewards:
            if reward.pool in self._policies:
                by_pool[reward.pool].append((reward.arm, reward.value))
        states: dict[str, dict[str, Any]] = {}
        for name, earned in by_pool.items():
            policy: Policy = copy.copy(self._policies[name])  # policies replace what they know, and never change it
            if after is not None and name in after:
                policy.restore(after[name])
            policy.observe(earned)
            states[name] = policy.state()
        for name in self._changing(arms):
            policy, before = self._made(name, arms or {}), self._policies.get(name)
            if before is not None:  # One that had no arm has nothing to go on from.
                policy.restore(states.get(name) or (after or {}).get(name) or before.state())
            policy.configure(tuple((arms or {}).get(name, ())), at_floor=True)
            states[name] = policy.state()
        return states

    def _changing(self, arms: Mapping[str, Sequence[str]] | None) -> list[str]:
        """The pools whose arms are others from now on."""
        return [name for name, known in self._arms.items() if arms is not None and tuple(arms.get(name, ())) != known]

    def _made(self, name: str, arms: Mapping[str, Sequence[str]]) -> Policy:
        own = tuple(arms.get(name, ()))
        return make_policy(self._config, own, seeds=self._draws_expected, fed_back=name in self._fed_back)

    def learn(self, states: PoolStates, arms: Mapping[str, Sequence[str]] | None = None) -> None:
        """Take over states that were committed, and the arms that they are of."""
        for name in self._changing(arms):
            self._arms[name] = tuple((arms or {}).get(name, ()))
            if self._arms[name]:
                self._policies[name] = self._made(name, arms or {})
            else:  # As a start makes them: a pool without arms is none to draw from.
                self._policies.pop(name, None)
        for name, state in states.items():
            if name in self._policies:
                self._policies[name].restore(state)
