"""What a judge's games say about the judge."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from star_agents.arena.agreement import Labelled, Side, agreement, kappa
from star_agents.arena.games import Game
from star_agents.arena.judge_health import judge_health, juror_spread

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def battle(prompt: str, left_first: tuple[float, float], right_first: tuple[float, float], **more: str) -> list[Game]:
    """Both orders of ``a`` against ``b``; scores as they were given, to the first and the second answer."""
    names = {"judge": "gpt", "left": "a", "right": "b", **more}
    left, right = names["left"], names["right"]
    return [
        Game(
            prompt=prompt,
            judge=names["judge"],
            first=first,
            second=second,
            first_score=scores[0],
            second_score=scores[1],
        )
        for first, second, scores in ((left, right, left_first), (right, left, right_first))
    ]


def unread(prompt: str) -> Game:
    return Game(prompt=prompt, judge="gpt", first="b", second="a")


def test_a_fair_judge_agrees_with_itself_and_gives_no_bonus_to_a_place() -> None:
    (found,) = judge_health(battle("1", (8, 5), (5, 8)) + battle("2", (3, 9), (9, 3)) + battle("3", (6, 6), (6, 6)))
    assert (found.both_orders, found.agreed, found.by_position) == (3, 3, 0)
    assert (found.first_won, found.second_won, found.first_bonus) == (2, 2, 0)


def test_a_judge_that_likes_the_first_place_is_seen() -> None:
    (found,) = judge_health([game for n in range(4) for game in battle(str(n), (8, 6), (8, 6))])
    assert (found.agreed, found.by_position, found.first_bonus) == (0, 4, 2)
    assert (found.first_won, found.second_won) == (8, 0)
    assert found.first_share.low > 0.5


def test_a_tie_in_one_order_is_neither_agreement_nor_position() -> None:
    (found,) = judge_health(battle("1", (8, 6), (7, 7)))
    assert (found.agreed, found.by_position) == (0, 0)


def test_what_cannot_be_read_is_counted_and_its_battle_left_out() -> None:
    games = [*battle("1", (8, 5), (5, 8)), battle("2", (8, 5), (5, 8))[0], unread("2")]
    (found,) = judge_health(games)
    assert (found.games, found.unreadable, found.both_orders, found.one_order_only) == (4, 1, 1, 1)


def test_wins_of_longer_answers_are_counted_but_not_of_equal_ones_or_ties() -> None:
    games = [game for n in "1234" for game in battle(n, (8, 5), (5, 8))] + battle("5", (6, 6), (6, 6))
    lengths = {("1", "a"): 90, ("1", "b"): 40, ("2", "a"): 10, ("2", "b"): 40, ("3", "a"): 7, ("3", "b"): 7}
    lengths |= {("5", "a"): 90, ("5", "b"): 40}
    (found,) = judge_health(games, lengths)
    assert (found.longer_won, found.shorter_won) == (1, 1)


def test_a_judge_that_favours_its_own_answers_is_held_against_the_other_jurors() -> None:
    games = battle("1", (9, 5), (5, 9), judge="a") + battle("1", (6, 6), (6, 6), judge="c")
    games += battle("2", (8, 6), (6, 8), judge="a") + battle("2", (7, 6), (6, 7), judge="c")
    games += battle("3", (9, 1), (1, 9), judge="a", left="x", right="y")
    own, other = judge_health(games)
    assert (own.judge, own.own_battles, own.self_preference) == ("a", 2, 2.5)
    assert (other.own_battles, other.self_preference) == (0, None)


def test_its_own_answers_without_another_juror_say_nothing() -> None:
    (found,) = judge_health(battle("1", (9, 5), (5, 9), judge="a"))
    assert (found.own_battles, found.self_preference) == (0, None)


def test_jurors_lie_apart_by_the_distance_of_their_gaps() -> None:
    games = battle("1", (9, 5), (5, 9), judge="x") + battle("1", (6, 6), (6, 6), judge="y")
    assert juror_spread(games) == 4
    assert juror_spread(battle("1", (9, 5), (5, 9))) is None


def pandalm(model: str, field: str) -> list[Labelled]:
    """PandaLM's 999 pairs: people's majority against a model's verdict, which was asked in one order only."""
    people = json.loads((SHARED / "pandalm" / "testset-v1.json").read_text("utf-8"))
    said = json.loads((SHARED / "pandalm" / f"{model}-testset-v1.json").read_text("utf-8"))
    sides: dict[str, Side] = {"0": "tie", "Tie": "tie", "1": "first", "2": "second"}
    found = []
    for row, one in zip(people, said, strict=True):
        votes = Counter(str(row[f"annotator{number}"]) for number in (1, 2, 3))
        side = sides.get(str(one[field]))
        found.append(Labelled(label=sides[votes.most_common(1)[0][0]], forward=side, backward=side))
    return found


def test_accuracy_on_999_real_pairs_is_the_published_one() -> None:
    """PandaLM-7B: 0.6677, as its authors have it."""
    found = agreement(pandalm("pandalm-7b", "pandalm_result"))
    assert (found.pairs, found.unreadable) == (999, 0)
    assert round(found.accuracy.rate or 0, 4) == 0.6677


def test_verdicts_that_could_not_be_read_stand_outside_the_accuracy_and_are_counted() -> None:
    """GPT-3.5's file holds 25 replies that its authors could make nothing of."""
    found = agreement(pandalm("gpt-3.5-turbo", "gpt_result"))
    assert (found.unreadable, found.right, found.accuracy.answers) == (25, 697, 974)


def test_kappa_is_that_of_a_known_table() -> None:
    """Two raters over 50 cases, both yes 20, both no 15, 5 and 10 apart: 0.4."""
    said = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    assert kappa(said) == pytest.approx(0.4)


def test_two_orders_that_differ_are_a_tie_and_show_what_place_they_favour() -> None:
    pairs = [
        Labelled(label="first", forward="first", backward="second"),  # each time what was shown first
        Labelled(label="tie", forward="second", backward="first"),
        Labelled(label="second", forward="second", backward="second"),
        Labelled(label="first", forward="first", backward=None),
    ]
    found = agreement(pairs)
    assert (found.right, found.unreadable, found.consistent) == (2, 1, 1)
    assert (found.for_first_shown, found.for_second_shown) == (1, 1)
    assert (found.decided, found.decided_right) == (1, 1)


def test_kappa_is_0_for_a_rater_that_says_always_the_same_and_none_where_both_do() -> None:
    assert kappa([("first", "first"), ("second", "first")]) == 0
    assert kappa([("tie", "tie")]) is None
    assert kappa([]) is None
