"""Games and battles: one prompt, two players' answers, judged in both orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import NamedTuple

from star_agents.records import Flat, Judgement, Trial, is_reward_model

LEAST_GAP = 1e-9
"""Points; less than that is rounding, and a tie."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Game(Flat):
    """One judge's view of two answers to one prompt, shown in one order."""

    prompt: str
    """Id of the prompt."""
    judge: str
    """Empty where the answers are equal."""
    first: str
    """The player whose answer was shown first."""
    second: str
    first_score: float | None = None
    """From 1 to 10; ``None``, as the other one, where the judge's reply could not be read: that is no game."""
    second_score: float | None = None
    reason: str = ""
    answers_are_equal: bool = False
    """Both players said the same, word for word: a tie that no judge was asked about, and that has no scores."""
    first_reward: float | None = None
    """What a reward model measured, in its own units. Each answer is measured by itself, so no place could matter, and
    one game is all that it says of a battle."""
    second_reward: float | None = None
    gap: float | None = None
    """First minus second in points, where rewards stand for a distance and not for points of each answer."""
    scale: str = ""
    """Name of the map by which points were made of the rewards."""

    @property
    def is_readable(self) -> bool:
        """Whether the judge said something."""
        return self.has_scores or self.is_measured

    @property
    def has_scores(self) -> bool:
        """Whether each answer has points."""
        return self.first_score is not None and self.second_score is not None

    @property
    def is_measured(self) -> bool:
        """Whether a reward model measured both answers; its rewards need not be known where their points are."""
        has_rewards = self.first_reward is not None and self.second_reward is not None
        return is_reward_model(self.judge) and (has_rewards or self.points is not None)

    @property
    def points(self) -> float | None:
        """First minus second in points; ``None`` where there are none, as of rewards before they have a scale."""
        if self.first_score is None or self.second_score is None:
            return self.gap
        return self.first_score - self.second_score

    def score_of(self, player: str) -> float:
        """What the judge gave to one of the two."""
        score = self.first_score if player == self.first else self.second_score
        assert score is not None, "asked only of a game with scores"
        return score

    def points_for(self, player: str) -> float:
        """Points by which one of the two is ahead."""
        points = self.points
        assert points is not None, "asked only of a game with points"
        return points if player == self.first else -points


class Result(NamedTuple):
    """How a battle ended, which is all that a rating needs."""

    prompt: str
    left: str
    right: str
    value: float
    """1: the left one won, 0: the right one, 0.5: a tie."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Battle:
    """All games of two players over one prompt: each juror's, in both orders."""

    prompt: str
    left: str
    """The player whose name comes first in the alphabet: which is which says nothing."""
    right: str
    left_score: float | None
    """Mean over jurors of the mean of both orders, from 1 to 10 (Arena Learning; the mean is our reading); ``None``:
    the answers are equal, and nobody scored them against each other, or the jurors say a distance only."""
    right_score: float | None
    distance: float = 0.0
    """Left minus right in points, the mean of jurors that are reward models, where no other scored the answers."""
    spread: float = 0.0
    """Standard deviation between jurors of left minus right; 0 for one juror."""
    jurors: tuple[str, ...] = ()
    both_orders: bool = True
    """Whether every juror saw it in both orders."""

    @property
    def gap(self) -> float:
        """Left minus right; 0 between equal answers."""
        if self.left_score is None or self.right_score is None:
            return self.distance
        gap = self.left_score - self.right_score
        return 0.0 if abs(gap) < LEAST_GAP else gap

    @property
    def winner(self) -> str | None:
        """Who scored more; ``None``: a tie."""
        return None if self.gap == 0 else self.left if self.gap > 0 else self.right

    def score_of(self, player: str) -> float | None:
        """Of one of the two."""
        return self.left_score if player == self.left else self.right_score

    def result(self) -> Result:
        """What the ratings count."""
        return Result(self.prompt, self.left, self.right, 0.5 if self.gap == 0 else float(self.gap > 0))


class Judged(NamedTuple):
    """The battles that stand on games, and what of the games gave none."""

    battles: tuple[Battle, ...]
    one_order_only: int
    """Battles of a judge of which one order is missing or cannot be read. Position may decide them, so they are left
    out unless they were asked for."""


Pairing = tuple[str, str, str]
"""Prompt, left, right."""


def pairing_of(game: Game) -> Pairing:
    """Which battle a game belongs to, whatever the order in which it was shown."""
    left, right = sorted((game.first, game.second))
    return game.prompt, left, right


def games_of(trials: Sequence[Trial], judgements: Iterable[Judgement], prompt: str = "") -> list[Game]:
    """What judges said of the answers to one prompt, one judgement for each order; without a judge: equal answers.

    Args:
        trials: Each player's answer, the player being its arm.
        judgements: With scores of left, which was shown first, and right; without them where it could not be read.
        prompt: Its id.
    """
    return [
        Game(
            prompt=prompt,
            judge=one.judge,
            first=trials[one.left].arm,
            second=trials[one.right].arm,
            first_score=one.scores[0] if one.scores else None,
            second_score=one.scores[1] if one.scores else None,
            reason=one.reason,
            answers_are_equal=not one.judge,
            first_reward=one.rewards[0] if one.rewards else None,
            second_reward=one.rewards[1] if one.rewards else None,
            gap=one.gap,
            scale=one.scale,
        )
        for one in judgements
    ]


def battles_of(games: Iterable[Game], *, one_order_counts: bool = False) -> Judged:
    """Join games into battles, in the order in which they first appear.

    A juror counts for a battle with both orders or not at all; a reward model, which knows no order, with its one game,
    if its rewards stand for points. A game that is there twice counts once, as first seen. Equal answers are a battle
    without scores.

    Args:
        games: In any order.
        one_order_counts: For data of others that were judged in one order only.
    """
    by_pairing: dict[Pairing, dict[str, dict[bool, Game]]] = defaultdict(lambda: defaultdict(dict))
    equal: set[Pairing] = set()
    for game in games:
        pairing = pairing_of(game)
        by_judge = by_pairing[pairing]
        if game.answers_are_equal:
            equal.add(pairing)
        else:
            by_judge[game.judge].setdefault(game.first == pairing[1], game)
    found: list[Battle] = []
    incomplete = 0
    for pairing, by_judge in by_pairing.items():
        asked, measured = _of_judges(by_judge)
        incomplete += sum(len(orders) < 2 for orders in asked.values())
        counted = {judge: orders for judge, orders in asked.items() if len(orders) >= (1 if one_order_counts else 2)}
        counted |= {judge: [game] for judge, game in measured.items() if game.has_scores}
        if counted:
            found.append(_battle(pairing, counted))
        elif distances := {judge: one.points_for(pairing[1]) for judge, one in measured.items() if one.gap is not None}:
            found.append(_distance(pairing, distances))
        elif pairing in equal:
            prompt, left, right = pairing
            found.append(Battle(prompt=prompt, left=left, right=right, left_score=None, right_score=None))
    return Judged(tuple(found), incomplete)


def _of_judges(by_judge: Mapping[str, Mapping[bool, Game]]) -> tuple[dict[str, list[Game]], dict[str, Game]]:
    """Games with scores, of each judge that was shown both answers; and the one game of each that measured them."""
    measured = {judge: one for judge, games in by_judge.items() for one in games.values() if one.is_measured}
    asked = {judge: games for judge, games in by_judge.items() if not is_reward_model(judge)}
    return {judge: [one for one in games.values() if one.has_scores] for judge, games in asked.items()}, measured


def _distance(pairing: Pairing, by_judge: Mapping[str, float]) -> Battle:
    """A battle of which no juror says points of each answer."""
    prompt, left, right = pairing
    return Battle(
        prompt=prompt,
        left=left,
        right=right,
        left_score=None,
        right_score=None,
        distance=fmean(by_judge.values()),
        spread=pstdev(by_judge.values()),
        jurors=tuple(by_judge),
    )


def _battle(pairing: Pairing, by_judge: Mapping[str, Sequence[Game]]) -> Battle:
    prompt, left, right = pairing

    def means(player: str) -> Sequence[float]:
        return [fmean(game.score_of(player) for game in games) for games in by_judge.values()]

    lefts, rights = means(left), means(right)
    return Battle(
        prompt=prompt,
        left=left,
        right=right,
        left_score=fmean(lefts),
        right_score=fmean(rights),
        spread=pstdev([one - other for one, other in zip(lefts, rights, strict=True)]) if len(lefts) > 1 else 0.0,
        jurors=tuple(by_judge),
        both_orders=all(len(games) == 2 or games[0].is_measured for games in by_judge.values()),
    )
