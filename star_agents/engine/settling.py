"""What follows from an outcome: committed in one transaction, learned from, and then told; one after another."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio

from star_agents.bench.bench import Bench
from star_agents.bench.stage import Stage
from star_agents.config.models import Config
from star_agents.config.secrets import revision_of
from star_agents.engine.admission import Admission
from star_agents.engine.memory_rows import lesson, memory_row, remember, remembered
from star_agents.engine.own_parts import own_pool_of
from star_agents.engine.stages import arms_of, declarations_of
from star_agents.events import OutcomeCommitted
from star_agents.process.crash_points import crash_point
from star_agents.records import Outcome, Reward
from star_agents.scheduling.memory import Vector
from star_agents.scheduling.own_pool import OwnPool
from star_agents.scheduling.pools import Pools
from star_agents.storage.ledger import Committed, PoolStates
from star_agents.storage.recollections import NearDraw
from star_agents.storage.store import Store

INDEX_FILE = "memory.hnsw"
INDEX_SAVED_EVERY = 5000
"""Outcomes between two copies of the memory bank's index; a rebuild from the rows takes the place of a lost one."""


class Settling:
    """Holds what learns, and the turn in which it does.

    Args:
        store: Where outcomes are committed.
        own_pool: Learns of the arms that a recipe draws in its own way.
        pools: Learn of every other arm.
        feedback: Whether they learn by what became of the children of those seeds that they were drawn for.
        duplicates: Similarity from which an instruction that is claimed to be new repeats another one; ``None``: none.
    """

    def __init__(
        self, store: Store, own_pool: OwnPool, pools: Pools, *, feedback: bool, duplicates: float | None
    ) -> None:
        self._store = store
        self._feedback, self._duplicates = feedback, duplicates
        self.own_pool = own_pool
        self.pools = pools
        self.turn = anyio.Lock()
        """Held by whoever changes what is learned: a replay in order then gives the same bits."""

    async def settle(
        self, outcome: Outcome, bench: Bench, in_force: Callable[[], tuple[int, str]]
    ) -> OutcomeCommitted | None:
        """Commit an outcome and learn from it, one after another, so that a replay in order gives the same bits.

        Args:
            outcome: As its recipe gave it.
            bench: At which it was worked.
            in_force: Says the revision of the config, and the memory bank's embedder.

        Returns:
            What to tell; ``None`` where nothing was written: the seed was dropped under a config that is no longer in
            force, perhaps only because its base or referee is gone. What it has asked is in the journal.
        """
        embedding = await bench.embedding() if lesson(outcome) is not None else None
        outcome = replace(
            outcome, cost_usd=bench.cost_usd, tried=bench.tried, drawn=bench.drawn, recalled=bench.recalled
        )
        # Everything in an outcome is paid for: a worker that is being cancelled still commits it.
        with anyio.CancelScope(shield=True):
            async with self.turn:
                revision, embedder = in_force()
                if outcome.kind == "dropped" and bench.revision != revision:
                    return None
                near = tuple(bench.near.values())
                refuses = bench.stage.recipe.refuses
                committed = await self.commit(outcome, embedding, near, embedder, bench.revision, refuses)
                probabilities = self.own_pool.probabilities()
        return OutcomeCommitted(
            seq=committed.seq,
            outcome=committed.written or outcome,
            probabilities=probabilities,
            new_children=committed.new_children,
            seconds=bench.seconds,
        )

    async def commit(
        self,
        outcome: Outcome,
        embedding: Vector | None,
        near: Sequence[NearDraw],
        embedder: str,
        revision: int,
        refuses: str = "",
    ) -> Committed:
        """Commit an outcome and learn from it; the caller has the turn. ``refuses``: as its recipe declares it."""
        row = memory_row(outcome, embedding, embedder)
        if not self._feedback:
            told = {(one.pool, one.arm) for one in outcome.earned}
            near = [one for one in near if (one.pool, one.arm) in told]
        crash_point("outcome_before_commit")
        admission = await self._admission(outcome, refuses)
        committed = await self._store.commit_outcome(
            outcome,
            foresee=lambda completed: self._foresee(admission.outcome, completed),
            memory=row,
            revision=revision,
            near=near,
            admit=admission,
        )
        crash_point("outcome_committed")
        self.own_pool.learn(committed.pools.get(self.own_pool.name), remembered(committed.seq, row, embedding))
        self.pools.learn(committed.pools)
        remember(self.pools, committed.recalled, embedder)
        return committed

    async def _admission(self, outcome: Outcome, refuses: str) -> Admission:
        """Its claims signed, in another thread where there are any: each takes a part of a millisecond."""
        make = partial(Admission, outcome, self._duplicates, refuses)
        return await anyio.to_thread.run_sync(make) if outcome.claims else make()

    def _foresee(self, outcome: Outcome, completed: Sequence[Reward]) -> PoolStates:
        """The pools' states after an outcome and the rewards of its children that it completes."""
        states: PoolStates = self.pools.foresee([*outcome.earned, *(completed if self._feedback else ())])
        own = self.own_pool
        return {own.name: own.foresee(outcome.earned), **states} if outcome.recipe == own.recipe else states

    def prepared(self, config: Config, stages: Mapping[str, Stage]) -> Settling:
        """One for a changed config, which knows of arms that stay what this one does; this one stays as it is."""
        arms = arms_of(stages, tuple(config.agents))
        pools = self.pools.prepared(config.evolution, arms, config.random_seed)
        own = own_pool_of(stages)(config, bank=self.own_pool.bank, seeds=pools.draws_expected)
        own.restore(self.own_pool.state())
        return Settling(self._store, own, pools, feedback=config.feedback, duplicates=config.admission.duplicates)

    async def record(self, config: Config, stages: Mapping[str, Stage]) -> int:
        """Record the config, what its recipes declare, and what the pools are under it; return the revision."""
        revision = await self._store.add_revision(*revision_of(config, os.environ))
        await self._store.declare_recipes(declarations_of(stages))
        await self._store.declare_parts(config.parts)
        await self._store.save_pools({**self.own_pool.states(), **self.pools.states()}, revision)
        return revision

    def take_over(self, other: Settling) -> None:
        """Know what another one does."""
        self.own_pool, self._feedback, self._duplicates = other.own_pool, other._feedback, other._duplicates
        self.pools.take_over(other.pools)

    def save_index(self, folder: Path) -> None:
        """Write the memory bank's index beside the store."""
        if self.own_pool.bank is not None:
            self.own_pool.bank.save(folder / INDEX_FILE)
