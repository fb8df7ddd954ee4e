"""A leaderboard with all that says how far to trust it, as plain data. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from star_agents.arena.game_table import Battles, GameTable
from star_agents.arena.games import Game
from star_agents.arena.judge_health import JudgeHealth, Lengths, judge_health, juror_spread
from star_agents.arena.ratings import ANCHOR_RATING, RESAMPLES, Ratings, rate_table
from star_agents.arena.win_table import WinTable
from star_agents.scheduling.win_rates import WinRate, win_rate

UNLABELLED = "(none)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaderboard:
    """Ratings, and what stands behind them."""

    ratings: Ratings
    judges: tuple[JudgeHealth, ...]
    spread: float | None
    """How far jurors lie apart, in points; ``None`` for one juror."""
    one_order_only: int
    """Battles of a judge that saw one order only; whether they count is ``one_order_counts``."""
    one_order_counts: bool
    by_label: Mapping[str, Mapping[str, Mapping[str, WinRate]]] = field(
        default_factory=dict[str, Mapping[str, Mapping[str, WinRate]]]
    )
    """Label, such as category, to its value, to player, to the share of points that it won; a tie is half a point."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data: for scripts, the page, and the report."""
        return {
            "anchor": self.ratings.anchor,
            "anchor_rating": self.ratings.anchor_rating,
            "battles": self.ratings.battles,
            "prompts": self.ratings.prompts,
            "resamples": self.ratings.resamples,
            "players": [{**one.to_dict(), "losses": one.losses} for one in self.ratings.players],
            "meetings": self.ratings.meetings,
            "points": self.ratings.points,
            "judges": [asdict(one) for one in self.judges],
            "juror_spread": self.spread,
            "one_order_only": self.one_order_only,
            "one_order_counts": self.one_order_counts,
            "by_label": {
                label: {
                    value: {player: rate._asdict() for player, rate in players.items()}
                    for value, players in values.items()
                }
                for label, values in self.by_label.items()
            },
        }


def leaderboard(
    games: GameTable | Sequence[Game],
    *,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    questions: Mapping[str, str] | None = None,
    lengths: Lengths | None = None,
    anchor: str | None = None,
    anchor_rating: float = ANCHOR_RATING,
    resamples: int = RESAMPLES,
    one_order_counts: bool = False,
    orders_must_agree: bool = False,
) -> Leaderboard:
    """Rate everybody who played.

    Args:
        games: All of them, in any order.
        labels: By prompt, what to group battles by.
        questions: By prompt, the question that it is a turn of, for those that are: the bootstrap draws all turns of a
            question together.
        lengths: Of the answers, for what judges make of long ones.
        anchor: As ``rate`` has it, like the two after it.
        anchor_rating: Likewise.
        resamples: Likewise.
        one_order_counts: Whether battles that were judged in one order only count.
        orders_must_agree: Whether a judge whose two orders differ says a tie.

    Raises:
        ValueError: no battle counts, or the anchor is in none.
    """
    table = games if isinstance(games, GameTable) else GameTable.of(games)
    battles = table.battles(one_order_counts=one_order_counts, orders_must_agree=orders_must_agree)
    return Leaderboard(
        ratings=_rated(table, battles, questions or {}, anchor, anchor_rating, resamples),
        judges=judge_health(table, lengths),
        spread=juror_spread(table),
        one_order_only=battles.one_order_only,
        one_order_counts=one_order_counts,
        by_label=_by_label(table, battles, labels or {}),
    )


def _rated(
    table: GameTable,
    battles: Battles,
    questions: Mapping[str, str],
    anchor: str | None,
    anchor_rating: float,
    resamples: int,
) -> Ratings:
    """Of those who are in a battle that counts."""
    players, of = np.unique(np.concatenate([battles.left, battles.right]), return_inverse=True)
    number: dict[str, int] = {}
    drawn_as = [number.setdefault(questions.get(prompt, prompt), len(number)) for prompt in table.prompts]
    prompts, prompt = np.unique(np.array(drawn_as, dtype=np.int64)[battles.prompt], return_inverse=True)
    left, right = of[: len(battles.left)], of[len(battles.left) :]
    counted = WinTable.counted(prompt, left, right, battles.value, players=len(players), prompts=len(prompts))
    names = [table.players[place] for place in players]
    return rate_table(counted, names, anchor=anchor, anchor_rating=anchor_rating, resamples=resamples)


def _by_label(
    table: GameTable, battles: Battles, labels: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, dict[str, WinRate]]]:
    """Shares of points, for each label that any prompt has."""
    names = sorted({name for found in labels.values() for name in found})
    player = np.concatenate([battles.left, battles.right])
    points = np.concatenate([battles.value, 1 - battles.value])
    found: dict[str, dict[str, dict[str, WinRate]]] = {}
    for name in names:
        of_prompt = [labels.get(prompt, {}).get(name, UNLABELLED) for prompt in table.prompts]
        groups = sorted(set(of_prompt))
        number = {group: place for place, group in enumerate(groups)}
        group_of = np.array([number[group] for group in of_prompt], dtype=np.int64)
        cell = np.tile(group_of[battles.prompt], 2) * len(table.players) + player
        size = len(groups) * len(table.players)
        won, met = np.bincount(cell, weights=points, minlength=size), np.bincount(cell, minlength=size)
        found[name] = {}
        for at in np.flatnonzero(met):
            group, of = divmod(int(at), len(table.players))
            # Half points count as that; the interval is that of as many battles, the share rounded to a whole win.
            rate_of = win_rate(int(won[at]), int(met[at]))._replace(rate=float(won[at] / met[at]))
            found[name].setdefault(groups[group], {})[table.players[of]] = rate_of
    return found
