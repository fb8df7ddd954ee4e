"""Elo ratings of players: a Bradley-Terry fit on Elo's scale, with intervals from a bootstrap over prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from star_agents.arena.bootstrap import CELLS, Floats
from star_agents.arena.bradley_terry import strengths
from star_agents.arena.games import Result
from star_agents.arena.win_table import Numbers, WinTable
from star_agents.records import Flat

SCALE = 400.0 / math.log(10.0)
"""Elo points in a natural-log unit of strength: 400 points are odds of 10 to 1."""
ANCHOR_RATING = 1000.0
RESAMPLES = 1000
Standing = Literal["wins all", "rated", "loses all", "unrated"]
"""In the order of a leaderboard. ``wins all``, ``loses all``: against the rated, or through others, so that no finite
rating fits; ``unrated``: never met them, or is joined to them in no direction."""
STANDINGS: tuple[Standing, ...] = get_args(Standing)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rating(Flat):
    """How strong a player is."""

    player: str
    standing: Standing
    rating: float | None = None
    """Elo points; ``None`` unless rated."""
    low: float | None = None
    """Ends of the 95 % interval; ``None``: open on that side, since in more than 2.5 % of the resamples the player has
    no finite rating there."""
    high: float | None = None
    battles: int = 0
    wins: int = 0
    ties: int = 0

    @property
    def losses(self) -> int:
        """Battles neither won nor tied."""
        return self.battles - self.wins - self.ties


@dataclass(frozen=True, kw_only=True, slots=True)
class Ratings:
    """Ratings of all players on one scale, with how they came about."""

    players: tuple[Rating, ...] = ()
    """The strongest first: who wins all, the rated by rating, who loses all, the unrated."""
    anchor: str = ""
    anchor_rating: float = ANCHOR_RATING
    prompts: int = 0
    battles: int = 0
    resamples: int = 0
    meetings: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    """How often each player met each other one."""
    points: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    """Wins of the row's player over the column's, a tie half a win."""

    def of(self, player: str) -> Rating:
        """One player's.

        Raises:
            KeyError: that player is in no battle.
        """
        return next((one for one in self.players if one.player == player), None) or _unknown(player)


def _unknown(player: str) -> Rating:
    raise KeyError(player)


def rate(
    results: Sequence[Result],
    *,
    anchor: str | None = None,
    anchor_rating: float = ANCHOR_RATING,
    resamples: int = RESAMPLES,
    seed: int = 0,
    cells: int = CELLS,
) -> Ratings:
    """Rate everybody who is in a battle.

    The bootstrap resamples *prompts*: all battles over one prompt stay together, since a prompt that suits one model
    shows in all of its battles. A bootstrap over battles takes them for independent, and its intervals are too narrow.
    The interval of the anchor has no width: ratings are differences to it.

    Args:
        results: The battles, each pair of players once per prompt or more often.
        anchor: Who stands at ``anchor_rating``; left out, the player with the most battles (the first by name of
            several).
        anchor_rating: In Elo points.
        resamples: Of the bootstrap; 0: no intervals.
        seed: Of its random numbers.
        cells: Numbers that the bootstrap may hold at once, about.

    Raises:
        ValueError: the anchor is in no battle, or there is none.
    """
    names = sorted({name for one in results for name in (one.left, one.right)})
    table = WinTable.of(results, {name: number for number, name in enumerate(names)})
    return rate_table(
        table, names, anchor=anchor, anchor_rating=anchor_rating, resamples=resamples, seed=seed, cells=cells
    )


def rate_table(
    table: WinTable,
    names: Sequence[str],
    *,
    anchor: str | None = None,
    anchor_rating: float = ANCHOR_RATING,
    resamples: int = RESAMPLES,
    seed: int = 0,
    cells: int = CELLS,
) -> Ratings:
    """The same of battles that are counted already; ``names``: of the players, in the table's order.

    Raises:
        ValueError: the anchor is in no battle, or there is none.
    """
    if not len(table.value):
        raise ValueError("there is no battle to rate players by")
    if anchor is not None and anchor not in names:
        raise ValueError(f"{anchor} is in no battle: nobody can be rated against it")
    met = table.wins + table.wins.T
    at = int(met.sum(1).argmax()) if anchor is None else names.index(anchor)
    fitted = strengths(table.wins, at)
    low, high = _interval(table, at, resamples, seed, cells) if resamples else (fitted, fitted)
    players = [
        Rating(
            player=name,
            standing=_standing(fitted[number]),
            rating=_points(fitted[number], anchor_rating),
            low=_points(low[number], anchor_rating, known=resamples > 0 and np.isfinite(fitted[number])),
            high=_points(high[number], anchor_rating, known=resamples > 0 and np.isfinite(fitted[number])),
            battles=round(met[number].sum()),
            wins=int(table.won[number]),
            ties=int(table.tied[number]),
        )
        for number, name in enumerate(names)
    ]
    return Ratings(
        players=tuple(sorted(players, key=_rank)),
        anchor=names[at],
        anchor_rating=anchor_rating,
        prompts=table.prompts,
        battles=len(table.value),
        resamples=resamples,
        meetings=_by_names(names, met.round().astype(int)),
        points=_by_names(names, table.wins),
    )


def _points(strength: float, anchor_rating: float, *, known: bool = True) -> float | None:
    return anchor_rating + SCALE * float(strength) if known and np.isfinite(strength) else None


def _by_names(names: Sequence[str], table: Numbers) -> dict[str, dict[str, Any]]:
    """Row to column to number, without the diagonal."""
    rows = zip(names, table.tolist(), strict=True)
    return {one: {other: n for other, n in zip(names, row, strict=True) if other != one} for one, row in rows}


def _standing(strength: float) -> Standing:
    if np.isfinite(strength):
        return "rated"
    return "unrated" if np.isnan(strength) else "wins all" if strength > 0 else "loses all"


def _rank(one: Rating) -> tuple[int, float, str]:
    return STANDINGS.index(one.standing), -(one.rating or 0.0), one.player


def _interval(table: WinTable, anchor: int, resamples: int, seed: int, cells: int) -> tuple[Floats, Floats]:
    """2.5 and 97.5 percentiles of each player's strength over resamples of the prompts."""
    found = np.concatenate([strengths(some, anchor) for some in table.resampled(resamples, seed, cells=cells)])
    # Who is not joined to the anchor in a resample could be anywhere: such a resample speaks for either end.
    low = np.sort(np.where(np.isnan(found), -np.inf, found), 0)
    high = np.sort(np.where(np.isnan(found), np.inf, found), 0)
    outside = int(0.025 * resamples)
    return low[outside], high[resamples - 1 - outside]
