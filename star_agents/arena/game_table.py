"""Games as columns of numbers, so that a hundred thousand battles are joined in a moment. Pure.

A juror counts for a battle by its first game in each order: ``games.battles_of`` says the same of a few games. A reward
model measures each answer by itself: its one game stands for both orders.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from star_agents.arena.bootstrap import Floats
from star_agents.arena.games import LEAST_GAP, Game
from star_agents.records import is_reward_model

Numbers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class GameRow(NamedTuple):
    """One game."""

    prompt: str
    judge: str
    """Empty where both answers are one."""
    first: str
    second: str
    first_score: float | None
    second_score: float | None
    gap: float | None = None
    """First minus second in points, of a reward model whose points are a distance and not those of each answer."""
    is_measured: bool = False
    """Whether a reward model measured both answers, be it without any points."""


class GameColumns:
    """Games as they come, kept as numbers: without an object for each the garbage collector, which holds up every
    thread, has nothing to go through."""

    def __init__(self) -> None:
        self.prompts: dict[str, int] = {}
        """To their numbers; so are judges and players."""
        self.judges: dict[str, int] = {}
        self.players: dict[str, int] = {}
        self.named = tuple(array("q") for _ in range(4))
        """Prompt, judge, first and second of each game."""
        self.points = tuple(array("d") for _ in range(3))
        """Points of the first, of the second, and the gap; NaN where there are none."""
        self.measured = array("b")

    @classmethod
    def of(cls, rows: Iterable[GameRow]) -> Self:
        """With these games."""
        columns = cls()
        for row in rows:
            columns.append(row)
        return columns

    def __len__(self) -> int:
        return len(self.measured)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GameColumns) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # it grows

    def append(self, row: GameRow) -> None:
        """Add a game."""
        prompts, judges, first, second = self.named
        prompts.append(self.prompts.setdefault(row.prompt, len(self.prompts)))
        judges.append(self.judges.setdefault(row.judge, len(self.judges)))
        first.append(self.players.setdefault(row.first, len(self.players)))
        second.append(self.players.setdefault(row.second, len(self.players)))
        for column, points in zip(self.points, row[4:7], strict=True):
            column.append(math.nan if points is None else points)
        self.measured.append(row.is_measured)

    def __iter__(self) -> Iterator[GameRow]:
        prompts, judges, players = (tuple(names) for names in (self.prompts, self.judges, self.players))
        for at in range(len(self)):
            prompt, judge, first, second = (column[at] for column in self.named)
            first_score, second_score, gap = (None if math.isnan(one[at]) else one[at] for one in self.points)
            yield GameRow(
                prompts[prompt],
                judges[judge],
                players[first],
                players[second],
                first_score,
                second_score,
                gap,
                is_measured=bool(self.measured[at]),
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class GameTable:
    """Every game, in the order in which it was given."""

    prompts: tuple[str, ...]
    """Ids, in the order in which they first appear; so are judges."""
    judges: tuple[str, ...]
    """``""`` stands for nobody: both answers were one."""
    players: tuple[str, ...]
    """In alphabetical order: of two players the left one comes first in it."""
    prompt: Numbers
    judge: Numbers
    left: Numbers
    right: Numbers
    left_is_first: Bools
    left_score: Floats
    """NaN where the judge gave no points to each."""
    right_score: Floats
    gap: Floats
    """Left minus right in points; NaN where there are none."""
    is_readable: Bools

    @classmethod
    def of(cls, games: Iterable[Game]) -> Self:
        """From games."""
        return cls.of_rows(
            GameRow(
                one.prompt,
                "" if one.answers_are_equal else one.judge,
                one.first,
                one.second,
                one.first_score,
                one.second_score,
                one.gap,
                one.is_measured,
            )
            for one in games
        )

    @classmethod
    def of_rows(cls, rows: Iterable[GameRow]) -> Self:
        """From plain rows."""
        return cls.of_columns(GameColumns.of(rows))

    @classmethod
    def of_columns(cls, columns: GameColumns) -> Self:
        """From what was gathered so far; later additions do not show in it."""
        players = tuple(sorted(columns.players))
        rank = np.zeros(len(players), dtype=np.int64)
        for place, name in enumerate(players):
            rank[columns.players[name]] = place
        prompt, judge, first, second = (np.array(one, dtype=np.int64) for one in columns.named)
        first_score, second_score, distance = (np.array(one, dtype=np.float64) for one in columns.points)
        one, other = rank[first], rank[second]
        ahead = one < other
        has_scores = ~np.isnan(first_score - second_score)
        gap = np.where(has_scores, first_score - second_score, distance)
        return cls(
            prompts=tuple(columns.prompts),
            judges=tuple(columns.judges),
            players=players,
            prompt=prompt,
            judge=judge,
            left=np.minimum(one, other),
            right=np.maximum(one, other),
            left_is_first=ahead,
            left_score=np.where(has_scores, np.where(ahead, first_score, second_score), np.nan),
            right_score=np.where(has_scores, np.where(ahead, second_score, first_score), np.nan),
            gap=np.where(ahead, gap, -gap),
            is_readable=has_scores | np.array(columns.measured, dtype=np.bool_),
        )

    @cached_property
    def is_judged(self) -> Bools:
        """Games that somebody was asked about."""
        nobody = self.judges.index("") if "" in self.judges else -1
        return np.asarray(self.judge != nobody)

    @cached_property
    def pairing(self) -> Numbers:
        """Number of each game's battle: prompt, left and right, in the order in which battles first appear."""
        size = max(len(self.players), 1)
        _, first, found = np.unique(
            (self.prompt * size + self.left) * size + self.right, return_index=True, return_inverse=True
        )
        rank = np.empty(len(first), dtype=np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        return np.asarray(rank[found])

    @cached_property
    def pairings(self) -> tuple[Numbers, Numbers, Numbers]:
        """Prompt, left and right of each battle."""
        _, at = np.unique(self.pairing, return_index=True)
        return self.prompt[at], self.left[at], self.right[at]

    @cached_property
    def measures(self) -> Bools:
        """(judges,) Which of them are reward models."""
        return np.array([is_reward_model(judge) for judge in self.judges], dtype=np.bool_)

    @cached_property
    def views(self) -> Views:
        """What each judge said of each battle that it was asked about."""
        games, size = np.flatnonzero(self.is_judged), max(len(self.judges), 1)
        keys, of_view = np.unique(self.pairing[games] * size + self.judge[games], return_inverse=True)
        found = [np.full((len(keys), 2), np.nan) for _ in range(3)]
        ahead, measured = self.left_is_first[games], self.measures[self.judge[games]]
        for order in (False, True):
            # The first game of an order counts, so games are put down from the last to the first.
            of = np.flatnonzero((ahead == order) | measured)[::-1]
            for scores, column in zip(found, (self.left_score, self.right_score, self.gap), strict=True):
                scores[of_view[of], int(order)] = column[games[of]]
        judge = keys % size
        is_measured = self.measures[judge] if len(judge) else np.zeros(0, dtype=np.bool_)
        left, right, gaps = found
        return Views(pairing=keys // size, judge=judge, left=left, right=right, gaps=gaps, is_measured=is_measured)

    def battles(self, *, one_order_counts: bool = False, orders_must_agree: bool = False) -> Battles:
        """Games joined into battles.

        Args:
            one_order_counts: For data of others that were judged in one order only.
            orders_must_agree: A judge whose two orders name different winners, or a winner and none, says a tie, as in
                FastChat; else the mean of both orders decides.
        """
        views, number = self.views if not orders_must_agree else self.views.with_ties(), len(self.pairings[0])
        readable = ~np.isnan(views.left)
        counts: Bools = np.asarray(readable.any(1) if one_order_counts else readable.all(1))
        scored, gaps = _mean_gap(views, counts, number)
        # Where nobody scored each answer, distances that reward models tell decide.
        measured, distances = _mean_gap(views, views.is_measured & views.is_whole & ~counts, number)
        gaps = np.where(scored, gaps, distances)
        equal = np.zeros(number, dtype=np.bool_)
        equal[self.pairing[~self.is_judged]] = True
        there = scored | measured | equal
        value = np.where(np.abs(gaps) < LEAST_GAP, 0.5, (gaps > 0).astype(np.float64))
        prompt, left, right = (one[there] for one in self.pairings)
        return Battles(
            prompt=prompt,
            left=left,
            right=right,
            value=value[there],
            one_order_only=int((~readable.all(1) & ~views.is_measured).sum()),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Views:
    """One judge's view of one battle, each."""

    pairing: Numbers
    judge: Numbers
    left: Floats
    """(views, 2): points of the left one with the right one shown first, and with itself shown first; NaN unread."""
    right: Floats
    gaps: Floats
    """(views, 2): left minus right in points, in each order."""
    is_measured: Bools
    """By a reward model, which knows no order."""

    @cached_property
    def is_whole(self) -> Bools:
        """There are points for both orders."""
        return np.asarray(~np.isnan(self.gaps).any(1))

    def with_ties(self) -> Views:
        """The same with a tie wherever the two orders do not say the same."""
        signs = np.sign(np.where(np.abs(self.gaps) < LEAST_GAP, 0.0, self.gaps))
        differ = (self.is_whole & (signs[:, 0] != signs[:, 1]))[:, None]
        level = np.where(differ, (self.left + self.right).mean(1, keepdims=True) / 2, np.nan)
        return replace(
            self,
            left=np.where(differ, level, self.left),
            right=np.where(differ, level, self.right),
            gaps=np.where(differ, 0.0, self.gaps),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Battles:
    """How each battle that counts ended."""

    prompt: Numbers
    left: Numbers
    right: Numbers
    value: Floats
    """1: the left one won, 0: the right one, 0.5: a tie."""
    one_order_only: int
    """Battles of a judge of which one order is missing or cannot be read."""


def _mean_gap(views: Views, counted: Bools, number: int) -> tuple[Bools, Floats]:
    """(battles,) Whether any of these views is of it, and the mean over their judges of left minus right."""
    left, right, gaps = (found[counted] for found in (views.left, views.right, views.gaps))
    scored = ~np.isnan(left)
    orders = np.maximum(scored.sum(1), 1)
    by_scores = np.where(scored, left, 0).sum(1) / orders - np.where(scored, right, 0).sum(1) / orders
    gap = np.where(scored.any(1), by_scores, gaps[:, 0] if len(gaps) else 0.0)
    at = views.pairing[counted]
    jurors = np.bincount(at, minlength=number)
    total = np.bincount(at, weights=gap, minlength=number)
    return jurors > 0, total / np.maximum(jurors, 1)


def lengths_of(table: GameTable, lengths: Mapping[tuple[str, str], int]) -> tuple[Floats, Floats]:
    """(battles,) Characters of the left and of the right answer; NaN where that is not known."""
    prompt, left, right = table.pairings
    place = {name: number for number, name in enumerate(table.players)}
    at = {name: number for number, name in enumerate(table.prompts)}
    known = np.full((len(table.prompts), max(len(table.players), 1)), np.nan)
    for (of, player), characters in lengths.items():
        if of in at and player in place:
            known[at[of], place[player]] = characters
    return known[prompt, left], known[prompt, right]
