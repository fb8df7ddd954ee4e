"""What pools turned to, and how seeds ended by label, joined from what is counted of both: for status, summary, page
and report alike. Pure.

A pool is told of where what becomes of children is counted by its arms, or its recipe gives children to another one.
Which arms gained and which lost is told in sentences, with the reason as far as what was counted shows one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from star_agents.arena.turning import why_less, why_more
from star_agents.observe.status import Arm, ByLabel, Pool, Turn, Turns, Values
from star_agents.scheduling.win_rates import share_interval
from star_agents.storage.label_tallies import LabelSums, LabelTally, Sum
from star_agents.storage.recipe_tallies import RecipeTally
from star_agents.storage.rows import per
from star_agents.storage.tallies import Tallies

CHANGED = 1.5
"""An arm is told of that is drawn so many times as often as when it came, or so many times as seldom."""
NAMED = 3
"""Arms that are told of by name, the most changed."""
GROUPS_NAMED = 3
"""Likewise groups."""
TOLD = 5
"""Rows of a pool or column in a status; a page asks for all of one, and a summary has all of each."""
_LEVEL = "@"
"""What stands before the level in the name of an arm: `skill/type@2`."""
_NOT_COUNTED = LabelTally()


class _Row(NamedTuple):
    """What is counted of an arm or a value, or of several together."""

    name: str
    group: str
    mark: str
    share: float | None
    start: float | None
    """Of several together: of those that were there from the beginning, where there are any."""
    came_later: bool
    draws: int
    rewards: int
    earned: float
    counted: LabelTally

    @property
    def changed(self) -> float:
        """How far its share is from what it was; 0 where it has none."""
        return 0.0 if self.share is None or self.start is None else self.share - self.start

    @property
    def is_more(self) -> bool:
        """Whether it is drawn so much more that it is told."""
        return self.share is not None and self.start is not None and self.share >= CHANGED * self.start

    @property
    def is_less(self) -> bool:
        """Whether it is drawn so much less."""
        return self.share is not None and self.start is not None and self.share <= self.start / CHANGED


Told = Callable[[_Row], Turn]


def turns(pools: Mapping[str, Pool], tallies: Tallies, *, most: int | None = None) -> dict[str, Turns]:
    """By pool or column: pools in their order, then columns.

    Args:
        pools: As a status has them.
        tallies: What was counted.
        most: Rows of each; ``None``: all.
    """
    recipes = [one for one in tallies.recipes if one.in_chain or one.name in tallies.labelled]
    giving = {one.name for one in recipes if one.children}
    told: dict[str, Turns] = {}
    for pool, known in pools.items():
        recipe = next((one for one in recipes if pool in tallies.labelled.get(one.name, {})), None)
        if len(known.arms) > 1 and (recipe is not None or pool.partition(".")[0] in giving):
            counted = tallies.labelled[recipe.name][pool] if recipe is not None else {}
            told[pool] = _told(known.arms, counted, recipe, most)
    for recipe in recipes:
        for label, counted in tallies.labelled.get(recipe.name, {}).items():
            if label not in pools and label not in told:
                told[label] = _told(None, counted, recipe, most)
    return told


def _told(
    arms: Mapping[str, Arm] | None, counted: Mapping[str, LabelTally], recipe: RecipeTally | None, most: int | None
) -> Turns:
    measures = [one.measure for one in recipe.measures] if recipe is not None else []
    turn = partial(_turn, measures={one.name: (one.low, one.high) == (0, 1) for one in measures})
    names = list(dict.fromkeys([*(arms or ()), *counted]))
    group_of = _groups(names)
    rows = [
        _row(name, group_of.get(name, ""), (arms or {}).get(name), counted.get(name, _NOT_COUNTED)) for name in names
    ]
    inside: dict[str, list[_Row]] = {}
    for one in rows:
        inside.setdefault(one.group, []).append(one)
    parts = [_together(group, several) for group, several in inside.items()]
    of_all = turn(_together("", parts))
    named = [one for one in parts if one.name]
    # A status is made every second, of hundreds of rows: those are put in order before any is made to be told.
    groups, ranked = sorted(named if len(named) > 1 else [], key=_rank), sorted(rows, key=_rank)
    return Turns(
        is_pool=arms is not None,
        recipe="" if recipe is None else recipe.name,
        all=of_all,
        groups=[turn(one) for one in groups],
        rows=[turn(one) for one in ranked[:most]],
        rows_left_out=len(ranked) - len(ranked[:most]),
        sentences=list(_sentences(groups, ranked, turn, of_all)) if arms is not None else [],
    )


def _groups(names: Collection[str]) -> dict[str, str]:
    """Name to its group: the level where all have one, else the folder, of those that have one."""
    levels = {name: name.rpartition(_LEVEL) for name in names}
    if all(before and level.isdecimal() for before, _, level in levels.values()):
        return {name: f"level {level}" for name, (_, _, level) in levels.items()}
    return {name: folder for name in names if (folder := name.rpartition("/")[0])}


def _row(name: str, group: str, arm: Arm | None, counted: LabelTally) -> _Row:
    if arm is None:
        return _Row(name, group, "", None, None, False, 0, 0, 0.0, counted)
    earned = arm.rewards * (arm.mean_reward or 0.0)
    shares = (arm.probability, arm.probability_at_start, arm.came_later)
    return _Row(name, group, arm.mark, *shares, arm.draws, arm.rewards, earned, counted)


def _together(name: str, rows: Sequence[_Row]) -> _Row:
    """Sums; a share is known where any is."""
    there = [one for one in rows if one.share is not None]
    first = [one for one in there if not one.came_later] or there
    starts = [one.start for one in first if one.start is not None]
    counted = LabelTally(
        sum(one.counted.outcomes for one in rows),
        sum(one.counted.dropped for one in rows),
        _added([one.counted.measures for one in rows]),
    )
    return _Row(
        name=name,
        group="",
        mark="",
        share=sum(one.share or 0.0 for one in there) if there else None,
        start=sum(starts) if starts else None,
        came_later=bool(there) and all(one.came_later for one in there),
        draws=sum(one.draws for one in rows),
        rewards=sum(one.rewards for one in rows),
        earned=sum(one.earned for one in rows),
        counted=counted,
    )


def _added(several: Sequence[Mapping[str, LabelSums]]) -> dict[str, LabelSums]:
    """Sums of the same measure together."""
    found: dict[str, list[int]] = {}
    for measures in several:
        for name, sums in measures.items():
            so_far = found.setdefault(name, [0, 0, 0, 0])
            for at in range(4):
                so_far[at] += sums[at]
    return {name: LabelSums(*numbers) for name, numbers in found.items()}


def _turn(row: _Row, *, measures: Mapping[str, bool]) -> Turn:
    """The row as it is told.

    Args:
        row: What is counted of it.
        measures: By name, in the order in which they are told: whether its values range from 0 to 1.
    """
    return Turn(
        name=row.name,
        group=row.group,
        mark=row.mark,
        share=row.share,
        share_at_start=row.start,
        draws=row.draws,
        rewards=row.rewards,
        mean_reward=per(row.earned, row.rewards),
        outcomes=row.counted.outcomes,
        dropped=row.counted.dropped,
        measures={
            name: _by_label(row.counted.measures[name], is_share)
            for name, is_share in measures.items()
            if name in row.counted.measures
        },
    )


def _by_label(sums: LabelSums, is_share: bool) -> ByLabel:
    before, newest = (_values(one, is_share) if sums.before_n else None for one in (sums.before, sums.newest))
    return ByLabel(all=_values(sums.all, is_share), before=before, newest=newest)


def _values(sums: Sum, is_share: bool) -> Values:
    low, high = share_interval(sums.mean, sums.n) if is_share else (None, None)
    return Values(n=sums.n, mean=sums.mean, low=low, high=high)


def _rank(one: _Row) -> tuple[float, int, str]:
    """The most changed first; of what is not drawn, that which was counted most."""
    return -abs(one.changed), -one.counted.outcomes, one.name


def _sentences(groups: Sequence[_Row], rows: Sequence[_Row], turn: Told, of_all: Turn) -> Iterator[str]:
    """What a pool turned to, group by group and arm by arm, and why; both as they are ranked."""
    if of_all.rewards == 0 and not of_all.measures:
        yield "Nothing was earned yet."
        return
    for named, several in ((GROUPS_NAMED, groups), (NAMED, rows)):
        more, less = [one for one in several if one.is_more], [one for one in several if one.is_less]
        yield from (f"Turned to {_sentence(turn(one), of_all, why_more)}." for one in more[:named])
        yield from (f"Turned away from {_sentence(turn(one), of_all, why_less)}." for one in less[:named])
        yield from _rest(len(more[named:]), len(less[named:]))
    if not any(one.is_more or one.is_less for one in (*groups, *rows)):
        yield "No share is half as large again as at the start, or that much smaller."


def _rest(more: int, less: int) -> Iterator[str]:
    """How many more there are that are not named."""
    if more:
        also = f", and {less:,} that much less" if less else ""
        yield f"Besides, {more:,} more are drawn that much more often than at the start{also}."
    elif less:
        yield f"Besides, {less:,} more are drawn that much less often than at the start."


def _sentence(one: Turn, of_all: Turn, why: Callable[[Turn, Turn], str]) -> str:
    mark = f" ({one.mark})" if one.mark else ""
    shares = f"{_percent(one.share_at_start)} → {_percent(one.share)}"
    mean, usual = one.mean_reward, of_all.mean_reward or 0.0
    earned = "nothing was earned by it" if mean is None else f"mean reward {mean:.2f}, {usual:.2f} of all"
    return f"{one.name}{mark}: {shares}; {why(one, of_all) or earned}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"
