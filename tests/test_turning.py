"""What pools turned to, in words: shares then and now, the reason where one can be told, and where none can be."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from test_label_tallies import open_database

from star_agents.observe.status import Arm, Pool, Turns
from star_agents.records import Measure
from star_agents.storage import curve, ledger, tallies
from star_agents.storage.arm_notes import mark_arms
from star_agents.storage.label_tallies import LabelSums, LabelTally
from star_agents.storage.recipe_facts import pool_facts
from star_agents.storage.recipe_tallies import MeasureTally, RecipeTally
from star_agents.storage.tallies import Tallies
from star_agents.storage.turning import NAMED, turns

POOL = "maker.kinds"
MEASURES = tuple(
    MeasureTally(measure=one)
    for one in (
        Measure("lost", by_label=True),
        Measure("best_score", low=1, high=10, by_label=True),
        Measure("usefulness"),
    )
)
MAKER, ARENA = (
    RecipeTally(name="maker", in_chain=True, children=9),
    RecipeTally(name="arena", in_chain=True, measures=MEASURES),
)


def arm(
    start: float, now: float | None, *, rewards: int = 9, mean: float = 0.5, later: bool = False, mark: str = ""
) -> Arm:
    return Arm(
        probability=now,
        probability_at_start=start,
        came_later=later,
        mark=mark,
        draws=rewards,
        rewards=rewards,
        mean_reward=mean if rewards else None,
    )


def sums(n: int, mean: float, before: tuple[int, float] = (0, 0.0)) -> LabelSums:
    return LabelSums(n, round(1e6 * n * mean), before[0], round(1e6 * before[0] * before[1]))


def ended(lost: LabelSums, *, best: float = 9.0, useful: float = 0.5, dropped: int = 0) -> LabelTally:
    n = lost.n
    measures = {"lost": lost, "best_score": sums(n, best), "usefulness": sums(n, useful)}
    return LabelTally(n + dropped, dropped, measures if n else {})


def told(
    arms: Mapping[str, Arm], labelled: Mapping[str, LabelTally] | None = None, *, most: int | None = None
) -> Turns:
    by_recipe = {"arena": {POOL: labelled}} if labelled else {}
    tallies = Tallies(recipes=(MAKER, ARENA), labelled=by_recipe)
    return turns({POOL: Pool(arms=arms)}, tallies, most=most)[POOL]


def sentence(one: LabelTally, *, now: float, mark: str = "") -> str:
    """What is said of an arm that ended so, beside one that the target lost half of 200 seeds of."""
    found = told({"a": arm(0.5, now, mark=mark), "b": arm(0.5, 1 - now)}, {"a": one, "b": ended(sums(200, 0.5))})
    (said,) = (each for each in found.sentences if " a:" in each or " a (" in each)
    return said


APART = "no difference can be told yet."
SAID: dict[str, tuple[LabelTally, float, str]] = {
    "lost": (
        ended(sums(140, 0.9)),
        0.9,
        "Turned to a: 50.0 % → 90.0 %; the target lost 90 % [84, 94] of 140 there, 66 % of all.",
    ),
    "few": (ended(sums(12, 0.6)), 0.9, f"the target lost 60 % [33, 82] of 12 there, 51 % of all: {APART}"),
    "by more": (ended(sums(140, 0.5), useful=0.9), 0.9, "50 % of all, by more: usefulness 0.90, 0.66 of all."),
    "not counted": (ended(sums(0, 0.0)), 0.9, "Turned to a: 50.0 % → 90.0 %; mean reward 0.50, 0.50 of all."),
    "seldom": (ended(sums(90, 0.05)), 0.1, "5 % [2, 12] of 90 there, 36 % of all: it loses less there."),
    "learned": (
        ended(sums(200, 0.5, (140, 0.7))),
        0.1,
        "lost 70 % [62, 77] of 140 at first and 3 % [1, 11] of 60 of late: it has learned.",
    ),
    "nobody": (
        ended(sums(40, 0.5), best=4.2),
        0.1,
        "nobody answers well there: the best answer has 4.2 points of 10 on average.",
    ),
    "dropped": (ended(sums(12, 0.5), dropped=30), 0.1, "30 of its 42 seeds came to no battle."),
    "all dropped": (ended(sums(0, 0.0), dropped=30), 0.1, "none of its seeds came to a battle."),
    "by less": (ended(sums(90, 0.5), useful=0.1), 0.1, "50 % of all, by less: usefulness 0.10, 0.38 of all."),
    "four": (
        ended(sums(4, 0.0)),
        0.1,
        f"Turned away from a: 50.0 % → 10.0 %; the target lost 0 % [0, 49] of 4 there, 49 % of all: {APART}",
    ),
}
"""How seeds of an arm ended, what its share is now, and what is said of it."""


@pytest.mark.parametrize("case", SAID)
def test_each_arm_is_told_with_the_reason_that_was_counted_or_that_none_can_be_told(case: str) -> None:
    one, now, said = SAID[case]
    told_of = sentence(one, now=now)
    assert told_of[-len(said) :] == said


def test_a_mark_stands_behind_the_name() -> None:
    assert sentence(ended(sums(140, 0.9)), now=0.9, mark="grown").startswith("Turned to a (grown): 50.0 %")


def test_arms_that_gained_or_lost_by_half_are_told_the_most_changed_first_and_the_others_are_counted() -> None:
    many = {f"up{n}": arm(0.01, 0.02 + n / 1000) for n in range(6)} | {
        f"down{n}": arm(0.1, 0.05 - n / 1000) for n in range(5)
    }
    found = told({**many, "same": arm(0.1, 0.14), "gone": arm(0.1, None)})
    names = [one.split(":")[0].rpartition(" ")[2] for one in found.sentences]
    assert names[: 2 * NAMED] == ["up5", "up4", "up3", "down4", "down3", "down2"]
    assert (
        found.sentences[-1] == "Besides, 3 more are drawn that much more often than at the start, and 2 that much less."
    )
    assert [one.name for one in found.rows[:2]] == ["down4", "down3"]
    (gone,) = (one for one in found.rows if one.name == "gone")
    assert (gone.share, gone.share_at_start, gone.draws) == (None, 0.1, 9)


def test_where_nothing_changed_or_was_earned_that_is_said() -> None:
    assert told({"a": arm(0.5, 0.6), "b": arm(0.5, 0.4)}).sentences == [
        "No share is half as large again as at the start, or that much smaller."
    ]
    assert told({"a": arm(0.5, 0.5, rewards=0), "b": arm(0.5, 0.5, rewards=0)}).sentences == ["Nothing was earned yet."]


def test_levels_and_folders_are_groups_whose_counts_are_sums() -> None:
    arms = {
        "x/a@0": arm(0.4, 0.1),
        "x/a@1": arm(0.4, 0.5),
        "y/b@0": arm(0.2, 0.1),
        "y/new@1": arm(0.1, 0.3, later=True),
    }
    found = told(arms, {"x/a@1": ended(sums(10, 1.0)), "y/new@1": ended(sums(30, 0.5))})
    groups = {one.name: one for one in found.groups}
    assert set(groups) == {"level 1", "level 0"}
    of_one = groups["level 1"]
    assert of_one.share == pytest.approx(0.8)
    assert of_one.share_at_start == 0.4, "the arm that came later adds nothing to what there was at the start"
    assert of_one.measures["lost"].all.mean == pytest.approx(25 / 40)
    assert found.all.share == pytest.approx(1.0)
    assert found.all.share_at_start == pytest.approx(1.0)
    assert found.all.draws == 36
    folders = told({name.partition("@")[0]: one for name, one in arms.items()})
    assert {one.name for one in folders.groups} == {one.group for one in folders.rows} == {"x", "y"}


def test_a_pool_whose_draws_no_child_judges_is_not_told_of_and_a_column_is_in_order_of_its_count() -> None:
    alone = Tallies(recipes=(RecipeTally(name="maker", in_chain=True),))
    pools = {POOL: Pool(arms={"a": arm(0.5, 0.9), "b": arm(0.5, 0.1)})}
    assert turns(pools, alone) == {}
    column = {"maths": ended(sums(3, 1.0)), "writing": ended(sums(30, 0.1))}
    found = turns({}, Tallies(recipes=(ARENA,), labelled={"arena": {"category": column}}), most=1)["category"]
    assert ([one.name for one in found.rows], found.rows_left_out) == (["writing"], 1)
    assert (found.is_pool, found.recipe, found.sentences, found.all.outcomes) == (False, "arena", [], 33)


def test_an_arm_keeps_the_share_that_it_began_with_though_the_curve_is_thinned() -> None:
    """One arm is there from the start, one comes with an edit, one while an outcome is committed."""
    with open_database() as connection:
        ledger.add_revision(connection, "one", "{}", 0.0)
        ledger.save_pools(connection, {POOL: {"weights": {"a": 1.0}}}, 1)
        points: list[Mapping[str, float]] = [
            {"a": 0.75, "b": 0.25},
            {"a": 0.5, "b": 0.375, "c": 0.125},
            *[{"a": 0.25, "b": 0.25, "c": 0.5}] * 60,
        ]
        for seq, weights in enumerate(points, 1):
            curve.add_outcome_point(connection, POOL, {"weights": weights}, seq=seq, at=0.0, most=8)
        assert [one.seq for one in curve.curve(connection, POOL)][1] > 2, "the points at which they came are gone"
        arms = pool_facts({POOL: points[-1]}, {}, tallies.tallies(connection).arm_notes)[POOL].arms
    assert {name: one.probability_at_start for name, one in arms.items()} == {"a": 1.0, "b": 0.25, "c": 0.125}
    assert [name for name, one in arms.items() if one.came_later] == ["b", "c"]


def test_a_store_that_noted_no_shares_takes_them_from_its_curve() -> None:
    with open_database() as connection:
        ledger.add_revision(connection, "one", "{}", 0.0)
        ledger.save_pools(connection, {POOL: {"weights": {"a": 1.0}}}, 1)
        curve.add_outcome_point(connection, POOL, {"weights": {"a": 0.5, "b": 0.5}}, seq=1, at=0.0)
        connection.execute("UPDATE pools SET arm_starts = '{}'")
        assert tallies.tallies(connection).arm_notes[POOL].starts == {"a": 1.0}
        curve.add_outcome_point(connection, POOL, {"weights": {"a": 0.25, "b": 0.5, "c": 0.25}}, seq=2, at=0.0)
        assert tallies.tallies(connection).arm_notes[POOL].starts == {"a": 1.0, "b": 0.5, "c": 0.25}


def test_what_is_said_of_an_arm_is_kept_until_it_is_taken_back() -> None:
    with open_database() as connection:
        ledger.add_revision(connection, "one", "{}", 0.0)
        ledger.save_pools(connection, {POOL: {"weights": {"a": 0.5, "c": 0.5}}}, 1)
        mark_arms(connection, POOL, {"c": "grown", "a": "old"})
        mark_arms(connection, POOL, {"a": ""})
        with pytest.raises(ValueError, match="200"):
            mark_arms(connection, POOL, {"c": "x" * 201})
        arms = pool_facts({POOL: {"a": 0.5, "c": 0.5}}, {}, tallies.tallies(connection).arm_notes)[POOL].arms
    assert {name: one.mark for name, one in arms.items()} == {"a": "", "c": "grown"}
