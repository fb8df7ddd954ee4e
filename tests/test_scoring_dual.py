"""The pure arithmetic: the last step of Eq. 4, and Eq. 5."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from star_agents.scoring.dual import ifd, pi_dual
from star_agents.scoring.encoding import Reason

gaps = st.lists(st.none() | st.floats(-50, 50), max_size=12)
losses = st.floats(0.01, 30)


@given(gaps)
def test_pi_dual_is_between_zero_and_one_for_every_candidate(values: list[float | None]) -> None:
    assert len(pi_dual(values)) == len(values)
    assert all(0 <= value <= 1 for value in pi_dual(values))


@given(gaps)
def test_the_best_positive_gap_gets_exactly_one(values: list[float | None]) -> None:
    best = max((value for value in values if value is not None), default=0)
    expected = [1.0] * sum(value == best for value in values) if best > 0 else []
    assert [value for value in pi_dual(values) if value == 1.0][: len(expected)] == expected


@given(gaps)
def test_gaps_that_are_not_positive_or_missing_get_zero(values: list[float | None]) -> None:
    for gap, value in zip(values, pi_dual(values), strict=True):
        if gap is None or gap <= 0:
            assert value == 0.0


@given(gaps)
def test_a_larger_gap_never_gets_less(values: list[float | None]) -> None:
    found = [(gap, value) for gap, value in zip(values, pi_dual(values), strict=True) if gap is not None]
    in_order = [value for _, value in sorted(found)]
    assert in_order == sorted(in_order)


def test_without_a_positive_gap_all_get_zero_and_the_ranking_is_not_turned_upside_down() -> None:
    assert pi_dual([-2.0, -1.0, 0.0, None]) == [0.0, 0.0, 0.0, 0.0]
    assert pi_dual([]) == []


def test_gaps_are_divided_by_the_largest() -> None:
    assert pi_dual([0.1, None, 0.4, -0.2]) == [0.25, 0.0, 1.0, 0.0]


@given(losses, losses)
def test_ifd_is_the_ratio_of_the_perplexities(conditional: float, alone: float) -> None:
    found = ifd("perplexity_ratio", conditional, alone)
    assert isinstance(found, float)
    assert math.isclose(found, math.exp(conditional) / math.exp(alone), rel_tol=1e-12)


def test_ifd_does_not_overflow_where_the_perplexities_would() -> None:
    assert ifd("perplexity_ratio", 1000.0, 1000.0) == 1.0


def test_cherry_is_the_ratio_of_the_losses_and_so_another_number() -> None:
    assert ifd("cherry", 2.0, 4.0) == 0.5
    assert ifd("superfiltering", 2.0, 4.0) == math.exp(-2.0)


def test_what_is_not_a_finite_number_becomes_a_reason() -> None:
    for conditional, alone in ((math.nan, 1.0), (1.0, math.inf), (math.inf, 1.0), (2000.0, 1.0)):
        assert isinstance(ifd("perplexity_ratio", conditional, alone), Reason), (conditional, alone)
    assert isinstance(ifd("cherry", 1.0, 0.0), Reason)
