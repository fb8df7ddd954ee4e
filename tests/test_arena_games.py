"""Games become battles: both orders or none, jurors' means, and what cannot be read is counted."""

from __future__ import annotations

import pytest

from star_agents.arena.games import Game, battles_of


def game(first: str, second: str, scores: tuple[float, float] | None, judge: str = "gpt", prompt: str = "p") -> Game:
    one, other = scores or (None, None)
    return Game(prompt=prompt, judge=judge, first=first, second=second, first_score=one, second_score=other)


def test_a_battle_is_the_mean_of_both_orders() -> None:
    (battle,), _ = battles_of([game("b", "a", (8, 5)), game("a", "b", (6, 7))])
    assert (battle.left, battle.right) == ("a", "b")
    assert (battle.left_score, battle.right_score) == (5.5, 7.5)
    assert (battle.winner, battle.result().value) == ("b", 0.0)


def test_two_orders_that_cancel_each_other_are_a_tie() -> None:
    (battle,), _ = battles_of([game("a", "b", (8, 5)), game("b", "a", (8, 5))])
    assert battle.winner is None
    assert battle.result().value == 0.5


@pytest.mark.parametrize("second", [None, game("b", "a", None)], ids=["missing", "unreadable"])
def test_a_judge_with_one_order_only_makes_no_battle_and_is_counted(second: Game | None) -> None:
    found = battles_of([game("a", "b", (9, 1)), *([second] if second else [])])
    assert found.battles == ()
    assert found.one_order_only == 1


def test_one_order_counts_where_that_is_asked_for_and_is_told() -> None:
    (battle,), one_order_only = battles_of([game("b", "a", (9, 1))], one_order_counts=True)
    assert (battle.winner, battle.both_orders, one_order_only) == ("b", False, 1)


def test_jurors_count_alike_and_their_spread_is_kept() -> None:
    games = [game("a", "b", (8, 6)), game("b", "a", (6, 8))]
    games += [game("a", "b", (6, 6), "qwen"), game("b", "a", (6, 6), "qwen")]
    (battle,), incomplete = battles_of(games)
    assert (battle.left_score, battle.right_score, battle.spread) == (7, 6, 1)
    assert (battle.jurors, incomplete) == (("gpt", "qwen"), 0)


def test_a_juror_that_saw_one_order_only_leaves_the_battle_to_the_others() -> None:
    games = [game("a", "b", (8, 6)), game("b", "a", (6, 8)), game("a", "b", (1, 10), "qwen")]
    (battle,), incomplete = battles_of(games)
    assert (battle.gap, battle.jurors, incomplete) == (2, ("gpt",), 1)


def test_a_game_that_is_there_twice_counts_once() -> None:
    games = [game("a", "b", (8, 6)), game("a", "b", (1, 9)), game("b", "a", (6, 8))]
    (battle,), _ = battles_of(games)
    assert battle.gap == 2


def test_the_same_players_over_another_prompt_are_another_battle() -> None:
    games = [game(*names, (5, 5), prompt=prompt) for prompt in "pq" for names in (("a", "b"), ("b", "a"))]
    assert [battle.prompt for battle in battles_of(games).battles] == ["p", "q"]
