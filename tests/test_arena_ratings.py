"""Ratings: the fit is an independent library's, what has no finite rating is given none, intervals go by prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import evalica
import numpy as np
import pytest

from star_agents.arena.games import Result
from star_agents.arena.ratings import SCALE, Ratings, rate

WINNERS = {1.0: evalica.Winner.X, 0.0: evalica.Winner.Y, 0.5: evalica.Winner.Draw}


def played(seed: int, *, players: int, battles: int, prompts: int = 50, ties: float = 0.2) -> list[Result]:
    """Battles of players whose strengths are random, too."""
    rng = np.random.default_rng(seed)
    strength = rng.normal(0, 1, players)
    found = []
    for number in range(battles):
        left, right = rng.choice(players, 2, replace=False)
        chance = 1 / (1 + math.exp(strength[right] - strength[left]))
        value = rng.choice([1.0, 0.0, 0.5], p=[chance * (1 - ties), (1 - chance) * (1 - ties), ties])
        found.append(Result(str(number % prompts), f"p{left}", f"p{right}", float(value)))
    return found


def by_evalica(results: Sequence[Result], anchor: str) -> dict[str, float]:
    """Ratings relative to the anchor, by a library that has nothing to do with ours."""
    lefts, rights = [one.left for one in results], [one.right for one in results]
    winners = [WINNERS[one.value] for one in results]
    scores = evalica.bradley_terry(lefts, rights, winners, tolerance=1e-15, limit=1_000_000).scores
    return {str(name): SCALE * math.log(score / scores[anchor]) for name, score in scores.items()}


def test_the_fit_is_evalicas_on_200_random_tables_with_ties() -> None:
    compared = 0
    for seed in range(400):
        results = played(seed, players=2 + seed % 7, battles=60 + seed)
        ratings = rate(results, resamples=0)
        if any(one.standing != "rated" for one in ratings.players):
            continue  # no finite maximum: what evalica then gives depends on when it stops
        theirs = by_evalica(results, ratings.anchor)
        for one in ratings.players:
            assert one.rating is not None
            assert (one.rating - 1000) / SCALE == pytest.approx(theirs[one.player] / SCALE, abs=1e-6)
        compared += 1
        if compared == 200:
            return
    pytest.fail(f"only {compared} tables had a finite maximum")


def always(left: str, right: str, value: float, times: int = 10) -> list[Result]:
    return [Result(str(number), left, right, value) for number in range(times)]


def standings(ratings: Ratings) -> dict[str, str]:
    return {one.player: one.standing for one in ratings.players}


EVEN = always("a", "b", 1.0) + always("a", "b", 0.0, 5)


def test_who_wins_every_battle_or_loses_every_one_has_no_number() -> None:
    ratings = rate(EVEN + always("best", "a", 1.0) + always("worst", "b", 0.0), resamples=50)
    assert standings(ratings) == {"best": "wins all", "a": "rated", "b": "rated", "worst": "loses all"}
    assert [one.rating is None for one in ratings.players] == [True, False, False, True]


def test_the_others_are_rated_as_if_who_always_wins_were_not_there() -> None:
    without, beside = rate(EVEN, anchor="b"), rate(EVEN + always("best", "a", 1.0), anchor="b")
    assert beside.of("a").rating == without.of("a").rating


def test_who_never_met_the_rated_is_unrated() -> None:
    ratings = rate(EVEN + always("c", "d", 1.0, 2) + always("c", "d", 0.0, 2), resamples=20)
    assert standings(ratings) == {"a": "rated", "b": "rated", "c": "unrated", "d": "unrated"}
    assert ratings.of("c").rating is None
    assert ratings.meetings["a"]["c"] == 0


def test_who_beat_one_that_always_wins_counts_as_above_all() -> None:
    ratings = rate(EVEN + always("good", "a", 1.0) + always("better", "good", 1.0), resamples=0)
    assert standings(ratings)["better"] == "wins all"


def test_a_table_of_ties_only_rates_everybody_alike() -> None:
    ratings = rate(always("a", "b", 0.5) + always("b", "c", 0.5), resamples=20)
    assert [one.rating for one in ratings.players] == pytest.approx([1000, 1000, 1000])
    assert [(one.wins, one.ties, one.losses) for one in ratings.players] == [(0, 10, 0), (0, 20, 0), (0, 10, 0)]


def test_the_anchor_stands_where_it_was_put_and_has_no_interval() -> None:
    ratings = rate(played(1, players=4, battles=400), anchor="p2", anchor_rating=1100.0, resamples=100)
    anchor = ratings.of("p2")
    assert (anchor.rating, anchor.low, anchor.high) == (1100.0, 1100.0, 1100.0)


def test_another_anchor_moves_all_ratings_by_one_number() -> None:
    results = played(2, players=5, battles=600)
    one, other = (rate(results, anchor=name, resamples=0) for name in ("p0", "p3"))
    moved = {p.player: (p.rating or 0) - (other.of(p.player).rating or 0) for p in one.players}
    assert len({round(value, 6) for value in moved.values()}) == 1


def test_400_points_are_odds_of_ten_to_one() -> None:
    ratings = rate(always("a", "b", 1.0, 10) + always("a", "b", 0.0, 1), anchor="b", resamples=0)
    assert ratings.of("a").rating == pytest.approx(1400)


def test_an_interval_whose_player_won_all_in_many_resamples_is_open_above() -> None:
    results = [*always("a", "b", 1.0, 30), Result("lost", "a", "b", 0.0)]
    found = rate(results, anchor="b", resamples=400).of("a")
    assert found.standing == "rated"
    assert found.high is None
    assert found.low is not None


def test_all_battles_over_a_prompt_stay_together_so_that_copies_of_them_narrow_nothing() -> None:
    results = played(3, players=3, battles=300, prompts=30)
    once, fourfold = (rate(results * times, anchor="p0", resamples=500, seed=5) for times in (1, 4))
    for player in ("p1", "p2"):
        one, other = once.of(player), fourfold.of(player)
        assert one.low is not None
        assert other.low == pytest.approx(one.low)
        assert other.high == pytest.approx(one.high)


def test_the_same_battles_give_the_same_intervals_bit_for_bit() -> None:
    results = played(4, players=4, battles=300)
    assert rate(results, resamples=200) == rate(results, resamples=200)


def test_with_less_memory_the_intervals_are_the_same() -> None:
    results = played(6, players=5, battles=800, prompts=200)
    dense = rate(results, resamples=100, cells=10**7)
    sparse = rate(results, resamples=100, cells=0)
    for one, other in zip(dense.players, sparse.players, strict=True):
        assert other.low == pytest.approx(one.low)
        assert other.high == pytest.approx(one.high)


def test_no_battle_or_an_anchor_in_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no battle to rate"):
        rate([])
    with pytest.raises(ValueError, match="gpt is in no battle"):
        rate(EVEN, anchor="gpt")
