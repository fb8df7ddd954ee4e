"""What a report says of pools: which arms are drawn more than at the start, which less, and what they earned."""

from __future__ import annotations

from typing import Any

import pytest

from star_agents.report.curves import Moment
from star_agents.report.pools import NAMED, Turned, turned


def arm(rewards: int = 2, mean: float | None = 0.5) -> dict[str, Any]:
    return {"draws": rewards + 1, "rewards": rewards, "mean_reward": mean}


def told(*probabilities: dict[str, float], **arms: dict[str, Any]) -> Turned:
    names = {name: arms.get(name.rpartition("/")[2], arm()) for one in probabilities for name in one}
    found = turned(names, [Moment(seq, one) for seq, one in enumerate(probabilities)], ())
    assert found is not None
    return found


def test_arms_that_gained_or_lost_by_half_are_told_the_most_changed_first() -> None:
    start = {"s/a": 0.2, "s/b": 0.2, "s/c": 0.4, "s/d": 0.2}
    found = told(start, {"s/a": 0.31, "s/b": 0.4, "s/c": 0.1, "s/d": 0.19}, b=arm(4, 0.75))
    assert [(one.arm, one.start, one.now) for one in found.more] == [("s/b", 0.2, 0.4), ("s/a", 0.2, 0.31)]
    assert (found.more[0].draws, found.more[0].mean_reward) == (5, 0.75)
    assert [one.arm for one in found.less] == ["s/c"]
    assert found.rewards == 10
    assert found.mean_reward == pytest.approx((4 * 0.75 + 6 * 0.5) / 10)


def test_an_arm_that_came_later_is_compared_with_the_moment_at_which_it_came_and_one_that_is_gone_is_not_told() -> None:
    found = told({"a": 0.5, "b": 0.5}, {"a": 0.8, "c": 0.2}, {"a": 0.5, "c": 0.5})
    assert [(one.arm, one.start) for one in found.more] == [("c", 0.2)]
    assert found.less == []


def test_of_many_arms_some_are_named_and_all_are_counted() -> None:
    start = {f"low{n}": 0.05 for n in range(10)} | {f"high{n}": 0.05 for n in range(10)}
    found = told(start, {name: 0.01 if name.startswith("low") else 0.09 for name in start})
    assert (len(found.more), found.more_arms) == (len(found.less), found.less_arms) == (NAMED, 10)


def test_before_anything_was_earned_there_is_no_mean_and_without_a_history_nothing_is_told() -> None:
    found = told({"a": 1.0}, {"a": 1.0}, a=arm(0, None))
    assert (found.mean_reward, found.rewards) == (None, 0)
    assert turned({"a": arm()}, [Moment(0, {"a": 1.0})], ()) is None


def test_a_curve_names_arms_without_the_folder_that_all_of_them_lie_in() -> None:
    found = told({"skill/other": 0.4, "skill/one": 0.6}, {"skill/other": 0.5, "skill/one": 0.5})
    says = [shape.says for shape in found.drawing.shapes if "curve" in shape.css]
    assert sorted(says) == ["one: 50.0%", "other: 50.0%"]
