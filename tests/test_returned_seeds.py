"""When a seed that is put back again and again is itself at fault, and when it is an outage that lasts."""

from __future__ import annotations

from pathlib import Path

import pytest
from lines import seeds

from star_agents.engine.returned_seeds import RETURNS, RETURNS_ALONE, ReturnedSeeds
from star_agents.storage.store import Store

WHY = "referee j"


def test_a_seed_that_comes_back_for_one_reason_while_others_end_well_gets_a_last_try() -> None:
    returned = ReturnedSeeds()
    for number in range(RETURNS):
        assert not returned.is_at_fault("bad", is_alone=False)
        returned.returned("bad", WHY)
        returned.ended(f"good:{number}", well=True)
    assert returned.is_at_fault("bad", is_alone=False)
    assert not returned.is_at_fault("another", is_alone=False)


@pytest.mark.parametrize("is_alone", [False, True])
def test_an_outage_in_which_no_seed_ends_well_is_nobodys_fault_however_long_it_lasts(is_alone: bool) -> None:
    returned = ReturnedSeeds()
    for number in range(1000):
        returned.returned("one", WHY)
        returned.returned("two", WHY)
        returned.ended(f"dropped:{number}", well=False)
    assert not returned.is_at_fault("one", is_alone=is_alone)
    assert not returned.is_at_fault("two", is_alone=is_alone)


def test_the_last_seed_of_a_batch_whose_others_ended_well_ends_too_but_only_there() -> None:
    returned = ReturnedSeeds()
    returned.ended("good", well=True)
    for _ in range(RETURNS_ALONE):
        assert not returned.is_at_fault("bad", is_alone=True)
        returned.returned("bad", WHY)
    assert returned.is_at_fault("bad", is_alone=True)
    assert not returned.is_at_fault("bad", is_alone=False), "a daemon's other seeds may come tomorrow"


def test_another_reason_or_an_outcome_counts_anew() -> None:
    returned = ReturnedSeeds()
    for reason in (WHY, WHY, "agents", WHY, WHY):
        returned.returned("bad", reason)
        returned.ended("good", well=True)
    assert not returned.is_at_fault("bad", is_alone=False)
    returned.returned("bad", WHY)
    assert returned.is_at_fault("bad", is_alone=False)
    returned.ended("bad", well=False)
    assert not returned.is_at_fault("bad", is_alone=False)


async def test_a_seed_that_came_back_twice_lets_others_go_first_and_is_taken_where_none_waits(tmp_path: Path) -> None:
    bad, *good = seeds(3)
    returned = ReturnedSeeds()
    async with await Store.open(tmp_path) as store:
        await store.add_seeds([bad, *good])
        for _ in range(2):
            assert await returned.take_one(store) == [bad]
            await store.release(bad.id)
            returned.returned(bad.id, WHY)
        assert await returned.take_one(store) == [good[0]]
        assert await returned.take_one(store) == [good[1]]
        assert await returned.take_one(store) == [bad]
        assert await returned.take_one(store) == []
        for seed in (bad, *good):
            await store.release(seed.id)
        returned.ended("another", well=True)
        assert await returned.take_one(store) == [bad], "somebody ended well: now it can show whose fault it is"
