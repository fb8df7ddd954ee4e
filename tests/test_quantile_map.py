"""Margins of a reward model on the scale of points: monotone, of their own sign, in range, and told where of no use."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from star_agents.arena.quantile_map import WIDEST, Measured, QuantileMap, points_around

MARGINS = st.one_of(st.floats(-1e6, 1e6), st.integers(-3, 3).map(float))
"""Also with ties."""
GAPS = st.integers(-18, 18).map(lambda half: half / 2)
BESIDE = st.lists(st.builds(Measured, MARGINS, GAPS), min_size=1, max_size=60)
ALONE = st.lists(st.builds(Measured, MARGINS, st.none()), min_size=1, max_size=60)


@given(st.one_of(BESIDE, ALONE), st.lists(MARGINS, min_size=2, max_size=20))
def test_a_map_never_falls_keeps_the_sign_and_stays_in_range(battles: Sequence[Measured], asked: list[float]) -> None:
    made = QuantileMap.of(battles)
    points = [made.gap(margin) for margin in sorted(asked)]
    assert points == sorted(points)
    assert all(-WIDEST <= one <= WIDEST for one in points)
    assert all(made.gap(margin) * margin >= 0 for margin in asked)
    assert all(made.gap(-margin) == -made.gap(margin) for margin in asked)
    assert made.gap(0.0) == 0


@given(BESIDE)
def test_no_margin_stands_for_more_points_than_the_other_judges_gave(battles: Sequence[Measured]) -> None:
    made = QuantileMap.of(battles)
    assert abs(made.gap(1e9)) <= max(abs(one.gap or 0.0) for one in battles)


@given(st.lists(st.tuples(st.floats(0.001, 1e3), GAPS), min_size=1, max_size=60, unique_by=lambda pair: pair[0]))
def test_the_kth_smallest_margin_stands_for_the_kth_smallest_gap(pairs: list[tuple[float, float]]) -> None:
    made = QuantileMap.of([Measured(margin, gap) for margin, gap in pairs])
    mapped = sorted(made.gap(margin) for margin, _ in pairs)
    assert mapped == pytest.approx(sorted(abs(gap) for _, gap in pairs))


def test_battles_of_one_margin_share_the_mean_of_their_gaps() -> None:
    made = QuantileMap.of([Measured(2.0, 1.0), Measured(-2.0, 3.0), Measured(5.0, 6.0), Measured(1.0, -0.0)])
    assert [made.gap(margin) for margin in (1.0, 2.0, 3.5, 5.0)] == [0.0, 2.0, 4.0, 6.0]


@given(st.integers(1, 300), st.integers(0, 18))
def test_alone_k_points_begin_at_the_quantile_of_k_ninths(count: int, halves: int) -> None:
    least = halves / 2
    made = QuantileMap.of([Measured(float(number + 1)) for number in range(count)])
    clear = fmean(made.gap(float(number + 1)) >= least for number in range(count))
    assert clear == pytest.approx(1 - least / 9, abs=1 / count + 1e-9)


@given(st.one_of(BESIDE, ALONE))
def test_a_map_that_was_kept_is_the_same_to_the_last_bit(battles: Sequence[Measured]) -> None:
    made = QuantileMap.of(battles)
    assert QuantileMap.from_dict(made.to_dict()) == made
    assert QuantileMap.from_dict(made.to_dict()).name == made.name


def test_maps_that_do_otherwise_have_another_name() -> None:
    names = {QuantileMap.of([Measured(1.0, gap), Measured(2.0, 4.0)]).name for gap in (1.0, 2.0, 3.0)}
    assert len(names) == 3


@pytest.mark.parametrize(
    ("battles", "told"),
    [
        ([Measured(0.0), Measured(0.0)], "every margin is 0"),
        ([], "every margin is 0"),
        ([Measured(1.5), Measured(-1.5)], "all margins are of one size"),
        ([Measured(1.0, 0.0), Measured(2.0, 0.0)], "decided no battle"),
        (
            [Measured(1.0, -2.0), Measured(2.0, -3.0), Measured(-3.0, -1.0)],
            "names the winner of the other judges in 33",
        ),
        ([Measured(1.0, 2.0), Measured(-2.0, -3.0)], ""),
        ([Measured(1.0), Measured(-2.0)], ""),
    ],
)
def test_battles_that_make_no_scale_are_told(battles: list[Measured], told: str) -> None:
    doubt = QuantileMap.of(battles).doubt
    assert told in doubt
    assert bool(doubt) == bool(told)


def test_battles_with_and_without_other_judges_make_no_map() -> None:
    with pytest.raises(ValueError, match="that other judges scored, or of battles that none did"):
        QuantileMap.of([Measured(1.0, 1.0), Measured(1.0)])


@given(st.floats(-9, 9), st.floats(1, 10))
def test_points_lie_around_the_middle_and_stay_between_1_and_10(gap: float, middle: float) -> None:
    one, other = points_around(gap, middle)
    assert 1 <= min(one, other) <= max(one, other) <= 10
    assert (one - other) * gap >= 0
    if middle - abs(gap) / 2 >= 1 and middle + abs(gap) / 2 <= 10:
        assert one - other == pytest.approx(gap)
