"""Work in advance: parts, their order, and what happens when it fails."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from star_agents.scoring.ahead import in_parts, one_ahead

SECONDS = 60


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 100), st.integers(1, 100))
def test_parts_hold_every_index_once_in_order_and_within_their_bounds(
    weights: list[int], most: int, first: int
) -> None:
    parts = in_parts(weights, most, first=first)
    assert [index for part in parts for index in part] == list(range(len(weights)))
    bounds = [first, *(min(most, first << number) for number in range(1, len(parts)))]
    assert all(
        len(part) == 1 or sum(weights[index] for index in part) <= bound
        for part, bound in zip(parts, bounds, strict=False)
    )
    assert all(parts)


def test_the_next_part_is_made_while_the_caller_is_busy_with_this_one() -> None:
    second_is_made = threading.Event()

    def make(part: int) -> int:
        if part == 2:
            second_is_made.set()
        return 10 * part

    seen = []
    for part, made in one_ahead(make, [1, 2, 3]):
        if part == 1:
            assert second_is_made.wait(SECONDS)
        seen.append((part, made))
    assert seen == [(1, 10), (2, 20), (3, 30)]


def test_no_parts_make_nothing() -> None:
    assert not list(one_ahead(lambda part: part, []))


def test_an_error_comes_where_its_part_would_have_come() -> None:
    def make(part: int) -> int:
        if part == 2:
            raise ValueError("no such text")
        return part

    made = one_ahead(make, [1, 2])
    assert next(made) == (1, 1)
    with pytest.raises(ValueError, match="no such text"):
        next(made)
