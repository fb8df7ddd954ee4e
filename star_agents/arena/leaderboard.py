"""A leaderboard with all that says how far to trust it, as plain data. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from star_agents.arena.games import Battle, Game, battles_of
from star_agents.arena.judge_health import JudgeHealth, Lengths, judge_health, juror_spread
from star_agents.arena.ratings import ANCHOR_RATING, RESAMPLES, Ratings, rate
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
    games: Sequence[Game],
    *,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    lengths: Lengths | None = None,
    anchor: str | None = None,
    anchor_rating: float = ANCHOR_RATING,
    resamples: int = RESAMPLES,
    one_order_counts: bool = False,
) -> Leaderboard:
    """Rate everybody who played.

    Args:
        games: All of them, in any order.
        labels: By prompt, what to group battles by.
        lengths: Of the answers, for what judges make of long ones.
        anchor: As ``rate`` has it, like the two after it.
        anchor_rating: Likewise.
        resamples: Likewise.
        one_order_counts: Whether battles that were judged in one order only count.

    Raises:
        ValueError: no battle counts, or the anchor is in none.
    """
    battles, one_order_only = battles_of(games, one_order_counts=one_order_counts)
    return Leaderboard(
        ratings=rate(
            [one.result() for one in battles], anchor=anchor, anchor_rating=anchor_rating, resamples=resamples
        ),
        judges=judge_health(games, lengths),
        spread=juror_spread(games),
        one_order_only=one_order_only,
        one_order_counts=one_order_counts,
        by_label=_by_label(battles, labels or {}),
    )


def _by_label(
    battles: Sequence[Battle], labels: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, dict[str, WinRate]]]:
    """Shares of points, for each label that any prompt has."""
    names = sorted({name for found in labels.values() for name in found})
    halves: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])  # half points, battles
    for battle in battles:
        value = battle.result().value
        for name in names:
            group = labels.get(battle.prompt, {}).get(name, UNLABELLED)
            for player, points in ((battle.left, value), (battle.right, 1 - value)):
                cell = halves[name, group, player]
                cell[0] += round(2 * points)
                cell[1] += 1
    found: dict[str, dict[str, dict[str, WinRate]]] = {}
    for (name, group, player), (points, number) in sorted(halves.items()):
        # Half points count as that; the interval is that of as many battles, the share rounded to a whole win.
        rate_of = win_rate(points // 2, number)._replace(rate=points / 2 / number)
        found.setdefault(name, {}).setdefault(group, {})[player] = rate_of
    return found
