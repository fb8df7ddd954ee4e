"""Batches under a budget of tokens, and what happens when memory runs out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from star_agents.scoring.batching import Batcher, plan
from star_agents.scoring.encoding import Reason

lengths = st.lists(st.integers(1, 300), max_size=40)


class SmallMachine:
    """Doubles numbers; a batch whose padded size is beyond its memory fails as torch does."""

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.largest = 0

    def work(self, items: Sequence[int]) -> list[int]:
        size = max(items) * len(items)
        if size > self.memory:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate a lot")
        self.largest = max(self.largest, size)
        return [2 * item for item in items]


def batcher(tokens: int) -> Batcher:
    return Batcher(tokens, is_out_of_memory=lambda error: "memory" in str(error))


@given(lengths, st.integers(1, 1000))
def test_every_item_is_in_exactly_one_batch_within_the_budget(sizes: list[int], tokens: int) -> None:
    batches = plan(sizes, tokens)
    assert sorted(index for batch in batches for index in batch) == list(range(len(sizes)))
    assert all(len(batch) == 1 or len(batch) * max(sizes[i] for i in batch) <= tokens for batch in batches)


@given(lengths, st.integers(1, 1000))
def test_results_come_back_in_the_order_of_the_items(sizes: list[int], tokens: int) -> None:
    machine = SmallMachine(10**9)
    assert batcher(tokens).run(sizes, lambda item: item, machine.work) == [2 * size for size in sizes]


@given(lengths, st.integers(300, 1000))
def test_out_of_memory_halves_the_batch_and_goes_on(sizes: list[int], memory: int) -> None:
    machine, small = SmallMachine(memory), batcher(10**6)
    assert small.run(sizes, lambda item: item, machine.work) == [2 * size for size in sizes]
    assert machine.largest <= memory


def test_a_batch_is_begun_before_the_results_of_the_one_before_are_read() -> None:
    story: list[str] = []

    def work(items: Sequence[int]) -> Iterable[int]:
        story.append(f"begin {items[0]}")

        def results() -> Iterator[int]:
            story.append(f"read {items[0]}")
            yield from items

        return results()

    assert batcher(1).run([3, 2, 1], lambda item: item, work) == [3, 2, 1]
    assert story == ["begin 3", "begin 2", "read 3", "begin 1", "read 2", "read 1"]


@given(lengths, st.integers(300, 1000))
def test_memory_that_runs_out_while_results_are_read_halves_the_batch_too(sizes: list[int], memory: int) -> None:
    machine, small = SmallMachine(memory), batcher(10**6)

    def late(items: Sequence[int]) -> Iterable[int]:
        yield from machine.work(items)

    assert small.run(sizes, lambda item: item, late) == [2 * size for size in sizes]
    assert machine.largest <= memory


def test_a_smaller_budget_is_remembered() -> None:
    machine, small = SmallMachine(400), batcher(10_000)
    small.run([100] * 8, lambda item: item, machine.work)
    assert small.tokens == 400


def test_what_does_not_fit_by_itself_gets_a_reason_and_the_others_their_results() -> None:
    found = batcher(10_000).run([100, 900, 50], lambda item: item, SmallMachine(400).work)
    assert found == [200, "out of memory on a sequence of 900 tokens: lower scoring.max_length", 100]
    assert isinstance(found[1], Reason)


def test_an_error_that_is_not_about_memory_is_not_swallowed() -> None:
    def broken(items: Sequence[int]) -> list[int]:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        batcher(100).run([1], lambda item: item, broken)
