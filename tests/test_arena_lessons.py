"""What battles teach: by how much, from whom, and the same whatever else was fought."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from star_agents.arena.games import Battle
from star_agents.arena.lessons import (
    Lesson,
    Thresholds,
    pairings,
    pairs_to_prefer,
    row_to_learn,
    unjudged,
    usefulness,
    yields,
)

PLAYERS = ("command", "openchat", "qwen", "student")
TARGET = "student"


def battle(left: str, right: str, left_score: float, right_score: float, prompt: str = "p") -> Battle:
    return Battle(prompt=prompt, left=left, right=right, left_score=left_score, right_score=right_score)


def test_the_target_meets_everybody_or_everybody_meets_everybody() -> None:
    assert pairings(PLAYERS, TARGET, "target") == [(other, TARGET) for other in PLAYERS[:3]]
    assert len(pairings(PLAYERS, TARGET, "round_robin")) == 6


def test_a_lost_battle_at_the_threshold_teaches_and_below_it_does_not() -> None:
    assert row_to_learn([battle("qwen", TARGET, 8, 5)], TARGET, Thresholds()) == Lesson("p", "qwen", TARGET, 3, 8)
    assert row_to_learn([battle("qwen", TARGET, 8, 5.5)], TARGET, Thresholds()) is None


def test_a_battle_that_the_target_won_or_tied_teaches_no_row() -> None:
    won = [battle("qwen", TARGET, 2, 9), battle("command", TARGET, 9, 9)]
    assert row_to_learn(won, TARGET, Thresholds()) is None


def test_a_bad_winner_teaches_nothing() -> None:
    assert row_to_learn([battle("qwen", TARGET, 4, 1)], TARGET, Thresholds()) is None
    assert pairs_to_prefer([battle("qwen", TARGET, 4, 1)], Thresholds()) == ()


def test_the_row_is_the_best_winners_answer() -> None:
    battles = [battle("command", TARGET, 8, 4), battle("qwen", TARGET, 9, 6), battle("openchat", TARGET, 9, 5)]
    found = row_to_learn(battles, TARGET, Thresholds())
    assert found is not None
    assert found.chosen == "openchat"  # as many points as qwen, by a larger margin


def test_the_targets_own_answer_may_be_preferred() -> None:
    (found,) = pairs_to_prefer([battle("qwen", TARGET, 5, 9)], Thresholds())
    assert (found.chosen, found.rejected, found.margin) == (TARGET, "qwen", 4)


def test_a_prompt_gives_its_clearest_pair_or_as_many_as_asked_for() -> None:
    battles = [battle("command", TARGET, 8, 5), battle("qwen", TARGET, 9, 4), battle("openchat", TARGET, 6, 5)]
    assert [one.margin for one in pairs_to_prefer(battles, Thresholds())] == [5]
    assert [one.margin for one in pairs_to_prefer(battles, Thresholds(), most=None)] == [5, 3]


def test_battles_that_a_mode_needs_and_nobody_judged_are_named() -> None:
    fought = [battle(other, TARGET, 7, 5) for other in PLAYERS[:3]]
    assert unjudged(fought, ["p"], PLAYERS, TARGET, "target") == []
    assert unjudged(fought, ["p"], PLAYERS, TARGET, "round_robin") == [
        ("p", "command", "openchat"),
        ("p", "command", "qwen"),
        ("p", "openchat", "qwen"),
    ]


SCORES = st.integers(2, 20).map(lambda half: half / 2)


@st.composite
def arenas(draw: st.DrawFn) -> list[Battle]:
    """Every battle of a round robin over one prompt."""
    return [battle(*pair, draw(SCORES), draw(SCORES)) for pair in pairings(PLAYERS, TARGET, "round_robin")]


@given(arenas(), st.sampled_from([0.0, 1.0, 2.0, 3.0, 5.0]))
def test_battles_without_the_target_change_no_row(battles: list[Battle], least: float) -> None:
    asked = Thresholds(sft=least)
    own = [one for one in battles if TARGET in (one.left, one.right)]
    assert row_to_learn(own, TARGET, asked) == row_to_learn(battles, TARGET, asked)


@given(arenas())
def test_a_higher_threshold_never_gives_more(battles: list[Battle]) -> None:
    found = yields({"p": battles}, TARGET, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    assert [one.sft for one in found] == sorted((one.sft for one in found), reverse=True)
    assert [one.preference for one in found] == sorted((one.preference for one in found), reverse=True)
    assert all(sum(one.chosen.values()) == one.preference for one in found)


@given(arenas())
def test_every_row_is_an_answer_that_beat_the_target_by_the_threshold(battles: list[Battle]) -> None:
    found = row_to_learn(battles, TARGET, Thresholds())
    beaten = [one for one in battles if TARGET in (one.left, one.right) and one.winner not in (None, TARGET)]
    winners = [(one.gap, one.score_of(one.winner or "") or 0.0) for one in beaten]
    clear = [score for gap, score in winners if abs(gap) >= 3 and score >= 5]
    assert (found is None) == (not clear)
    if found:
        assert found.chosen_score == max(clear)


def test_an_instruction_is_useful_where_somebody_is_good_and_the_target_is_not() -> None:
    assert usefulness({"qwen": 9, TARGET: 5}, TARGET, 3) == 1
    assert usefulness({"qwen": 8, TARGET: 6.5}, TARGET, 3) == 0.5
    assert usefulness({"qwen": 8, TARGET: 9}, TARGET, 3) == 0  # too easy
    assert usefulness({"qwen": 6, TARGET: 1}, TARGET, 3) == 0  # too hard, or broken
