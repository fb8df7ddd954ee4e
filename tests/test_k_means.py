"""K-means: groups that are there are found, and whatever comes out is a fixed point of Lloyd's algorithm."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from star_agents.arena.k_means import Grouping, Vectors, k_means


def blobs(sizes: tuple[int, ...], seed: int = 0) -> tuple[Vectors, list[int]]:
    """Vectors close around axes that are far apart, in mixed order, and which axis each is of."""
    chance = np.random.default_rng(seed)
    of = chance.permutation([axis for axis, size in enumerate(sizes) for _ in range(size)])
    vectors = np.eye(len(sizes) + 3, dtype=np.float32)[of] + chance.normal(0, 0.02, (len(of), len(sizes) + 3))
    return vectors.astype(np.float32), of.tolist()


def check_is_fixed(vectors: Vectors, found: Grouping) -> None:
    apart = ((vectors[:, None, :].astype(np.float64) - found.centres[None]) ** 2).sum(axis=2)
    assert found.distances == pytest.approx(apart.min(axis=1), abs=1e-4)
    assert apart[np.arange(len(vectors)), found.labels] == pytest.approx(apart.min(axis=1), abs=1e-4)
    for group, centre in enumerate(found.centres):
        assert centre == pytest.approx(vectors[found.labels == group].mean(axis=0), abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_groups_that_lie_apart_are_found_and_the_largest_comes_first(seed: int) -> None:
    sizes = (40, 7, 90, 21, 3)
    vectors, of = blobs(sizes, seed)
    found = k_means(vectors, 5, seed)
    joined = {(axis, int(group)) for axis, group in zip(of, found.labels, strict=True)}
    by_size = sorted(range(5), key=lambda axis: -sizes[axis])
    assert joined == {(axis, group) for group, axis in enumerate(by_size)}
    check_is_fixed(vectors, found)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(-3, 3), min_size=2, max_size=2), min_size=1, max_size=40),
    st.integers(1, 12),
    st.integers(0, 3),
)
def test_each_vector_is_in_its_nearest_group_whose_centre_is_its_mean(
    points: list[list[int]], groups: int, seed: int
) -> None:
    vectors = np.array(points, dtype=np.float32)
    found = k_means(vectors, groups, seed)
    sizes = np.bincount(found.labels)
    assert len(found.centres) == len(sizes) <= min(groups, len({tuple(one) for one in points}))
    assert sizes.min() > 0
    assert sizes.tolist() == sorted(sizes, reverse=True)
    check_is_fixed(vectors, found)


def test_equal_vectors_are_one_group_however_many_are_asked_for() -> None:
    vectors = np.repeat(blobs((1, 1))[0], 30, axis=0)
    found = k_means(vectors, 10, 0)
    assert len(found.centres) == 2
    assert found.inertia == pytest.approx(0.0, abs=1e-4)


def test_the_same_seed_groups_alike_and_more_groups_leave_less_apart() -> None:
    vectors = np.random.default_rng(1).normal(size=(500, 8)).astype(np.float32)
    one, again = k_means(vectors, 20, 3), k_means(vectors, 20, 3)
    assert one.labels.tolist() == again.labels.tolist()
    apart = [k_means(vectors, groups, 3).inertia for groups in (1, 5, 20, 100)]
    assert apart == sorted(apart, reverse=True)
