"""What a report shows of pools: curves, a picture of what changed, and tables that stay short."""

from __future__ import annotations

from typing import Any

from star_agents.report import pools, turning
from star_agents.report.curves import Moment


def arm(rewards: int = 2, mean: float | None = 0.5) -> dict[str, Any]:
    return {
        "probability": 0.5,
        "probability_at_start": 0.5,
        "draws": rewards + 1,
        "rewards": rewards,
        "mean_reward": mean,
    }


def turn(name: str, share: float | None, start: float | None, n: int = 0) -> dict[str, Any]:
    lost = {"all": {"n": n, "mean": 0.25, "low": 0.1, "high": 0.5}}
    return {"name": name, "share": share, "share_at_start": start, "measures": {"lost": lost} if n else {}}


def turns(*rows: dict[str, Any], is_pool: bool = True, **of_all: Any) -> dict[str, Any]:
    return {"groups": [], "rows": list(rows), "is_pool": is_pool, "all": {"measures": {}, **of_all}}


def test_a_curve_names_arms_without_the_folder_that_all_of_them_lie_in_and_the_mean_is_of_every_reward() -> None:
    moments = [Moment(0, {"skill/other": 0.4, "skill/one": 0.6}), Moment(1, {"skill/other": 0.5, "skill/one": 0.5})]
    found = pools.pool("kinds", {"skill/one": arm(3, 1.0), "skill/other": arm(1, 0.0)}, None, moments, ())
    says = [shape.says for shape in found["curves"].shapes if "curve" in shape.css]
    assert sorted(says) == ["one: 50.0%", "other: 50.0%"]
    assert (found["rewards"], found["mean_reward"]) == (4, 0.75)


def test_before_anything_was_earned_or_without_a_history_there_is_no_curve() -> None:
    moments = [Moment(0, {"a": 1.0}), Moment(1, {"a": 1.0})]
    assert pools.pool("kinds", {"a": arm(0, None)}, None, moments, ())["curves"] is None
    assert pools.pool("kinds", {"a": arm()}, None, moments[:1], ())["curves"] is None


def test_the_picture_holds_the_arms_that_changed_most_and_every_shape_lies_inside() -> None:
    lost = {"lost": {"all": {"n": 60, "mean": 0.25}}}
    rows = [turn(f"skill/{'long ' * 20}{n}", 0.9 - n / 100, n / 100, n=n) for n in range(60)]
    picture = turning.drawing(turns(*rows, turn("skill/gone", None, 0.1), measures=lost))
    assert picture is not None
    points = [shape for shape in picture.shapes if shape.tag == "circle"]
    assert len(points) == 2 * turning.SHOWN - 1, "the first one was never judged"
    assert all(
        0 <= float(one.at["cx"]) <= picture.width and 0 <= float(one.at["cy"]) <= picture.height for one in points
    )
    assert not any(shape.says.startswith("skill/") for shape in picture.shapes if shape.tag == "text")


def test_of_a_column_only_what_was_counted_is_drawn_and_of_nothing_nothing_is() -> None:
    lost = {"lost": {"all": {"n": 9, "mean": 0.25}}}
    picture = turning.drawing(turns(turn("maths", None, None, n=9), is_pool=False, measures=lost))
    assert picture is not None
    assert [shape.says for shape in picture.shapes if shape.tag == "circle"] == ["maths: 25% of 9, 10% to 50%"]
    assert turning.drawing(turns(measures=lost)) is None
    assert turning.drawing(turns(turn("a", None, None), is_pool=False)) is None


def test_a_long_table_is_folded() -> None:
    rows = [turn(str(n), 0.1, 0.1) for n in range(pools.OPEN + 7)]
    found = pools.told("kinds", turns(*rows))
    assert (len(found["open"]), len(found["folded"])) == (pools.OPEN, 7)
