"""What follows from an outcome: committed in one transaction, learned from, and then told; one after another."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import anyio

from star_agents.bench.bench import Bench
from star_agents.bench.stage import Stage
from star_agents.config.models import Config
from star_agents.config.secrets import revision_of
from star_agents.engine.admission import Admission
from star_agents.engine.holds import Waiting
from star_agents.engine.memory_rows import lesson, memory_row, remember, remembered
from star_agents.engine.own_parts import own_pool_of
from star_agents.engine.queue import SeedQueue
from star_agents.engine.row_checks import AdmissionRules, check_rows, with_vectors
from star_agents.engine.row_index import RowIndex
from star_agents.engine.settling_groups import Groups, Settled, heard_by, split_at_singles
from star_agents.engine.stages import arms_of, declarations_of, fed_back_pools, stages_of
from star_agents.engine.target_rows import RowCounts, with_all_spare_rows
from star_agents.errors import RecipeError
from star_agents.events import Event, IndexNotWritten, IndexRenewed, OutcomeCommitted
from star_agents.process.crash_points import crash_point
from star_agents.records import Outcome, Reward
from star_agents.records.failures import LONGEST_REASON, CountedFailure, Tried, all_tried, one_line
from star_agents.scheduling.grown import Changes, Grown
from star_agents.scheduling.memory import MemoryBank
from star_agents.scheduling.own_pool import OwnPool
from star_agents.scheduling.pools import Pools
from star_agents.storage.ledger import Committed, PoolStates
from star_agents.storage.outcome_groups import ToCommit
from star_agents.storage.recollections import NearDraw
from star_agents.storage.store import Store

INDEX_FILE = "memory.hnsw"
INDEX_SAVED_EVERY = 5000
"""Outcomes between two copies of the memory bank's index; a rebuild from the rows takes the place of a lost one."""


class Growth(NamedTuple):
    """What follows from an outcome for the arms that recipes added."""

    stages: dict[str, Stage]
    """Whose settings hold them."""
    changes: Changes = Changes()
    arms: Mapping[str, Sequence[str]] | None = None
    """Of every pool, where some of them are others."""


class _Ready(NamedTuple):
    """An outcome whose turn it is."""

    settled: Settled
    commit: ToCommit
    admission: Admission
    growth: Growth
    embedder: str


class Settling:
    """Holds what learns, and the turn in which it does.

    Args:
        store: Where outcomes are committed.
        config: In force.
        own_pool: Learns of the arms that a recipe draws in its own way.
        pools: Learn of every other arm; where `feedback` is on, also by what became of the children of those seeds that
            they were drawn for.
        grown: Arms that recipes added to their pools.
        rules: What may enter the dataset.
    """

    def __init__(
        self, store: Store, config: Config, own_pool: OwnPool, pools: Pools, grown: Grown, rules: AdmissionRules
    ) -> None:
        self._store = store
        self._config = config
        self.rules = rules
        self.own_pool = own_pool
        self.pools = pools
        self.grown = grown
        self.stages = stages_of(config, grown)
        """The recipes of the chain, whose settings hold what was added."""
        self.turn = anyio.Lock()
        """Held by whoever changes what is learned: a replay in order then gives the same bits."""
        self._groups = Groups(self._settle, self._goes_alone)

    async def settle(
        self, outcome: Outcome, bench: Bench, in_force: Callable[[], tuple[int, str]]
    ) -> OutcomeCommitted | None:
        """Commit an outcome and learn from it in the order in which they come, so that a replay in order gives the same
        bits; those that come while others are being committed go together (``settling_groups``).

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
            rules = self.rules
            checked = with_vectors(await check_rows(outcome, bench.seed, rules), bench.vectors.made)
            settled = Settled(
                outcome=outcome, bench=bench, checked=checked, rules=rules, embedding=embedding, in_force=in_force
            )
            await self._groups.settle(settled)
        return settled.committed

    def _goes_alone(self, one: Settled) -> bool:
        """Rows that are counted, vectors that are looked up, and arms that change: the next one has to know of them."""
        rules, outcome = self.rules, one.outcome
        has_index = rules.index is not None or one.rules.index is not None
        return rules.target is not None or has_index or bool(outcome.added or outcome.retired)

    async def _settle(self, group: Sequence[Settled]) -> None:
        """Commit outcomes and learn from them in their order. An edit of agents.yaml that had the turn before them may
        have made some go alone that were to go together."""
        async with self.turn:
            for part in split_at_singles(group, self._goes_alone):
                with heard_by(part):
                    await self._settle_part(part)

    async def _settle_part(self, part: Sequence[Settled]) -> None:
        """Commit outcomes in one transaction and learn from them; the caller has the turn."""
        prepared: list[_Ready] = []
        for one in part:
            with heard_by([one]):
                prepared += [ready] if (ready := self._prepared(one)) is not None else []
        if not prepared:
            return
        committed = await self._store.commit_outcomes([ready.commit for ready in prepared])
        for ready, found in zip(prepared, committed, strict=True):
            crash_point("outcome_committed")
            if isinstance(found, Exception):
                ready.settled.error = found
                continue
            with heard_by([ready.settled]):  # It is in the store, and so are those behind it, of which is learned.
                await self._learn(ready, found)

    def _prepared(self, one: Settled) -> _Ready | None:
        """What is to be committed; ``None`` of an outcome that was dropped under a config that is gone."""
        rules, target = one.rules, self.rules.target
        if rules.target is not target:  # An edit while it was looked at may have changed it.
            rules = replace(rules, target=target)
        revision, embedder = one.in_force()
        if one.outcome.kind == "dropped" and one.bench.revision != revision:
            return None
        admission = Admission(one.outcome, one.checked, rules, one.bench.stage.recipe.refuses, one.bench.seed)
        outcome = admission.outcome
        near: Sequence[NearDraw] = tuple(one.bench.near.values())
        if not self._config.feedback:
            told = {(earned.pool, earned.arm) for earned in outcome.earned}
            near = [draw for draw in near if (draw.pool, draw.arm) in told]
        row = memory_row(outcome, one.embedding, embedder)
        outcome, growth = self._growth(outcome)
        admission.outcome = outcome
        crash_point("outcome_before_commit")
        commit = ToCommit(
            outcome,
            lambda completed, after: self._foresee(admission.outcome, growth.arms, completed, after),
            memory=row,
            revision=one.bench.revision,
            near=near,
            admit=admission,
            grown=growth.changes.changed,
        )
        return _Ready(one, commit, admission, growth, embedder)

    async def _learn(self, ready: _Ready, committed: Committed) -> None:
        """Learn from an outcome that is committed, and say what to tell; the caller has the turn."""
        admission, growth, given = ready.admission, ready.growth, ready.commit.outcome
        admission.committed()
        row = ready.commit.memory if admission.outcome.kind == given.kind else None  # As the ledger has it.
        memory = remembered(committed.seq, row, ready.settled.embedding)
        self.own_pool.learn(committed.pools.get(self.own_pool.name), memory)
        if committed.grown:
            self.pools.learn(committed.pools, growth.arms)
            self.grown = self.grown.with_(committed.grown)
            self.stages = growth.stages
        else:
            self.pools.learn(committed.pools)
        remember(self.pools, committed.recalled, ready.embedder)
        if (target := self.rules.target) is not None:
            target.take(admission.added)
            if admission.is_first:
                target.ended(admission.outcome, admission.added)
            if admission.added.rows < 0:  # It took the place of one that gave more.
                await self.take_spare_rows()
        has_growth = bool(growth.changes.changed or growth.changes.refused)
        ready.settled.committed = OutcomeCommitted(
            seq=committed.seq,
            outcome=committed.written or (given if has_growth else ready.settled.outcome),
            probabilities=self.own_pool.probabilities(),
            new_children=committed.new_children,
            seconds=ready.settled.bench.seconds,
        )

    def _growth(self, outcome: Outcome) -> tuple[Outcome, Growth]:
        """What an outcome makes of the arms that recipes added, and the outcome without those that are refused."""
        if not (outcome.added or outcome.retired):
            return outcome, Growth(self.stages)
        changes = self.grown.changes(outcome, self.pools.arms)
        try:
            stages = stages_of(self._config, self.grown.with_(changes.changed))
            arms = arms_of(stages, tuple(self._config.agents))
        except RecipeError as error:  # Of the code of somebody's own recipe: its arms are not taken.
            changes, stages, arms = (
                Changes(refused=tuple((one, str(error)) for one in outcome.added)),
                self.stages,
                None,
            )
        tried = [_proposed(one.pool, "") for one in changes.added]
        tried += [_proposed(one.pool, why) for one, why in changes.refused]
        outcome = replace(outcome, added=changes.added, tried=all_tried((*outcome.tried, *tried)))
        return outcome, Growth(stages, changes, arms if changes.changed else None)

    def _foresee(
        self,
        outcome: Outcome,
        arms: Mapping[str, Sequence[str]] | None,
        completed: Sequence[Reward],
        after: PoolStates,
    ) -> PoolStates:
        """The pools' states after an outcome and the rewards of its children that it completes, and those that it comes
        ``after`` in one transaction."""
        rewards = [*outcome.earned, *(completed if self._config.feedback else ())]
        states: PoolStates = self.pools.foresee(rewards, arms, after)
        own = self.own_pool
        if outcome.recipe != own.recipe:
            return states
        return {own.name: own.foresee(outcome.earned, after.get(own.name)), **states}

    def suffices(self, in_hand: int) -> bool:
        """Whether so many seeds in hand are expected to give the rows that are wanted still."""
        return self.rules.target is not None and self.rules.target.suffices(in_hand)

    @property
    def waiting_for(self) -> Waiting | None:
        """Why no seed is taken: the rows that are wanted are there, or cannot come."""
        target = self.rules.target
        if target is None or not target.suffices(0):
            return None
        there = f"the {target.wanted.rows:,} rows of `target_rows` are there; raise it in agents.yaml, or take it out, "
        return Waiting(reason=f"{there}to go on" if not target.room else target.unknown_label)

    async def fill_target(self, queue: SeedQueue) -> None:
        """Let the queue give no more seeds than the rows need that are wanted, and spare rows enter first."""
        queue.suffices = self.suffices
        await self.take_spare_rows()

    async def take_spare_rows(self) -> None:
        """Let spare rows enter, as far as rows are wanted: where no number is, all of them."""
        target, after = self.rules.target, 0
        spare = await self._store.spare_rows.by_shape()
        others = [shape for shape in spare if target is None or shape != target.wanted.shape]
        if not (others or (spare and target is not None and target.room)):
            return
        enter, take = (with_all_spare_rows, _forget) if target is None else (target.entered, target.take)
        while (page := await self._store.spare_rows.take(enter, take, after=after)) is not None:
            after = page

    def prepared(self, config: Config, rules: AdmissionRules) -> Settling:
        """One for a changed config, which knows of arms that stay what this one does; this one stays as it is."""
        stages = stages_of(config, self.grown)
        arms = arms_of(stages, tuple(config.agents))
        fed_back = fed_back_pools(stages, config)
        pools = self.pools.prepared(config.evolution, arms, config.random_seed, fed_back)
        own = own_pool_of(stages)(config, bank=self.own_pool.bank, seeds=pools.draws_expected)
        own.restore(self.own_pool.state())
        return Settling(self._store, config, own, pools, self.grown, rules)

    async def record(self) -> int:
        """Record the config, what its recipes declare, and what the pools are under it; return the revision."""
        config = self._config
        revision = await self._store.add_revision(*revision_of(config, os.environ))
        await self._store.declare_recipes(declarations_of(self.stages))
        await self._store.declare_parts(config.parts)
        await self._store.save_pools({**self.own_pool.states(), **self.pools.states()}, revision)
        await self.take_spare_rows()
        return revision

    def take_over(self, other: Settling) -> None:
        """Know what another one does."""
        self.own_pool, self._config, self.rules = other.own_pool, other._config, other.rules
        self.stages, self.grown = other.stages, other.grown
        self.pools.take_over(other.pools)

    def save_index(self) -> list[Event]:
        """Write the memory bank's index beside the store, and that of rows; what is to be told of them."""
        if self.rules.index is not None:
            self.rules.index.save()
        if self.own_pool.bank is not None:
            self.own_pool.bank.save(self._store.folder / INDEX_FILE)
        return self._index_events()

    def save_index_soon(self) -> list[Event]:
        """The same beside the work, but for what is small; of that beside the work it is told the next time."""
        if self.rules.index is not None:
            self.rules.index.save_soon()
        if self.own_pool.bank is not None:
            self.own_pool.bank.save_soon(self._store.folder / INDEX_FILE)
        return self._index_events()

    def _index_events(self) -> list[Event]:
        """Files that could not be written, and graphs that were made anew since this was last asked."""
        named: list[tuple[str, RowIndex | MemoryBank]] = []
        if (index := self.rules.index) is not None:
            named.append(("the index of instructions", index))
        if (bank := self.own_pool.bank) is not None:
            named.append(("the memory bank's index", bank))
        end = "nothing is lost by that, but the next start makes it anew from the store"
        found: list[Event] = [
            IndexNotWritten(message=f"could not write {name}: {one.not_written}; {end}")
            for name, one in named
            if one.not_written
        ]
        named += [("the index of what a pool recalls by", one) for one in self.pools.banks]
        return [*found, *(IndexRenewed(message=f"{name}: {told}") for name, one in named for told in one.renewals())]

    @property
    def banks(self) -> tuple[MemoryBank, ...]:
        """What is recalled by."""
        own = self.own_pool.bank
        return (*(() if own is None else (own,)), *self.pools.banks)

    def close_indexes(self) -> None:
        """End their threads."""
        if self.rules.index is not None:
            self.rules.index.close()
        for bank in self.banks:
            bank.close()


def _forget(added: RowCounts) -> None:
    """Nobody counts them."""


def _proposed(pool: str, why_not: str) -> Tried:
    """A new arm among what was tried."""
    failures = (CountedFailure(reason=one_line(why_not, LONGEST_REASON)),) if why_not else ()
    return Tried(part="pool", name=pool, tries=1, failures=failures)
