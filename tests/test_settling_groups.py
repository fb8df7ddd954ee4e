"""Outcomes that are committed together leave the store, and what learns, as they would have one after another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from storage_samples import make_dropped, make_outcome, make_seed

from star_agents.config.sections import EvolutionConfig
from star_agents.engine.settling_groups import MOST, Groups, Settled
from star_agents.errors import StoreError
from star_agents.records import Outcome, Reward
from star_agents.scheduling.pools import Pools, PoolStates
from star_agents.storage.ledger import Committed
from star_agents.storage.outcome_groups import ToCommit
from star_agents.storage.store import Store

POOL, ARMS = "mine.style", ("a", "b", "c")


def learning(pools: Pools, outcome: Outcome, arm: str, value: float) -> ToCommit:
    """An outcome by which an arm earns."""

    def foresee(completed: Sequence[Reward], after: PoolStates) -> PoolStates:
        return pools.foresee([Reward(pool=POOL, arm=arm, value=value), *completed], after=after)

    return ToCommit(outcome, foresee, memory=None, revision=1)


async def state_after(folder: Path, groups: Sequence[Sequence[int]], *, unknown: int = -1) -> dict[str, Any]:
    """What the store and the pools hold after outcomes that came in these groups; one of a seed that is not there."""
    pools = Pools(EvolutionConfig(), {POOL: ARMS})
    async with await Store.open(folder, now=lambda: 5.0) as store:
        await store.add_revision("of a test", "{}")
        await store.add_seeds([make_seed(number) for group in groups for number in group if number != unknown])
        await store.lease(99)
        for group in groups:
            to_commit = [learning(pools, make_dropped(make_seed(n)), ARMS[n % 3], 0.1 * (n % 7)) for n in group]
            for number, found in zip(group, await store.commit_outcomes(to_commit), strict=True):
                assert isinstance(found, StoreError if number == unknown else Committed)
                if isinstance(found, Committed):
                    pools.learn(found.pools)
        kept = await store.load_pools()
        outcomes = [(row.seq, row.outcome) for row in await store.outcomes()]
        counts = await store.counts()
    assert kept[POOL].state == pools.states()[POOL], "what learns is what was kept, to the last bit"
    return {"pools": kept, "outcomes": outcomes, "counts": counts}


async def test_a_group_leaves_the_same_bits_as_its_outcomes_one_after_another(tmp_path: Path) -> None:
    together = await state_after(tmp_path / "together", [range(9), range(9, 12)])
    alone = await state_after(tmp_path / "alone", [[number] for number in range(12)])
    assert together == alone


async def test_an_outcome_that_cannot_be_written_leaves_no_trace_in_those_behind_it(tmp_path: Path) -> None:
    with_fault = await state_after(tmp_path / "fault", [range(6)], unknown=2)
    without = await state_after(tmp_path / "without", [[0, 1, 3, 4, 5]])
    assert with_fault == without


async def test_a_group_is_one_commit(tmp_path: Path) -> None:
    pools = Pools(EvolutionConfig(), {POOL: ARMS})
    async with await Store.open(tmp_path) as store:
        await store.add_revision("of a test", "{}")
        await store.add_seeds([make_seed(number) for number in range(20)])
        await store.lease(20)
        before = store.stats().commits
        await store.commit_outcomes([learning(pools, make_outcome(make_seed(n)), "a", 0.5) for n in range(20)])
        assert store.stats().commits == before + 1


class _Commits:
    """Commits that take as long as they are told, and note who went with whom."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.may_end = anyio.Event()
        self.fails = ""

    async def __call__(self, group: Sequence[Settled]) -> None:
        self.groups.append([one.outcome.seed_id for one in group])
        await self.may_end.wait()
        if self.fails in self.groups[-1]:
            raise StoreError("the disk is full")


def settled(name: str) -> Settled:
    """Of which only the name counts here."""
    outcome = Outcome(seed_id=name, kind="dropped")
    nothing: Any = None
    return Settled(outcome=outcome, bench=nothing, checked=nothing, rules=nothing, embedding=None, in_force=nothing)


async def test_what_comes_while_others_are_committed_goes_together_in_order() -> None:
    commits = _Commits()
    groups = Groups(commits, lambda one: False)
    names = [f"{number:03}" for number in range(MOST + 10)]
    async with anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(groups.settle, settled(name))
        await anyio.wait_all_tasks_blocked()
        commits.may_end.set()
    assert commits.groups == [names[:1], names[1 : MOST + 1], names[MOST + 1 :]]


async def test_who_goes_alone_keeps_its_place() -> None:
    commits = _Commits()
    groups = Groups(commits, lambda one: one.outcome.seed_id.isupper())
    async with anyio.create_task_group() as tasks:
        for name in "abCDef":
            tasks.start_soon(groups.settle, settled(name))
        await anyio.wait_all_tasks_blocked()
        commits.may_end.set()
    assert commits.groups == [["a"], ["b"], ["C"], ["D"], ["e", "f"]]


async def test_everybody_in_a_group_hears_that_its_commit_failed_and_the_next_one_goes_on() -> None:
    commits, heard = _Commits(), dict[str, str]()
    groups = Groups(commits, lambda one: one.outcome.seed_id == "later")
    commits.fails = "b"

    async def settle(name: str) -> None:
        try:
            await groups.settle(settled(name))
        except StoreError as error:
            heard[name] = str(error)

    async with anyio.create_task_group() as tasks:
        for name in ("a", "b", "c", "later"):
            tasks.start_soon(settle, name)
        await anyio.wait_all_tasks_blocked()
        commits.may_end.set()
    assert commits.groups == [["a"], ["b", "c"], ["later"]]
    assert heard == dict.fromkeys("bc", "the disk is full")


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_pools_foresee_on_top_of_states_that_are_not_learned_yet(value: float) -> None:
    pools, other = (Pools(EvolutionConfig(), {POOL: ARMS}) for _ in range(2))
    first, second = [Reward(pool=POOL, arm="b", value=value)], [Reward(pool=POOL, arm="c", value=0.75)]
    after = pools.foresee(first)
    foreseen = pools.foresee(second, after=after)
    other.learn(other.foresee(first))
    assert foreseen == other.foresee(second)
    assert pools.states() != after, "nothing is learned by looking ahead"
