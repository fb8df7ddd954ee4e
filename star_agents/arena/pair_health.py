"""A judge held against people, pair by pair, each figure with an interval from a bootstrap over prompts. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np

from star_agents.arena.agreement import SIDES, Labelled, Side, agreement, kappas, side_of
from star_agents.arena.bootstrap import Estimate, Floats, estimate, ratio, resampled_sums, share_estimate
from star_agents.arena.games import Game
from star_agents.arena.judge_health import juror_spreads
from star_agents.arena.people import PeoplesPair
from star_agents.arena.ratings import RESAMPLES
from star_agents.records import Flat

FIRST, SECOND = "first", "second"
"""Players of games over labelled pairs: which answer it is in the data."""
JURY = "all together"
_COLUMNS = (
    *("read", "right", "decided", "decided_right", "both", "consistent", "to_first", "to_second", "ties"),
    *("votes", "unread", "bonus", "bonus_of", "longer", "longer_of", "people_longer", "people_longer_of"),
)
_AT = {name: number for number, name in enumerate(_COLUMNS)}
_TABLE = len(_COLUMNS)
"""Where the table of labels against verdicts begins."""


class Heard(NamedTuple):
    """What a judge said of one pair."""

    pair: PeoplesPair
    said: Labelled
    first_bonus: float | None = None
    """Points of what was shown first minus those of what was shown second, mean of both orders."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairHealth(Flat):
    """One judge against people. Shares are from 0 to 1; all but ``unreadable`` is of pairs that could be read."""

    judge: str
    pairs: int
    orders: int
    """In how many each pair was judged; with one, nobody can tell what its place did to it."""
    read: int
    """Pairs of which every order could be read."""
    accuracy: Estimate
    """Judge and people say the same of first, second and tie."""
    kappa: Estimate
    """Cohen's."""
    decided_accuracy: Estimate
    """Accuracy where neither says tie."""
    ties: Estimate
    """Share of pairs that the judge calls a tie."""
    orders_agree: Estimate
    """Share of pairs of which both orders say the same."""
    position_bias: Estimate
    """Share of pairs of which both orders name the answer at the same place."""
    to_first: int
    """Those of them in which that is what was shown first."""
    to_second: int
    first_bonus: Estimate
    """Points by which what is shown first is favoured; only of judges that give points."""
    longer: Estimate
    """Share of its decided pairs that go to the longer answer."""
    people_longer: Estimate
    """The same of people, on the pairs that the judge was asked about."""
    length_bias: Estimate
    """The one minus the other: above 0, it likes long answers more than people do."""
    unreadable: Estimate
    """Share of votes, one for each order, that could not be read."""
    votes: int
    unreadable_votes: int
    cost_usd: float | None = None
    """Of its calls; ``None`` where no price is known."""
    calls_of_unknown_price: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: one._asdict() if isinstance(one, Estimate) else one for name, one in values.items()}


class Spread(NamedTuple):
    """How far jurors lie apart."""

    points: Estimate
    """Mean distance between the two that lie farthest apart, in points of first minus second."""
    pairs: int
    """That two or more of them judged."""


def heard_of(pairs: Iterable[PeoplesPair], games: Sequence[Game]) -> list[Heard]:
    """What one judge, or several by the mean of their points, said of each pair that was asked about.

    Args:
        pairs: Those that no label can be found for are left out.
        games: Over these pairs: ``prompt`` is a pair's id, the players are ``FIRST`` and ``SECOND``. Of several judges,
            a pair counts with those that could be read in both orders.
    """
    by_pair: dict[str, dict[str, dict[bool, Game]]] = defaultdict(lambda: defaultdict(dict))
    for game in games:
        if not game.answers_are_equal:
            by_pair[game.prompt][game.judge].setdefault(game.first == FIRST, game)
    return [
        _heard(pair, pair.label, by_pair[pair.id].values())
        for pair in pairs
        if pair.label is not None and pair.id in by_pair
    ]


def _heard(pair: PeoplesPair, label: Side, by_judge: Iterable[Mapping[bool, Game]]) -> Heard:
    orders = list(by_judge)
    whole = [one for one in orders if all(ahead in one and one[ahead].is_readable for ahead in (True, False))]
    if not whole:
        # Of one judge whose other order is lost, what the first one says is known all the same.
        forward, backward = (_side(orders[0].get(ahead)) if len(orders) == 1 else None for ahead in (True, False))
        return Heard(pair, Labelled(label=label, forward=forward, backward=backward))
    ahead, behind = (fmean(_points(one[is_ahead]) for one in whole) for is_ahead in (True, False))
    said = Labelled(label=label, forward=side_of(ahead), backward=side_of(behind), points=(ahead + behind) / 2)
    return Heard(pair, said, (ahead - behind) / 2)


def _points(game: Game) -> float:
    return game.score_of(FIRST) - game.score_of(SECOND)


def _side(game: Game | None) -> Side | None:
    return None if game is None or not game.is_readable else side_of(_points(game))


def pair_health(
    judge: str,
    heard: Sequence[Heard],
    *,
    resamples: int = RESAMPLES,
    cost_usd: float | None = 0.0,
    calls_of_unknown_price: int = 0,
) -> PairHealth:
    """One judge against people.

    The bootstrap draws prompts, as that of ratings does: all pairs over one prompt stay together. The interval of a
    share is never narrower than Wilson's.
    """
    sums = _sums(heard)
    total, drawn = sums.sum(0), resampled_sums(sums, resamples)

    def share(part: str, whole: str) -> Estimate:
        return share_estimate(_AT[part], _AT[whole], total, drawn)

    def of_table(columns: Floats) -> Floats:
        return kappas(columns[..., _TABLE:].reshape(*columns.shape[:-1], len(SIDES), len(SIDES)))

    def mean(part: str, whole: str) -> Estimate:
        return estimate(lambda columns: _ratio(columns, part, whole), total, drawn)

    counted = {name: round(total[number]) for name, number in _AT.items()}
    bias = estimate(
        lambda columns: _ratio(columns, "longer", "longer_of") - _ratio(columns, "people_longer", "people_longer_of"),
        total,
        drawn,
    )
    return PairHealth(
        judge=judge,
        pairs=len(heard),
        orders=max((one.said.orders for one in heard), default=2),
        read=counted["read"],
        accuracy=share("right", "read"),
        kappa=estimate(of_table, total, drawn),
        decided_accuracy=share("decided_right", "decided"),
        ties=share("ties", "read"),
        orders_agree=share("consistent", "both"),
        position_bias=_position_bias(total, drawn),
        to_first=counted["to_first"],
        to_second=counted["to_second"],
        first_bonus=mean("bonus", "bonus_of"),
        longer=share("longer", "longer_of"),
        people_longer=share("people_longer", "people_longer_of"),
        length_bias=bias,
        unreadable=share("unread", "votes"),
        votes=counted["votes"],
        unreadable_votes=counted["unread"],
        cost_usd=cost_usd,
        calls_of_unknown_price=calls_of_unknown_price,
    )


def _ratio(columns: Floats, part: str, whole: str) -> Floats:
    return ratio(columns[..., _AT[part]], columns[..., _AT[whole]])


def _position_bias(total: Floats, drawn: Floats) -> Estimate:
    """Of both places together, in a column of its own."""

    def joined(columns: Floats) -> Floats:
        either = columns[..., _AT["to_first"]] + columns[..., _AT["to_second"]]
        return np.stack([either, columns[..., _AT["both"]]], axis=-1)

    return share_estimate(0, 1, joined(total), joined(drawn))


def _sums(heard: Sequence[Heard]) -> Floats:
    """(prompts, columns)."""
    by_prompt: dict[str, list[Heard]] = defaultdict(list)
    for one in heard:
        by_prompt[one.pair.prompt].append(one)
    rows = [_row(some) for some in by_prompt.values()]
    return np.array(rows, dtype=np.float64).reshape(len(rows), _TABLE + len(SIDES) ** 2)


def _row(heard: Sequence[Heard]) -> list[float]:
    """What the pairs over one prompt add."""
    counted = agreement([one.said for one in heard])
    verdicts = [(one.pair.longer, one.said.label, one.said.verdict) for one in heard]
    judged = [(longer, verdict) for longer, _, verdict in verdicts if "tie" not in (longer, verdict) and verdict]
    labelled = [(longer, label) for longer, label, verdict in verdicts if "tie" not in (longer, label) and verdict]
    bonuses = [one.first_bonus for one in heard if one.first_bonus is not None]
    found = {
        "read": counted.pairs - counted.unreadable,
        "right": counted.right,
        "decided": counted.decided,
        "decided_right": counted.decided_right,
        "both": counted.both_orders,
        "consistent": counted.consistent,
        "to_first": counted.for_first_shown,
        "to_second": counted.for_second_shown,
        "ties": sum(row[-1] for row in counted.table),
        "votes": sum(one.said.orders for one in heard),
        "unread": sum(one.said.unreadable for one in heard),
        "bonus": sum(bonuses),
        "bonus_of": len(bonuses),
        "longer": sum(longer == verdict for longer, verdict in judged),
        "longer_of": len(judged),
        "people_longer": sum(longer == label for longer, label in labelled),
        "people_longer_of": len(labelled),
    }
    return [*(found[name] for name in _COLUMNS), *(n for row in counted.table for n in row)]


def jurors_apart(pairs: Iterable[PeoplesPair], games: Sequence[Game], *, resamples: int = RESAMPLES) -> Spread:
    """How far the judges of the same pairs lie apart."""
    prompts = {one.id: one.prompt for one in pairs}
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for (pair, _, _), apart in juror_spreads(games).items():
        if pair in prompts:
            sums[prompts[pair]][0] += apart
            sums[prompts[pair]][1] += 1
    rows = np.array(list(sums.values()), dtype=np.float64).reshape(len(sums), 2)
    total = rows.sum(0)
    points = estimate(lambda columns: ratio(columns[..., 0], columns[..., 1]), total, resampled_sums(rows, resamples))
    return Spread(points, round(total[1]))
