"""How far a judge can be trusted: what its games say about the judge instead of the players. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from star_agents.arena.games import Game, Pairing, pairing_of
from star_agents.records import Flat, is_reward_model
from star_agents.scheduling.win_rates import WinRate, win_rate

Lengths = Mapping[tuple[str, str], int]
"""Characters of an answer, by prompt and player."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeHealth(Flat):
    """One judge."""

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


def judge_health(games: Sequence[Game], lengths: Lengths | None = None) -> tuple[JudgeHealth, ...]:
    """Of each judge, in the order in which they first appear.

    Args:
        games: All of them; those that cannot be read count as that.
        lengths: Left out, nothing is said of long answers.
    """
    by_judge = _by_judge(games)
    gaps = {judge: _gaps(own) for judge, own in by_judge.items()}
    return tuple(_health(judge, own, gaps, lengths or {}) for judge, own in by_judge.items())


def juror_spread(games: Sequence[Game]) -> float | None:
    """Mean over battles of how far jurors lie apart; ``None`` where no two judged the same."""
    apart = juror_spreads(games)
    return fmean(apart.values()) if apart else None


def juror_spreads(games: Sequence[Game]) -> dict[Pairing, float]:
    """Of each battle that two jurors or more judged in both orders: the distance between those two that lie farthest
    apart, in points of left minus right."""
    by_pairing: dict[Pairing, list[float]] = defaultdict(list)
    for own in _by_judge(games).values():
        for pairing, (one, other) in _gaps(own).items():
            by_pairing[pairing].append((one + other) / 2)
    return {pairing: max(gaps) - min(gaps) for pairing, gaps in by_pairing.items() if len(gaps) > 1}


def _by_judge(games: Sequence[Game]) -> dict[str, list[Game]]:
    """Without those that nobody judged, since the answers were equal."""
    found: dict[str, list[Game]] = defaultdict(list)
    for game in games:
        if not game.answers_are_equal:
            found[game.judge].append(game)
    return found


Gaps = Mapping[Pairing, tuple[float, float]]
"""Left minus right in points, with the left one shown first and with it shown second; of a reward model twice the
same."""


def _gaps(games: Sequence[Game]) -> Gaps:
    """Of one judge's battles that can be read in both orders, or were measured."""
    orders: dict[Pairing, dict[bool, float]] = defaultdict(dict)
    for game in games:
        if game.points is not None:
            _, left, _ = pairing = pairing_of(game)
            for is_ahead in (True, False) if game.is_measured else (game.first == left,):
                orders[pairing].setdefault(is_ahead, game.points_for(left))
    return {pairing: (found[True], found[False]) for pairing, found in orders.items() if len(found) == 2}


def _health(judge: str, games: Sequence[Game], of_all: Mapping[str, Gaps], lengths: Lengths) -> JudgeHealth:
    gaps = of_all[judge]
    ordered: Gaps = {} if is_reward_model(judge) else gaps
    # Left minus right while the right one stands first is, for position, the other way round.
    by_place = [(one, -other) for one, other in ordered.values()]
    both = [first for pair in by_place for first in pair]
    longer = [_longer_won(pairing, (one + other) / 2, lengths) for pairing, (one, other) in gaps.items()]
    own = [_own_bonus(judge, pairing, of_all) for pairing in gaps if judge in pairing[1:]]
    bonuses = [bonus for bonus in own if bonus is not None]
    return JudgeHealth(
        judge=judge,
        games=len(games),
        unreadable=sum(not game.is_readable for game in games),
        both_orders=len(ordered),
        agreed=sum(_sign(one) == _sign(other) for one, other in ordered.values()),
        by_position=sum(_sign(one) == -_sign(other) != 0 for one, other in ordered.values()),
        one_order_only=0 if is_reward_model(judge) else len({pairing_of(game) for game in games}) - len(gaps),
        first_won=sum(first > 0 for first in both),
        second_won=sum(first < 0 for first in both),
        first_bonus=fmean(both) if both else None,
        longer_won=sum(won is True for won in longer),
        shorter_won=sum(won is False for won in longer),
        own_battles=len(bonuses),
        self_preference=fmean(bonuses) if bonuses else None,
    )


def _sign(gap: float) -> int:
    return (gap > 0) - (gap < 0)


def _longer_won(pairing: Pairing, gap: float, lengths: Lengths) -> bool | None:
    prompt, left, right = pairing
    one, other = lengths.get((prompt, left)), lengths.get((prompt, right))
    if one is None or other is None or one == other or gap == 0:
        return None
    return (one > other) == (gap > 0)


def _own_bonus(judge: str, pairing: Pairing, of_all: Mapping[str, Gaps]) -> float | None:
    """What the judge gives its own answer beyond what the others give it; ``None`` where no other judged it."""
    side = 1 if pairing[1] == judge else -1
    others = [sum(gaps[pairing]) / 2 for name, gaps in of_all.items() if name != judge and pairing in gaps]
    return side * (sum(of_all[judge][pairing]) / 2 - fmean(others)) if others else None
