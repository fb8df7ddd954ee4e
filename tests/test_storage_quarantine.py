"""A seed that kills the process three times is quarantined, and none of its neighbours is."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from storage_commands import star
from storage_samples import commit, make_dropped, make_outcome, make_seed, seen

from star_agents.errors import ScorerError, StoreError, UsageError
from star_agents.observe.stories import QuarantinedSeed
from star_agents.records import Seed
from star_agents.storage.quarantine import Turn, whose_turn
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import Store

CONCURRENCY = 8
FAULT = RuntimeError("the process died")


async def die(store: Store, error: BaseException = FAULT) -> None:
    """End as a process does that a fault ends: what is in hand stays in hand."""
    await store.__aexit__(type(error), error, None)


async def work_until_dead_or_done(folder: Path, killers: set[str], chance: random.Random) -> bool:
    """One life of a line: up to ``CONCURRENCY`` seeds in hand; a killer in hand ends it sooner or later."""
    store, hand = await Store.open(folder), list[Seed]()
    while True:
        while len(hand) < CONCURRENCY and (leased := await store.lease(1)):
            hand += leased
        if not hand:
            await store.aclose()
            return True
        seed = hand.pop(chance.randrange(len(hand)))
        if seed.id in killers:
            await die(store)
            return False
        await commit(store, make_outcome(seed))


@pytest.mark.parametrize("count", [1, 2, 5, 20])
async def test_killers_are_quarantined_and_no_neighbour_is_however_many_they_are(count: int, tmp_path: Path) -> None:
    chance = random.Random(count)
    seeds = [make_seed(number) for number in range(60)]
    killers = {seed.id for seed in chance.sample(seeds, count)}
    async with await Store.open(tmp_path) as store:
        await store.add_seeds(seeds)
    deaths = 0
    while not await work_until_dead_or_done(tmp_path, killers, chance):
        deaths += 1
        assert deaths <= 3 * count, "each death brings a killer nearer to its third"
    with StoreReader(tmp_path) as reader:
        assert {one.id for one in reader.quarantined()} == killers
        counts = reader.counts()
        assert (counts.kept, counts.quarantined, counts.seeds) == (60 - count, count, 60)


def test_a_seed_on_its_last_life_is_worked_alone_and_a_suspect_beside_no_other() -> None:
    turns = {
        (any_in_hand, in_hand, waiting): whose_turn(
            any_in_hand=any_in_hand, worst_in_hand=in_hand, worst_waiting=waiting
        )
        for any_in_hand, in_hand in [(False, 0), (True, 0), (True, 1), (True, 2)]
        for waiting in (0, 1, 2)
    }
    assert turns == {
        (False, 0, 0): Turn.UNSUSPECTED,
        (False, 0, 1): Turn.SUSPECT,
        (False, 0, 2): Turn.ALONE,
        (True, 0, 0): Turn.UNSUSPECTED,
        (True, 0, 1): Turn.SUSPECT,
        (True, 0, 2): Turn.NOBODY,
        (True, 1, 0): Turn.UNSUSPECTED,
        (True, 1, 1): Turn.UNSUSPECTED,
        (True, 1, 2): Turn.NOBODY,
        (True, 2, 0): Turn.NOBODY,
        (True, 2, 1): Turn.NOBODY,
        (True, 2, 2): Turn.NOBODY,
    }


async def test_a_lease_says_when_seeds_are_held_back(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    seeds = [make_seed(number) for number in range(4)]
    await store.add_seeds(seeds)
    await store.lease(2)
    await die(store)
    async with await Store.open(tmp_path) as store:
        assert await store.lease(9) == [seeds[0], seeds[2], seeds[3]]
        assert store.holds_back, "the second suspect waits until the first one has ended"
        await commit(store, make_outcome(seeds[2]))
        assert await store.lease(1) == []
        await commit(store, make_outcome(seeds[0]))
        assert await store.lease(1) == [seeds[1]]
        assert await store.lease(1) == []
        assert not store.holds_back, "nothing waits any more"


async def test_seeds_behind_one_on_its_last_life_are_held_back(tmp_path: Path) -> None:
    seeds = [make_seed(number) for number in range(3)]
    for _ in range(2):
        store = await Store.open(tmp_path)
        await store.add_seeds(seeds)
        await store.lease(1)
        await die(store)
    async with await Store.open(tmp_path) as store:
        assert await store.lease(3) == [seeds[0]]
        assert await store.lease(2) == []
        assert store.holds_back, "two seeds wait for the one that is worked alone"
        await commit(store, make_outcome(seeds[0]))
        assert await store.lease(2) == seeds[1:]


@pytest.mark.parametrize(
    ("error", "deaths"),
    [
        (RuntimeError("a fault"), 1),
        (ExceptionGroup("workers", [StoreError("full"), RuntimeError("a fault")]), 1),
        (ScorerError("its process keeps dying"), 1),
        (StoreError("the disk is full"), 0),
        (KeyboardInterrupt(), 0),
        (ExceptionGroup("workers", [UsageError("wrong")]), 0),
        (None, 0),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_a_fault_counts_as_a_death_and_an_end_in_good_order_does_not(
    error: BaseException | None, deaths: int, tmp_path: Path
) -> None:
    for _ in range(3):
        store = await Store.open(tmp_path)
        await store.add_seeds([make_seed(1)])
        await store.lease(1)
        await store.__aexit__(type(error) if error else None, error, None)
    async with await Store.open(tmp_path) as store:
        counts = await store.counts()
        assert (counts.waiting, counts.quarantined) == ((0, 1) if deaths else (1, 0))


async def test_an_outcome_forgets_the_deaths_of_its_seed(tmp_path: Path) -> None:
    for _ in range(2):
        store = await Store.open(tmp_path)
        await store.add_seeds([make_seed(1)])
        await store.lease(1)
        await die(store)
    store = await Store.open(tmp_path)
    await store.lease(1)
    await commit(store, make_dropped(make_seed(1)))
    await store.requeue_dropped()
    await store.lease(1)
    await die(store)
    async with await Store.open(tmp_path) as store:
        assert seen(store, StoreReader.quarantined) == []
        assert await store.lease(1) == [make_seed(1)]


async def quarantine(folder: Path, *numbers: int) -> None:
    """Let these seeds die three times, one after another."""
    for number in numbers:
        for _ in range(3):
            store = await Store.open(folder)
            await store.add_seeds([make_seed(number)])
            assert await store.lease(1) == [make_seed(number)]
            await die(store)
    async with await Store.open(folder) as store:
        assert [one.id for one in seen(store, StoreReader.quarantined)] == [make_seed(number).id for number in numbers]


async def test_a_released_seed_has_all_its_lives_again(tmp_path: Path) -> None:
    await quarantine(tmp_path, 1, 2)
    store = await Store.open(tmp_path)
    first, second = make_seed(1), make_seed(2)
    assert seen(store, lambda reader: reader.quarantined(1)) == [
        QuarantinedSeed(id=first.id, source="seeds.jsonl:1", attempts=3, deaths=3)
    ]
    assert await store.lease(9) == []
    with pytest.raises(UsageError, match="seed nobody is not in quarantine; nothing was released"):
        await store.release_quarantined([first.id, "nobody"])
    assert await store.release_quarantined([first.id, first.id]) == 1
    assert await store.lease(9) == [first]
    await die(store)
    async with await Store.open(tmp_path) as store:
        assert [one.id for one in seen(store, StoreReader.quarantined)] == [second.id]
        assert await store.release_quarantined(None) == 1
        assert {seed.id for seed in await store.lease(9)} == {first.id, second.id}


def test_release_shows_the_quarantine_and_lets_seeds_out(tmp_path: Path) -> None:
    asyncio.run(quarantine(tmp_path, 1, 2, 3))
    first, second, third = (make_seed(number).id for number in (1, 2, 3))
    assert [one["id"] for one in star("release", tmp_path, "--json").data] == [first, second, third]
    assert "seeds.jsonl:2" in star("release", tmp_path).out
    assert star("release", tmp_path, second).out == "1 seeds wait again\n"
    refused = star("release", tmp_path, first, second)
    assert (refused.code, f"seed {second} is not in quarantine" in refused.err) == (2, True)
    assert star("release", tmp_path, "--all", "--json").data == {"released": 2}
    assert star("release", tmp_path).out == "no seed is in quarantine\n"
    assert star("release", tmp_path, first, "--all").code == 2
    with StoreReader(tmp_path) as reader:
        assert reader.counts().waiting == 3


def test_release_makes_no_store_where_there_is_none(tmp_path: Path) -> None:
    assert star("release", tmp_path / "slip", "--all").code == 3
    assert not (tmp_path / "slip").exists()
