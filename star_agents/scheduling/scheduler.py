"""Policy and memory bank behind one door: draw for a seed, learn from rewards.

Learning is split in two so that memory never runs ahead of the store: ``foresee`` gives the state that rewards would
lead to, the caller commits it with the outcome, and only then ``learn`` makes it ours.

A pair that joins pairs which were drawn from before is owed ``FIRST_TRIES`` draws. What is still owed is kept with the
policy's state, and only while something is: a kill may give a new pair a few draws more, never fewer.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from star_agents.config.models import Config
from star_agents.records import PAIRS, STAR, Draw, Reward, Seed
from star_agents.scheduling.draw import FIRST_TRIES, draw_pairs
from star_agents.scheduling.memory import MemoryBank, Remembered, Vector
from star_agents.scheduling.policies import Policy, make_policy, restore_policy

_OWED = "first_tries"
"""Where the kept state holds what is owed."""


class Scheduler:
    """Which pairs a seed asks, as of the outcomes learned so far.

    Args:
        config: Pool, base pairs, M, n, l, evolution.
        bank: The memory bank, or ``None`` where it is off.
        seeds: Length of the run, for ``rate: auto``; ``None`` in a daemon.
    """

    recipe = STAR
    name = PAIRS

    def __init__(self, config: Config, *, bank: MemoryBank | None, seeds: int | None = None) -> None:
        self._config = config
        self._seeds = seeds
        self.bank = bank
        self._policy = self._make_policy()
        self._owed: dict[str, int] = {}

    def _make_policy(self) -> Policy:
        names = [pair.name for pair in self._config.pool]
        return make_policy(self._config.evolution, names, seeds=self._seeds)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the state that the store kept; pairs that it does not know are new."""
        names = [pair.name for pair in self._config.pool]
        restore_policy(self._policy, state, names)
        known, owed = state.get("weights", {}), state.get(_OWED, {})
        if known:
            tries = {name: owed.get(name, 0) if name in known else FIRST_TRIES for name in names}
            self._owed = {name: left for name, left in tries.items() if left > 0}

    def prepared(self, config: Config) -> Scheduler:
        """One for a changed pool or evolution, which knows of pairs that stay what this one does; that one stays as it
        is until it takes over."""
        other = Scheduler(config, bank=self.bank, seeds=self._seeds)
        other.restore(self.state())
        return other

    def take_over(self, other: Scheduler) -> None:
        """Be as another one is."""
        self._config, self._policy, self._owed = other._config, other._policy, other._owed

    def reconfigure(self, config: Config) -> None:
        """Take over a changed pool or evolution; what is known of pairs that stay is kept."""
        self.take_over(self.prepared(config))

    def probabilities(self) -> dict[str, float]:
        """Probability of each pair of the pool."""
        return self._policy.probabilities()

    def state(self) -> dict[str, Any]:
        """The policy's state and what new pairs are owed, for the store."""
        return self._with_owed(self._policy.state())

    def states(self) -> dict[str, dict[str, Any]]:
        """The same by the name of its pool; of none where no pairs are drawn."""
        return {PAIRS: self.state()} if self._config.draws_pairs else {}

    def _with_owed(self, state: dict[str, Any]) -> dict[str, Any]:
        return {**state, _OWED: dict(self._owed)} if self._owed else state

    def draw(self, seed: Seed, embedding: Vector | None, down: Collection[str] = ()) -> Draw:
        """Draw the pairs for one seed; the same seed, state and ``random_seed`` give the same draw.

        What it draws of new pairs counts as had: it is called once per seed, and what it says is recorded.

        Args:
            seed: Who it is for.
            embedding: Of its instruction, for the memory bank.
            down: Agents that take no calls at the moment, and are passed over as long as there are others.
        """
        remembered: Sequence[str] = ()
        if self.bank is not None and embedding is not None:
            remembered = self.bank.nearest_pairs(embedding, self._config.memory.neighbours)
        draw = draw_pairs(
            self._policy,
            remembered,
            base=self._config.base,
            candidates=self._config.star.candidates,
            from_memory=self._config.memory.draws,
            rng=random.Random(f"draw:{self._config.random_seed}:{seed.id}"),
            down=down,
            owed=self._owed,
        )
        self._count_tries(draw)
        return draw

    def _count_tries(self, draw: Draw) -> None:
        for pair in draw.sampled:
            if pair.name in self._owed:
                self._owed[pair.name] -= 1
                if not self._owed[pair.name]:
                    del self._owed[pair.name]

    def foresee(self, rewards: Sequence[Reward], after: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The policy's state after these rewards, those of other pools aside, without taking it over. ``after``: one
        that is not learned yet, and that they come after."""
        policy = copy.copy(self._policy)  # policies replace what they know and never change it in place
        if after is not None:
            policy.restore(after)
        policy.observe([(one.arm, one.value) for one in rewards if one.pool == PAIRS])
        return self._with_owed(policy.state())

    def learn(self, state: Mapping[str, Any] | None, remembered: Remembered | None) -> None:
        """Take over the state that was committed, where one was, and the instruction that entered the bank."""
        if state is not None:
            self._policy.restore(state)
        if self.bank is not None and remembered is not None:
            self.bank.add(remembered)
