"""Games of an arena in files: our own ``battles.jsonl``, read and written, and FastChat's reviews of 2023."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from star_agents.arena.game_table import GameColumns, GameRow
from star_agents.arena.games import Game, games_of
from star_agents.errors import Problem, SeedFileError, UsageError
from star_agents.records import Judgement, Trial, is_reward_model
from star_agents.storage.formats.json_rows import scan_json_lines
from star_agents.storage.games import COLUMNS, LABELS, Lengths
from star_agents.storage.reader import StoreReader
from star_agents.storage.results import Result
from star_agents.storage.store import STORE_FILE

BATTLES_FILE = "battles.jsonl"
PLAYERS = frozenset({"target", "opponent"})
"""Roles of trials whose judgements are games."""
SCORES = ("first_score", "second_score")
REWARDS = ("first_reward", "second_reward")
LOWEST, HIGHEST = 0.0, 10.0
LONGEST_NAME = 500
PROBLEMS_TOLD = 100


@dataclass(kw_only=True, slots=True)
class GameFile:
    """What files held."""

    rows: GameColumns = field(default_factory=GameColumns)
    """One for each game."""
    labels: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """By prompt: what battles can be grouped by, such as its category and language."""
    questions: dict[str, str] = field(default_factory=dict[str, str])
    """By prompt, the question whose turn, or whose repeat, it is: of rows that name one, as `evaluate` writes them."""
    lengths: Lengths = field(default_factory=Lengths)

    def add(self, other: GameFile) -> None:
        """What another file holds, too."""
        for row in other.rows:
            self.rows.append(row)
        self.labels |= other.labels
        self.questions |= other.questions
        self.lengths |= other.lengths

    @property
    def games(self) -> list[Game]:
        """The rows as games, without the judges' reasons."""
        return [
            Game(
                prompt=row.prompt,
                judge=row.judge,
                first=row.first,
                second=row.second,
                first_score=row.first_score,
                second_score=row.second_score,
                answers_are_equal=not row.judge,
                gap=row.gap,
            )
            for row in self.rows
        ]


def read_games(path: Path) -> GameFile:
    """Games from a file of JSON lines, a folder of `run` or `serve`, or a folder of FastChat's reviews.

    A folder's store is read where it has one, since it may hold more than the file that a run wrote at its end.

    Raises:
        SeedFileError: a line is no game; each is named with its line and field.
        UsageError: there is no such file, or nothing in it that looks like games.
    """
    if path.is_dir():
        if (path / STORE_FILE).is_file() and (games := _stored(path)) is not None:
            return games
        if (path / BATTLES_FILE).is_file():
            return read_games(path / BATTLES_FILE)
        if (path / "review").is_dir() and (path / "answer").is_dir():
            return _fastchat(path)
        if (path / STORE_FILE).is_file():
            raise UsageError(f"{path} holds no games: its recipe has no players, or no seed is finished yet")
        told = f"holds neither a store nor {BATTLES_FILE}, and is no folder of FastChat's (review/, answer/)"
        raise UsageError(f"{path} {told}")
    if not path.is_file():
        raise UsageError(f"{path} is not there; name a file of games, or a folder with {BATTLES_FILE}")
    problems = _Problems()
    found = _gathered(_rows(path, problems), problems)
    problems.end()
    return found


def _stored(folder: Path) -> GameFile | None:
    """``None`` where nobody played; `evaluate` compares answers, and keeps its games in the file alone."""
    with StoreReader(folder) as reader:
        found = reader.games()
    if not found.rows:
        return None
    return GameFile(rows=found.rows, labels=found.labels, lengths=found.lengths)


def _gathered(rows: Iterable[tuple[str, Mapping[str, Any]]], problems: _Problems) -> GameFile:
    found = GameFile()
    for where, row in rows:
        game = problems.of(where, row, _game)
        if game is not None:
            found.rows.append(_row(game))
            labels = {name: value for name in LABELS if isinstance(value := row.get(name), str)}
            if labels:
                found.labels[game.prompt] = labels
            if isinstance(question := row.get("question"), str) and question:
                found.questions[game.prompt] = question
            for player, key in ((game.first, "first_chars"), (game.second, "second_chars")):
                if isinstance(chars := row.get(key), int) and chars >= 0:
                    found.lengths[game.prompt, player] = chars
    return found


def _row(game: Game) -> GameRow:
    judge = "" if game.answers_are_equal else game.judge
    said = (game.first_score, game.second_score, game.gap, game.is_measured)
    return GameRow(game.prompt, judge, game.first, game.second, *said)


def game_rows(result: Result) -> Iterator[dict[str, Any]]:
    """Every game over one seed, as a line of ``battles.jsonl``; none where nobody played."""
    trials = result.trials
    played = [one for one in result.judgements if _is_game(trials, one)]
    if not played:
        return
    labels = {name: value for name in COLUMNS if isinstance(value := result.seed.meta.get(name), str)}
    header = result.header
    if header.part:
        labels["part"] = header.part
    for game, judgement in zip(games_of(trials, played, header.seed_id), played, strict=True):
        said = [trials[place].sample.response for place in (judgement.left, judgement.right)]
        chars = [None if text is None else len(text) for text in said]  # Retention may have cleared it.
        yield {
            "prompt": game.prompt,
            "judge": game.judge,
            "first": game.first,
            "second": game.second,
            "first_score": game.first_score,
            "second_score": game.second_score,
            "reason": game.reason,
            "answers_are_equal": game.answers_are_equal,
            "cost_usd": judgement.cost_usd,
            **(_measured(game) if game.is_measured else {}),
            "first_chars": chars[0],
            "second_chars": chars[1],
            **labels,
        }


def _measured(game: Game) -> dict[str, Any]:
    """What only a reward model says: its own numbers, and what stands for them on the scale of points."""
    rewards = dict(zip(REWARDS, (game.first_reward, game.second_reward), strict=True))
    return {**rewards, "gap": game.points, "scale": game.scale}


def _is_game(trials: Sequence[Trial], judgement: Judgement) -> bool:
    """Whether both of its trials are players'; recipes of others may judge what they like."""
    met = [trials[place] for place in (judgement.left, judgement.right) if place < len(trials)]
    return [one.role in PLAYERS for one in met] == [True, True] and met[0].arm != met[1].arm


class _Problems:
    """Collects what is wrong, up to a number that a person reads."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def of(self, where: str, row: Mapping[str, Any], read: Any) -> Any:
        """What ``read`` makes of a row; ``None``, and a problem more, where it refuses it with a field and a reason."""
        try:
            return read(row)
        except _Refused as refusal:
            name, message, fix = cast(tuple[str, str, str], refusal.args)
            self.add(Problem(where=where, field=name, message=message, fix=fix))
            return None

    def add(self, problem: Problem) -> None:
        self.found.append(problem)
        if len(self.found) >= PROBLEMS_TOLD:
            self.end()

    def end(self) -> None:
        if self.found:
            raise SeedFileError(self.found)


class _Refused(Exception):
    """Field, what is wrong, what to do."""


def _rows(path: Path, problems: _Problems) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for one in scan_json_lines(path):
        if isinstance(one, Problem):
            problems.add(one)
        else:
            yield one


def _game(row: Mapping[str, Any]) -> Game:
    prompt, first, second = (_name(row, name) for name in ("prompt", "first", "second"))
    if first == second:
        raise _Refused("second", f"{second} plays against itself", "a game has two players")
    if row.get("answers_are_equal") is True:
        return Game(prompt=prompt, judge="", first=first, second=second, answers_are_equal=True)
    judge = _name(row, "judge")
    first_score, second_score = (_score(row, name) for name in SCORES)
    first_reward, second_reward = (_number(row, name) for name in REWARDS)
    for one, other, name, done in (
        (first_score, second_score, SCORES[1], "scored"),
        (first_reward, second_reward, REWARDS[1], "measured"),
    ):
        if (one is None) != (other is None):
            raise _Refused(name, f"one answer is {done} and the other is not", "give both, or null for both")
    reason, scale = row.get("reason"), row.get("scale")
    return Game(
        prompt=prompt,
        judge=judge,
        first=first,
        second=second,
        first_score=first_score,
        second_score=second_score,
        reason=reason if isinstance(reason, str) else "",
        first_reward=first_reward,
        second_reward=second_reward,
        gap=_gap(row) if is_reward_model(judge) and first_score is None else None,
        scale=scale if isinstance(scale, str) else "",
    )


def _name(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and name == "prompt":
        value = str(value)
    if not isinstance(value, str) or not value or len(value) > LONGEST_NAME:
        raise _Refused(name, "is not there" if value is None else "is no name", "write a text, such as an id")
    return value


def _score(row: Mapping[str, Any], name: str) -> float | None:
    value = _number(row, name, "write a number from 0 to 10, or null where it could not be read")
    if value is not None and not LOWEST <= value <= HIGHEST:
        raise _Refused(name, f"{value:g} is not from {LOWEST:g} to {HIGHEST:g}", "scale it to the judge's 1 to 10")
    return value


def _gap(row: Mapping[str, Any]) -> float | None:
    """Points between two answers that have none each."""
    value = _number(row, "gap")
    if value is not None and abs(value) > HIGHEST:
        raise _Refused("gap", f"{value:g} is not from {-HIGHEST:g} to {HIGHEST:g}", "scale it to the judge's points")
    return value


def _number(
    row: Mapping[str, Any], name: str, fix: str = "write a number, or null where there is none"
) -> float | None:
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _Refused(name, "is no number", fix)
    return float(value)


def _fastchat(folder: Path) -> GameFile:
    """FastChat's reviews: ``review/**/*.jsonl`` of two scores each, over ``answer/*.jsonl``; questions in
    ``question.jsonl`` give categories. A review that its authors could not read has scores of -1."""
    found, problems = GameFile(), _Problems()
    players: dict[str, str] = {}
    for path in sorted((folder / "answer").glob("*.jsonl")):
        for where, row in _rows(path, problems):
            answer = problems.of(where, row, _answer)
            if answer is not None:
                answer_id, prompt, player, chars = answer
                players[answer_id] = player
                found.lengths[prompt, player] = chars
    for path in sorted((folder / "review").rglob("*.jsonl")):
        for where, row in _rows(path, problems):
            game = problems.of(where, row, lambda one: _review(one, players))
            if game is not None:
                found.rows.append(_row(game))
    questions = folder / "question.jsonl"
    for _, row in _rows(questions, problems) if questions.is_file() else ():
        if isinstance(category := row.get("category"), str):
            found.labels[str(row.get("question_id"))] = {"category": category}
    problems.end()
    if not found.rows:
        raise UsageError(f"{folder / 'review'} holds no review")
    return found


def _answer(row: Mapping[str, Any]) -> tuple[str, str, str, int]:
    answer_id, player = (_name(row, name) for name in ("answer_id", "model_id"))
    text = row.get("text")
    return answer_id, str(row.get("question_id")), player, len(text) if isinstance(text, str) else 0


def _review(row: Mapping[str, Any], players: Mapping[str, str]) -> Game:
    first, second = (_name(row, name) for name in ("answer1_id", "answer2_id"))
    for name, answer in (("answer1_id", first), ("answer2_id", second)):
        if answer not in players:
            raise _Refused(name, f"no answer has the id {answer}", "put its file into answer/")
    scores = row.get("score")
    if not isinstance(scores, list) or len(scores) != 2:
        raise _Refused("score", "is no list of two numbers", "")
    unread = any(score == -1 for score in scores)
    given = {name: None if unread else score for name, score in zip(SCORES, scores, strict=True)}
    reason = row.get("text")
    return Game(
        prompt=str(row.get("question_id")),
        judge="gpt-4",
        first=players[first],
        second=players[second],
        first_score=_score(given, SCORES[0]),
        second_score=_score(given, SCORES[1]),
        reason=reason if isinstance(reason, str) else "",
    )
