"""What pools turned to, and how seeds ended by label, joined from what is counted of both: for status, summary, page
and report alike. Pure.

A pool is told of where what becomes of its seeds' children teaches it, or is counted by its arms. Which arms gained and
which lost is told in sentences, with the reason as far as what was counted shows one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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
NAMED = 5
"""Arms that are told of by name, the most changed."""
GROUPS_NAMED = 3
"""Likewise groups."""
TOLD = 10
"""Rows of a pool or column in a status; a page asks for all of one, and a summary has all of each."""
_LEVEL = "@"
"""What stands before the level in the name of an arm: `skill/type@2`."""
_NOT_COUNTED = LabelTally()


class _Sums(NamedTuple):
    """What is counted of a row, or of several together."""

    share: float | None
    start: float | None
    """Of arms together: of those that were there from the beginning, where there are any."""
    came_later: bool
    draws: int
    rewards: int
    earned: float
    counted: LabelTally


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
    names = list(dict.fromkeys([*(arms or ()), *counted]))
    measures = [one.measure for one in recipe.measures] if recipe is not None else []
    unit = {one.name for one in measures if (one.low, one.high) == (0, 1)}
    sums = {name: _sums(None if arms is None else arms.get(name), counted.get(name, _NOT_COUNTED)) for name in names}
    group_of = _groups(names)
    rows = [
        _turn(name, one, unit, group=group_of.get(name, ""), mark=arms[name].mark if arms and name in arms else "")
        for name, one in sums.items()
    ]
    of_all = _turn("", _together(sums.values()), unit)
    named = dict.fromkeys(group_of.values()) if len(set(group_of.values())) > 1 else {}
    groups = [
        _turn(group, _together(sums[name] for name in names if group_of.get(name) == group), unit) for group in named
    ]
    ranked = sorted(rows, key=_rank)
    return Turns(
        is_pool=arms is not None,
        recipe="" if recipe is None else recipe.name,
        all=of_all,
        groups=sorted(groups, key=_rank),
        rows=ranked[:most],
        rows_left_out=len(ranked) - len(ranked[:most]),
        sentences=list(_sentences(groups, rows, of_all)) if arms is not None else [],
    )


def _groups(names: Collection[str]) -> dict[str, str]:
    """Name to its group: the level where all have one, else the folder, of those that have one."""
    levels = {name: name.rpartition(_LEVEL) for name in names}
    if all(before and level.isdecimal() for before, _, level in levels.values()):
        return {name: f"level {level}" for name, (_, _, level) in levels.items()}
    return {name: folder for name in names if (folder := name.rpartition("/")[0])}


def _sums(arm: Arm | None, counted: LabelTally) -> _Sums:
    if arm is None:
        return _Sums(None, None, False, 0, 0, 0.0, counted)
    earned = arm.rewards * (arm.mean_reward or 0.0)
    share, start = arm.probability, arm.probability_at_start
    return _Sums(share, start, arm.came_later, arm.draws, arm.rewards, earned, counted)


def _together(parts: Iterable[_Sums]) -> _Sums:
    """Sums; a share is known where any is."""
    several = list(parts)
    there = [one for one in several if one.share is not None]
    first = [one for one in there if not one.came_later] or there
    starts = [one.start for one in first if one.start is not None]
    return _Sums(
        sum(one.share or 0.0 for one in there) if there else None,
        sum(starts) if starts else None,
        bool(there) and all(one.came_later for one in there),
        sum(one.draws for one in several),
        sum(one.rewards for one in several),
        sum(one.earned for one in several),
        LabelTally(
            outcomes=sum(one.counted.outcomes for one in several),
            dropped=sum(one.counted.dropped for one in several),
            measures=_added([one.counted.measures for one in several]),
        ),
    )


def _added(several: Sequence[Mapping[str, LabelSums]]) -> dict[str, LabelSums]:
    """Sums of the same measure together."""
    found: dict[str, LabelSums] = {}
    for measures in several:
        for name, sums in measures.items():
            so_far = found.get(name, LabelSums())
            found[name] = LabelSums(all=so_far.all + sums.all, before=so_far.before + sums.before)
    return found


def _turn(name: str, sums: _Sums, unit: Collection[str], *, group: str = "", mark: str = "") -> Turn:
    return Turn(
        name=name,
        group=group,
        mark=mark,
        share=sums.share,
        share_at_start=sums.start,
        draws=sums.draws,
        rewards=sums.rewards,
        mean_reward=per(sums.earned, sums.rewards),
        outcomes=sums.counted.outcomes,
        dropped=sums.counted.dropped,
        measures={
            measure: ByLabel(
                all=_values(of.all, measure in unit),
                before=_values(of.before, measure in unit),
                newest=_values(of.newest, measure in unit),
            )
            for measure, of in sums.counted.measures.items()
        },
    )


def _values(sums: Sum, is_share: bool) -> Values:
    low, high = share_interval(sums.mean, sums.n) if is_share else (None, None)
    return Values(n=sums.n, mean=sums.mean, low=low, high=high)


def _rank(one: Turn) -> tuple[float, int, str]:
    """The most changed first; of what is not drawn, that which was counted most."""
    changed = 0.0 if one.share is None or one.share_at_start is None else abs(one.share - one.share_at_start)
    return -changed, -one.outcomes, one.name


def _sentences(groups: Sequence[Turn], rows: Sequence[Turn], of_all: Turn) -> Iterator[str]:
    """What a pool turned to, group by group and arm by arm, and why."""
    if of_all.rewards == 0 and not of_all.measures:
        yield "Nothing was earned yet: every share is as it was."
        return
    for named, several in ((GROUPS_NAMED, groups), (NAMED, rows)):
        drawn = [one for one in several if one.share is not None and one.share_at_start is not None]
        yield from _of(drawn, named, of_all)
    if not any(_is_more(one) or _is_less(one) for one in (*groups, *rows)):
        yield "No share is half as large again as at the start, or that much smaller."


def _of(drawn: Sequence[Turn], named: int, of_all: Turn) -> Iterator[str]:
    for what, is_so, why in (("Turned to", _is_more, why_more), ("Turned away from", _is_less, why_less)):
        found = sorted(filter(is_so, drawn), key=_rank)
        for one in found[:named]:
            yield f"{what} {_sentence(one, of_all, why(one, of_all))}."
        if len(found) > named:
            yield f"{what} {len(found) - named:,} more."


def _is_more(one: Turn) -> bool:
    return one.share is not None and one.share_at_start is not None and one.share >= CHANGED * one.share_at_start


def _is_less(one: Turn) -> bool:
    return one.share is not None and one.share_at_start is not None and one.share <= one.share_at_start / CHANGED


def _sentence(one: Turn, of_all: Turn, why: str) -> str:
    mark = f" ({one.mark})" if one.mark else ""
    shares = f"{_percent(one.share_at_start)} → {_percent(one.share)}"
    mean, usual = one.mean_reward, of_all.mean_reward or 0.0
    earned = "nothing was earned by it" if mean is None else f"mean reward {mean:.2f}, {usual:.2f} of all"
    return f"{one.name}{mark}: {shares}; {why or earned}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"
