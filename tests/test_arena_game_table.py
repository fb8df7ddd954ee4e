"""Games as columns say the same as games one by one; a live leaderboard reads each outcome once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from star_agents.arena.game_table import GameRow, GameTable
from star_agents.arena.games import Game, battles_of
from star_agents.arena.judge_health import judge_health, juror_spread
from star_agents.arena.leaderboard import leaderboard
from star_agents.engine.standings import rated_games
from star_agents.recipes.protocol import done, dropped
from star_agents.records import Judgement, Outcome, Sample, Seed, Trial
from star_agents.storage.games import StoredGames
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import Store

POINTS = st.none() | st.sampled_from([1.0, 4.0, 4.1, 7.3, 10.0])
GAMES = st.lists(
    st.builds(
        Game,
        prompt=st.sampled_from("xyz"),
        judge=st.sampled_from(["j", "k", "a"]),
        first=st.sampled_from("abc"),
        second=st.sampled_from("abc"),
        first_score=POINTS,
        second_score=POINTS,
    ),
    max_size=40,
)


@given(GAMES, st.booleans())
def test_battles_of_columns_are_those_of_games(drawn: list[Game], one_order_counts: bool) -> None:
    games = [game for game in drawn if game.first != game.second]
    games += [Game(prompt="z", judge="", first="b", second="a", answers_are_equal=True)]
    table, expected = GameTable.of(games), battles_of(games, one_order_counts=one_order_counts)
    found = table.battles(one_order_counts=one_order_counts)
    told = [
        (table.prompts[prompt], table.players[left], table.players[right], value)
        for prompt, left, right, value in zip(found.prompt, found.left, found.right, found.value, strict=True)
    ]
    assert told == [tuple(one.result()) for one in expected.battles]
    assert found.one_order_only == expected.one_order_only


def test_no_game_is_an_empty_table() -> None:
    table = GameTable.of([])
    assert (len(table.battles().value), judge_health(table)) == (0, ())
    with pytest.raises(ValueError, match="no battle"):
        leaderboard(table)


MODEL = "reward:model"


def test_a_reward_model_has_no_orders_and_its_distance_decides_where_nobody_gave_points() -> None:
    rows = [
        GameRow("p", MODEL, "b", "a", None, None, gap=2.0, is_measured=True),
        GameRow("q", MODEL, "a", "b", 7.0, 5.0, is_measured=True),
        GameRow("r", MODEL, "a", "b", None, None, gap=3.0, is_measured=True),
        GameRow("r", "j", "a", "b", 4.0, 6.0),
        GameRow("r", "j", "b", "a", 6.0, 4.0),
        GameRow("s", MODEL, "a", "b", None, None, is_measured=True),
        GameRow("t", MODEL, "a", "b", None, None),
    ]
    table = GameTable.of_rows(rows)
    battles = table.battles()
    assert [table.prompts[prompt] for prompt in battles.prompt] == ["p", "q", "r"]
    assert list(battles.value) == [0, 1, 0], "b is ahead by 2; a has more points; a judge that gives points goes first"
    assert battles.one_order_only == 0
    model, judge = judge_health(table, {("p", "a"): 9, ("p", "b"): 5, ("q", "a"): 9, ("q", "b"): 5})
    assert (model.games, model.unreadable, model.both_orders, model.one_order_only) == (5, 1, 0, 0)
    assert (model.first_bonus, model.longer_won, model.shorter_won) == (None, 1, 1)
    assert judge.both_orders == 1
    assert juror_spread(table) == 5, "on the one battle that both judged: 3 ahead, and 2 behind"


# As an arena works


def seed(number: int) -> Seed:
    return Seed.of(Sample(instruction=f"Name river {number}."), meta={"category": "rivers"})


def outcome(of: Seed, ahead: float = 3) -> Outcome:
    trials = [
        Trial(arm=name, role=role, sample=Sample(instruction="?", response=text))
        for name, role, text in (("t", "target", "short"), ("o", "opponent", "a longer answer"))
    ]
    scores = (5.0, 5.0 + ahead)
    said = [
        Judgement(judge="j", left=left, right=1 - left, scores=scores[:: 1 - 2 * left], orders=1) for left in (0, 1)
    ]
    return replace(done(of, trials=trials, judgements=said), recipe="arena")


async def end(store: Store, of: Seed, ended: Outcome) -> None:
    await store.add_seeds([of])
    await store.lease(1)
    await store.commit_outcome(ended, foresee=lambda _: {}, memory=None, revision=1)


async def test_a_leaderboard_adds_what_came_since_and_has_labels_lengths_and_judge_health(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        for number in range(3):
            await end(store, seed(number), outcome(seed(number), ahead=(-1) ** number))
        with StoreReader(tmp_path) as reader:
            games, first = rated_games(reader, StoredGames())
            assert (first.seq, first.battles) == (3, 3)
            await end(store, seed(3), outcome(seed(3)))
            games, then = rated_games(reader, games)
            _, anew = rated_games(reader, StoredGames())
    assert (then.seq, then.battles, len(games.rows)) == (4, 4, 8)
    assert then == anew
    (judge,) = then.judges
    assert (judge.agreement.rate, judge.by_position.rate, judge.first_bonus) == (1, 0, 0)
    assert judge.longer_won.wins == 3
    assert then.by_label["category"]["rivers"] == {"o": 0.75, "t": 0.25}


async def test_an_outcome_that_takes_the_place_of_another_is_counted_once(tmp_path: Path) -> None:
    """A seed that was dropped, with games, and then worked again."""
    async with await Store.open(tmp_path) as store:
        of = seed(0)
        lost = outcome(of)
        nothing = replace(dropped(of, "no rows", trials=lost.trials), judgements=lost.judgements, recipe="arena")
        await end(store, of, nothing)
        with StoreReader(tmp_path) as reader:
            games, _ = rated_games(reader, StoredGames())
            await store.requeue_dropped()
            await end(store, of, outcome(of, ahead=-2))
            _, board = rated_games(reader, games)
    assert (board.battles, board.players[0].player, board.players[0].wins) == (1, "t", 1)
