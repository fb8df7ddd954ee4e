"""`elo`: games from files, rated together; what is no game is refused with its line."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import evalica
import pytest
from click.testing import CliRunner

from star_agents.arena.games import battles_of
from star_agents.arena.ratings import SCALE, rate
from star_agents.cli.elo import command
from star_agents.errors import SeedFileError, UsageError
from star_agents.storage.outgoing.game_files import read_games

REVIEWS = Path(__file__).resolve().parents[2] / "shared" / "data" / "fastchat" / "vicuna_eval_2023"
WINNERS = {1.0: evalica.Winner.X, 0.0: evalica.Winner.Y, 0.5: evalica.Winner.Draw}


def game(**changed: Any) -> dict[str, Any]:
    row = {"prompt": "p1", "judge": "gpt", "first": "a", "second": "b", "first_score": 8, "second_score": 5}
    return {**row, **changed}


def write(folder: Path, rows: list[Any], name: str = "battles.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_ratings_of_1040_real_reviews_are_evalicas() -> None:
    found = read_games(REVIEWS)
    battles, one_order_only = battles_of(found.games, one_order_counts=True)
    assert (len(found.games), len(battles), one_order_only) == (1040, 1040, 1040)
    results = [one.result() for one in battles]
    ratings = rate(results, resamples=0)
    theirs = evalica.bradley_terry(
        [one.left for one in results],
        [one.right for one in results],
        [WINNERS[one.value] for one in results],
        tolerance=1e-15,
        limit=1_000_000,
    ).scores
    for one in ratings.players:
        expected = 1000 + SCALE * math.log(theirs[one.player] / theirs[ratings.anchor])
        assert one.rating == pytest.approx(expected, abs=1e-6 * SCALE)


def test_reviews_of_fastchat_have_categories_and_lengths_of_the_answers() -> None:
    found = read_games(REVIEWS)
    assert len(found.labels) == 80
    assert found.labels["1"] == {"category": "generic"}
    assert len(found.lengths) == 7 * 80


def test_the_table_says_that_each_review_was_judged_in_one_order_only() -> None:
    said = CliRunner().invoke(command, ["--import", str(REVIEWS)], catch_exceptions=False).output
    assert "1,040 battles were judged in one order only" in said
    assert said.index("gpt-3.5-turbo") < said.index("llama-13b")


def test_folders_are_rated_together_and_a_battle_in_one_order_does_not_count(tmp_path: Path) -> None:
    both = [game(), game(first="b", second="a", first_score=6, second_score=7)]
    lost = [game(prompt="p2", first_score=2), game(prompt="p2", first="b", second="a", second_score=2)]
    for name, rows in (("one", [*both, game(prompt="p9")]), ("other", lost)):
        (tmp_path / name).mkdir()
        write(tmp_path / name, rows)
    folders = [str(tmp_path / name) for name in ("one", "other")]
    said = CliRunner().invoke(command, [*folders, "--json"], catch_exceptions=False).output
    board = json.loads(said)
    assert (board["battles"], board["prompts"], board["one_order_only"]) == (2, 2, 1)
    assert [one["wins"] for one in board["players"]] == [1, 1]


def test_shares_of_points_stand_by_category_and_language(tmp_path: Path) -> None:
    labels = {"category": "math", "language": "de"}
    path = write(tmp_path, [game(**labels), game(first="b", second="a", first_score=5, second_score=8, **labels)])
    said = CliRunner().invoke(command, [str(path), "--json"], catch_exceptions=False).output
    assert json.loads(said)["by_label"]["category"]["math"]["a"]["rate"] == 1
    assert json.loads(said)["by_label"]["language"]["de"]["b"]["rate"] == 0


@pytest.mark.parametrize(
    ("row", "field", "what"),
    [
        (game(first_score="8"), "first_score", "is no number"),
        (game(first_score=True), "first_score", "is no number"),
        (game(first_score=11), "first_score", "11 is not from 0 to 10"),
        (game(first_score=None), "second_score", "one answer is scored and the other is not"),
        (game(second="a"), "second", "a plays against itself"),
        (game(judge=None), "judge", "is not there"),
        (game(prompt=["p"]), "prompt", "is no name"),
    ],
)
def test_what_is_no_game_is_refused_with_line_and_field(
    tmp_path: Path, row: dict[str, Any], field: str, what: str
) -> None:
    path = write(tmp_path, [game(), row])
    with pytest.raises(SeedFileError) as refused:
        read_games(path)
    (problem,) = refused.value.problems
    assert (problem.where, problem.field) == ("battles.jsonl:2", field)
    assert what in problem.message


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "games.jsonl"
    path.write_text(json.dumps(game()).replace("8", "NaN") + "\n" + "{broken\n", "utf-8")
    with pytest.raises(SeedFileError) as refused:
        read_games(path)
    assert [problem.where for problem in refused.value.problems] == ["games.jsonl:1", "games.jsonl:2"]


def test_an_unreadable_game_is_read_as_such(tmp_path: Path) -> None:
    path = write(tmp_path, [game(first_score=None, second_score=None)])
    (found,) = read_games(path).games
    assert not found.is_readable


def test_a_folder_without_games_is_refused_with_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds neither a store nor battles\.jsonl"):
        read_games(tmp_path)
    with pytest.raises(UsageError, match="is not there"):
        read_games(tmp_path / "none.jsonl")


def test_games_of_which_no_battle_counts_are_told_as_that(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no battle to rate"):
        CliRunner().invoke(command, [str(write(tmp_path, [game()]))], catch_exceptions=False)


def test_a_review_of_an_answer_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "answer").mkdir()
    (tmp_path / "review").mkdir()
    answers = [{"answer_id": "x", "question_id": 1, "model_id": "m", "text": "yes"}]
    write(tmp_path / "answer", answers, "answer.jsonl")
    write(tmp_path / "review", [{"question_id": 1, "answer1_id": "x", "answer2_id": "y", "score": [1, 2]}], "r.jsonl")
    with pytest.raises(SeedFileError, match=r"r\.jsonl:1: answer2_id: no answer has the id y"):
        read_games(tmp_path)


def test_what_each_threshold_would_teach_a_player_stands_beside_its_rating(tmp_path: Path) -> None:
    lost = [game(first_score=9, second_score=5), game(first="b", second="a", first_score=6, second_score=8)]
    won = [game(prompt="p2", first_score=4, second_score=8), game(prompt="p2", first="b", second="a", second_score=5)]
    path = write(tmp_path, [*lost, *won])
    said = CliRunner().invoke(command, [str(path), "--target", "b", "--json"], catch_exceptions=False).output
    found = [(one["threshold"], one["sft"], one["preference"], one["chosen"]) for one in json.loads(said)["yields"]]
    both = {"a": 1, "b": 1}
    assert found == [
        (0, 1, 2, both),
        (1, 1, 2, both),
        (2, 1, 2, both),
        (3, 1, 2, both),
        (4, 0, 0, {}),
        (5, 0, 0, {}),
    ]
    table = CliRunner().invoke(command, [str(path), "--target", "b"], catch_exceptions=False).output
    assert "rows by threshold" in table


def test_a_target_that_never_played_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, [game(), game(first="b", second="a")])
    with pytest.raises(UsageError, match="is in no battle"):
        CliRunner().invoke(command, [str(path), "--target", "c"], catch_exceptions=False)


def test_equal_answers_are_a_tie_without_a_judge(tmp_path: Path) -> None:
    equal = {"prompt": "p1", "first": "a", "second": "b", "judge": "", "answers_are_equal": True}
    (read,) = read_games(write(tmp_path, [equal])).games
    assert (read.answers_are_equal, read.is_readable) == (True, False)
    both = [game(prompt="p2", first_score=9), game(prompt="p2", first="b", second="a", first_score=4)]
    path = write(tmp_path, [equal, *both])
    board = json.loads(CliRunner().invoke(command, [str(path), "--json"], catch_exceptions=False).output)
    assert [(one["judge"], one["games"], one["unreadable"]) for one in board["judges"]] == [("gpt", 2, 0)]
    assert board["battles"] == 2
    assert [one["ties"] for one in board["players"]] == [1, 1]
