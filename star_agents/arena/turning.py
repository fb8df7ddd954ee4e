"""Why a pool turned to an arm or away from it, in words, as far as battles tell: what the target lost there, and how
good the best answers were. Pure.

A reason is told where the interval of a share does not hold what is true of all arms together, and else that too little
is known. Intervals are of 95 % each: of a hundred arms some are told apart by chance.
"""

from __future__ import annotations

from collections.abc import Mapping

from star_agents.arena.lessons import GOOD
from star_agents.observe.status import ByLabel, Turn, Values

LOST, BEST, USEFUL = "lost", "best_score", "usefulness"
"""Names of measures of the target's trials, as recipe ``arena`` declares them."""
FEW = 10
"""Of fewer values nothing is told."""


def why_more(one: Turn, of_all: Turn) -> str:
    """Why it is drawn more; empty where no battle was counted by it."""
    lost, useful = _both(one, of_all, LOST), _both(one, of_all, USEFUL)
    if lost is None:
        return ""
    told = f"the target lost {_share(lost[0])} there, {_percent(lost[1].mean)} of all"
    if _is_above(*lost):
        return told
    if useful is not None and _is_above(*useful):
        return f"{told}, by more: usefulness {_figure(useful[0])}, {_figure(useful[1])} of all"
    return f"{told}: no difference can be told yet"


def why_less(one: Turn, of_all: Turn) -> str:
    """Why it is drawn less; empty where no battle was counted by it."""
    lost, useful, best = _both(one, of_all, LOST), _both(one, of_all, USEFUL), _both(one, of_all, BEST)
    if lost is None:
        return "none of its seeds came to a battle" if one.dropped >= FEW else ""
    told = f"the target lost {_share(lost[0])} there, {_percent(lost[1].mean)} of all"
    before, newest = one.measures[LOST].before, one.measures[LOST].newest
    if before is not None and newest is not None and _is_above(before, newest, interval=True):
        return f"the target lost {_share(before)} at first and {_share(newest)} of late: it has learned"
    if _is_below(*lost):
        return f"{told}: it loses less there"
    if best is not None and best[0].n >= FEW and (best[0].mean or 0.0) < GOOD:
        return f"nobody answers well there: the best answer has {best[0].mean:.1f} points of 10 on average"
    if one.outcomes >= FEW and 2 * one.dropped > one.outcomes:
        return f"{one.dropped:,} of its {one.outcomes:,} seeds came to no battle"
    if useful is not None and _is_below(*useful):
        return f"{told}, by less: usefulness {_figure(useful[0])}, {_figure(useful[1])} of all"
    return f"{told}: no difference can be told yet"


def _both(one: Turn, of_all: Turn, name: str) -> tuple[Values, Values] | None:
    """A measure of the one and of all; ``None`` where nothing was measured."""
    found: Mapping[str, ByLabel] = one.measures
    if name not in found or found[name].all.n == 0:
        return None
    return found[name].all, of_all.measures[name].all


def _is_above(one: Values, other: Values, *, interval: bool = False) -> bool:
    """Whether the interval of the one lies above the mean of the other, or above its whole interval."""
    bound = other.high if interval else other.mean
    return one.n >= FEW and other.n >= FEW and one.low is not None and bound is not None and one.low > bound


def _is_below(one: Values, other: Values) -> bool:
    return one.n >= FEW and one.high is not None and other.mean is not None and one.high < other.mean


def _share(values: Values) -> str:
    ends = [f"{100 * end:.0f}" for end in (values.low, values.high) if end is not None]
    interval = f" [{', '.join(ends)}]" if ends else ""
    return f"{_percent(values.mean)}{interval} of {values.n:,}"


def _percent(value: float | None) -> str:
    return "nothing" if value is None else f"{100 * value:.0f} %"


def _figure(values: Values) -> str:
    return "unknown" if values.mean is None else f"{values.mean:.2f}"
