"""Seeds that several ask for at once are leased by one question, and what cannot be recorded is not looked up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from storage_samples import answer_to, intent, make_reply, make_seed

from star_agents.errors import StoreError
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import Store


async def test_those_who_ask_in_one_turn_get_the_oldest_seeds_in_their_order_by_one_commit(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        seeds = [make_seed(number) for number in range(5)]
        await store.add_seeds(seeds)
        before = store.stats().commits
        leased = await asyncio.gather(*(store.lease_one() for _ in range(4)))
        assert leased == [[seed] for seed in seeds[:4]]
        assert store.stats().commits == before + 1


async def test_where_fewer_wait_than_ask_the_last_ones_get_nothing(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        await store.add_seeds([make_seed(1)])
        assert await asyncio.gather(*(store.lease_one() for _ in range(3))) == [[make_seed(1)], [], []]
        assert await store.lease_one() == []
        assert store.has_to_come, "one is in hand, and may come back"


async def test_a_seed_of_somebody_who_stopped_waiting_goes_to_the_next_or_back(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        await store.add_seeds([make_seed(number) for number in range(3)])
        asking = [asyncio.ensure_future(store.lease_one()) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # Asked of the writer by now, for three.
        asking[0].cancel()
        assert [await one for one in asking[1:]] == [[make_seed(0)], [make_seed(1)]]
        assert await store.lease_one() == [make_seed(2)]


async def test_everybody_hears_that_the_store_is_closed(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await store.aclose()
    with pytest.raises(StoreError):
        await asyncio.wait_for(store.lease_one(), 60)


async def test_of_a_seed_in_hand_for_the_first_time_only_what_was_recorded_is_looked_up(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        await store.add_seeds([make_seed(1)])
        ((seed,),) = [await store.lease_one()]
        before = store.stats().commits
        assert await store.find_step(seed.id, "draw") is None
        assert not await store.answered_otherwise(intent("b", seed_id=seed.id))
        assert store.is_new(seed.id)
        assert store.stats().commits == before, "nobody was asked"
        await store.record_step(seed.id, "draw", {"value": [1, "two"]})
        assert not store.is_new(seed.id)
        assert await store.find_step(seed.id, "draw") == {"value": [1, "two"]}
        await store.intend([intent("a", seed_id=seed.id)])
        await store.record_answers([("a", make_reply("Yes."))])
        assert await store.answered_otherwise(intent("b", seed_id=seed.id))
        assert await answer_to(store, "a") == make_reply("Yes.")


@pytest.mark.parametrize("is_released", [True, False])
async def test_what_was_recorded_is_found_when_a_seed_is_in_hand_again(tmp_path: Path, is_released: bool) -> None:
    store = await Store.open(tmp_path)
    await store.add_seeds([make_seed(1)])
    (seed,) = await store.lease_one()
    await store.record_step(seed.id, "draw", {"value": 7})
    if is_released:
        await store.release(seed.id)
    else:
        await store.aclose()
        store = await Store.open(tmp_path)
    assert await store.lease_one() == [seed]
    assert not store.is_new(seed.id)
    assert await store.find_step(seed.id, "draw") == {"value": 7}
    await store.aclose()
    with StoreReader(tmp_path) as reader:
        assert reader.counts().waiting == 1
