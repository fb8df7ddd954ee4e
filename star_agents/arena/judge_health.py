"""How far a judge can be trusted: what its games say about the judge instead of the players. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from star_agents.arena.bootstrap import Floats
from star_agents.arena.game_table import GameTable, Numbers, lengths_of
from star_agents.arena.games import Game, Pairing
from star_agents.records import Flat
from star_agents.scheduling.win_rates import WinRate, win_rate

Lengths = Mapping[tuple[str, str], int]
"""Characters of an answer, by prompt and player."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeHealth(Flat):
    """How far one judge can be trusted, by its own verdicts."""

    judge: str
    """A reward model, ``reward:MODEL``, measures each answer by itself: of orders and places nothing is counted."""
    games: int = 0
    unreadable: int = 0
    """Games whose reply could not be read, or whose answers a reward model did not take."""
    both_orders: int = 0
    """Battles with a game in each order that can be read."""
    agreed: int = 0
    """Those of them in which both orders named the same winner, or both none."""
    by_position: int = 0
    """Those of them in which each order named the answer at the same place: position decided."""
    one_order_only: int = 0
    """Battles of which the other order is missing or cannot be read."""
    first_won: int = 0
    """Games with both orders in which the answer that was shown first scored more."""
    second_won: int = 0
    first_bonus: float | None = None
    """Mean of first minus second score over both orders of all battles, in points: 0 where position says nothing.
    ``None`` where there is no position, which is no merit."""
    longer_won: int = 0
    """Battles that the longer answer won; of answers of one length, and of ties, nothing is counted."""
    shorter_won: int = 0
    own_battles: int = 0
    """Battles in which the judge plays, too, and that other judges judged as well."""
    self_preference: float | None = None
    """By how many points it favours its own answers over what the others think of them, mean over these battles;
    ``None`` where there is none."""

    @property
    def agreement(self) -> WinRate:
        """Share of battles whose two orders say the same."""
        return win_rate(self.agreed, self.both_orders)

    @property
    def first_share(self) -> WinRate:
        """Share of decided games won by what was shown first; both orders of a battle count, so fair is one half."""
        return win_rate(self.first_won, self.first_won + self.second_won)

    @property
    def longer_share(self) -> WinRate:
        """Share of decided battles won by the longer answer. Longer answers may be better ones: compare judges."""
        return win_rate(self.longer_won, self.longer_won + self.shorter_won)


def judge_health(games: GameTable | Sequence[Game], lengths: Lengths | None = None) -> tuple[JudgeHealth, ...]:
    """Of each judge, in the order in which they first appear.

    Args:
        games: All of them; those that cannot be read count as that.
        lengths: Left out, nothing is said of long answers.
    """
    table = games if isinstance(games, GameTable) else GameTable.of(games)
    left, right = lengths_of(table, lengths or {})
    longer = np.sign(left - right)  # NaN where a length is not known.
    sums = _Sums.of(table)
    asked = np.bincount(table.judge, minlength=len(table.judges))
    unread = np.bincount(table.judge[~table.is_readable], minlength=len(table.judges))
    return tuple(
        _health(judge, table, sums, longer, games=int(asked[number]), unreadable=int(unread[number]))
        for number, judge in enumerate(table.judges)
        if judge
    )


def juror_spread(games: GameTable | Sequence[Game]) -> float | None:
    """Mean over battles of how far jurors lie apart; ``None`` where no two judged the same."""
    apart = _apart(games if isinstance(games, GameTable) else GameTable.of(games))[1]
    return float(apart.mean()) if len(apart) else None


def juror_spreads(games: Sequence[Game]) -> dict[Pairing, float]:
    """Of each battle that two jurors or more judged in both orders: the distance between those two that lie farthest
    apart, in points of left minus right."""
    table = GameTable.of(games)
    at, apart = _apart(table)
    prompt, left, right = (one[at] for one in table.pairings)
    return {
        (table.prompts[of], table.players[one], table.players[other]): float(points)
        for of, one, other, points in zip(prompt, left, right, apart, strict=True)
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sums:
    """Over the jurors of each battle that saw it in both orders."""

    jurors: Numbers
    """(battles,)"""
    gaps: Floats
    """(battles,) Sum of their mean gaps, left minus right."""

    @classmethod
    def of(cls, table: GameTable) -> _Sums:
        views, number = table.views, len(table.pairings[0])
        at = views.pairing[views.is_whole]
        gaps = views.gaps[views.is_whole].mean(1) if len(at) else np.zeros(0)
        total = np.bincount(at, weights=gaps, minlength=number).astype(np.float64)
        return cls(jurors=np.bincount(at, minlength=number), gaps=total)


def _apart(table: GameTable) -> tuple[Numbers, Floats]:
    """Battles with two jurors or more, and how far those lie apart."""
    views, number = table.views, len(table.pairings[0])
    at, sums = views.pairing[views.is_whole], _Sums.of(table)
    gaps = views.gaps[views.is_whole].mean(1) if len(at) else np.zeros(0)
    low, high = np.full(number, np.inf), np.full(number, -np.inf)
    np.minimum.at(low, at, gaps)
    np.maximum.at(high, at, gaps)
    several = np.flatnonzero(sums.jurors > 1)
    return several, (high - low)[several]


def _health(judge: str, table: GameTable, sums: _Sums, longer: Floats, *, games: int, unreadable: int) -> JudgeHealth:
    views = table.views
    own = views.judge == table.judges.index(judge)
    whole = own & views.is_whole
    gap = views.gaps[whole].mean(1) if whole.any() else np.zeros(0)
    in_order = whole & ~views.is_measured
    behind, ahead = views.gaps[in_order].T  # Left minus right, with the right one shown first, and with the left one.
    # Left minus right while the right one stands first is, for position, the other way round.
    by_place = np.concatenate([ahead, -behind])
    won = longer[views.pairing[whole]] * np.sign(gap)
    bonuses = _own_bonuses(judge, table, sums, views.pairing[whole], gap)
    return JudgeHealth(
        judge=judge,
        games=games,
        unreadable=unreadable,
        both_orders=int(in_order.sum()),
        agreed=int((np.sign(ahead) == np.sign(behind)).sum()),
        by_position=int((np.sign(ahead) * np.sign(behind) < 0).sum()),
        one_order_only=int((own & ~views.is_whole & ~views.is_measured).sum()),
        first_won=int((by_place > 0).sum()),
        second_won=int((by_place < 0).sum()),
        first_bonus=float(by_place.mean()) if len(by_place) else None,
        longer_won=int((won > 0).sum()),
        shorter_won=int((won < 0).sum()),
        own_battles=len(bonuses),
        self_preference=float(bonuses.mean()) if len(bonuses) else None,
    )


def _own_bonuses(judge: str, table: GameTable, sums: _Sums, at: Numbers, gap: Floats) -> Floats:
    """What the judge gives its own answers beyond what the others give them, where others judged them, too."""
    _, left, right = table.pairings
    player = table.players.index(judge) if judge in table.players else -1
    side = np.where(left[at] == player, 1.0, np.where(right[at] == player, -1.0, 0.0))
    mine = (side != 0) & (sums.jurors[at] > 1)
    others = (sums.gaps[at] - gap)[mine] / (sums.jurors[at] - 1)[mine]
    return np.asarray(side[mine] * (gap[mine] - others))
