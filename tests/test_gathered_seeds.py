"""Seeds between file and queue: each once, in order, in memory or on disk alike."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from star_agents.engine.estimate import pick_sample
from star_agents.records import Document, Message, Sample, Seed
from star_agents.storage.incoming.gathered_seeds import GatheredSeeds, SeedsOnDisk, gathered, sampled, shuffled
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import Store


def seed(number: int) -> Seed:
    history = (Message(role="user", content=f"Before {number}?"), Message(role="assistant", content="\ud83d"))
    sample = Sample(instruction=f"Question {number}?", response="Yes." if number % 2 else None, history=history)
    return Seed.of(sample, source=f"rows.jsonl:{number}", meta={"number": number, "nested": [{"a": None}]})


def held(seeds: Sequence[Seed], at_most: int) -> Sequence[Seed]:
    found = GatheredSeeds(held=at_most)
    for one in seeds:
        found.add(one)
    return found.all()


EVERYTHING = [seed(number) for number in range(2_500)]
TWICE = [*EVERYTHING, *EVERYTHING[:700]]


def test_what_went_to_disk_comes_back_as_it_was_in_order_and_once() -> None:
    on_disk, in_memory = held(TWICE, 10), held(TWICE, 10_000)
    assert isinstance(on_disk, SeedsOnDisk)
    assert isinstance(in_memory, tuple)
    assert list(on_disk) == list(in_memory) == EVERYTHING
    assert len(on_disk) == 2_500
    assert (on_disk[0], on_disk[2_499], on_disk[-1], on_disk[-2_500]) == (
        EVERYTHING[0],
        EVERYTHING[-1],
        EVERYTHING[-1],
        EVERYTHING[0],
    )
    assert list(on_disk[995:1_010:4]) == EVERYTHING[995:1_010:4]
    assert list(on_disk[2_490:]) == EVERYTHING[2_490:]
    assert list(on_disk[10:4:-2]) == EVERYTHING[10:4:-2]
    assert list(on_disk[5:5]) == list(on_disk[9_000:]) == []
    for beyond in (2_500, -2_501):
        with pytest.raises(IndexError):
            on_disk[beyond]


def test_where_a_seed_came_from_is_known_as_soon_as_it_is_there() -> None:
    for at_most in (10, 10_000):
        found = GatheredSeeds(held=at_most)
        for one in EVERYTHING[:1_200]:
            assert found.source_of(one.id) is None
            found.add(one)
        assert [found.source_of(EVERYTHING[place].id) for place in (0, 999, 1_199)] == [
            "rows.jsonl:0",
            "rows.jsonl:999",
            "rows.jsonl:1199",
        ]


def test_a_document_goes_through_the_disk_too() -> None:
    documents = [Seed.of(Document(text=f"Text {number}.", title="A title")) for number in range(30)]
    assert list(held(documents, 3)) == documents


def test_seeds_may_come_while_others_are_read() -> None:
    coming = GatheredSeeds(held=2)
    for one in EVERYTHING[:1_500]:
        coming.add(one)
    seen = coming.all()
    assert len(seen) == 1_500
    coming.add(EVERYTHING[2_000])
    assert len(seen) == 1_501
    assert seen[-1] == EVERYTHING[2_000]


@pytest.mark.parametrize("at_most", [10, 10_000])
def test_the_same_seeds_give_the_same_sample_and_order_however_they_came(at_most: int) -> None:
    mixed = list(EVERYTHING)
    random.Random(3).shuffle(mixed)
    one, other = held(EVERYTHING, at_most), held(mixed, at_most)
    taken = sampled(one, 300, random_seed=7)
    assert [seed.id for seed in taken] == [seed.id for seed in one if seed.id in {seed.id for seed in taken}]
    assert len(taken) == 300
    assert {seed.id for seed in taken} == {seed.id for seed in sampled(other, 300, random_seed=7)}
    assert {seed.id for seed in taken} != {seed.id for seed in sampled(one, 300, random_seed=8)}
    order = [seed.id for seed in shuffled(one, 7)]
    assert order == [seed.id for seed in shuffled(other, 7)]
    assert sorted(order) == sorted(seed.id for seed in one)
    assert order != [seed.id for seed in one]
    assert pick_sample(one, 0) == pick_sample(list(one), 0)


def test_a_sample_that_is_larger_than_the_file_is_all_of_it() -> None:
    assert list(sampled(EVERYTHING[:5], 10, random_seed=0)) == EVERYTHING[:5]
    assert list(gathered(())) == []


async def test_a_store_takes_them_from_disk_and_a_run_is_about_them(tmp_path: Path) -> None:
    on_disk = held(EVERYTHING, 10)
    async with await Store.open(tmp_path) as store:
        assert await store.add_seeds(on_disk) == (2_500, 0)
        await store.begin_run((one.id for one in on_disk[:1_200]), only=True)
        mine = await store.run_seeds()
        assert (mine.seeds, mine.others_waiting) == (1_200, 1_300)
        assert [one.id for one in await store.lease(3)] == [one.id for one in EVERYTHING[:3]]
    with StoreReader(tmp_path) as reader:
        assert reader.counts().seeds == 2_500
