"""The arms that recipes added to their pools while a line runs: which are drawn from, and what an outcome makes of
them. Pure; the store keeps each for good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from star_agents.records import GrownArm, NewArm, Outcome

MOST_KEPT = 10_000
"""Arms that one store keeps, retired ones included."""
HAS_NAME = "the pool has an arm of that name"
IS_FULL = "as many as may be added to the pool are drawn from already"
NO_ROOM = f"the store keeps {MOST_KEPT:,} added arms already"


class Changes(NamedTuple):
    """What an outcome makes of the arms that were added."""

    changed: tuple[GrownArm, ...] = ()
    """Those that it adds or retires, as they are after it."""
    added: tuple[NewArm, ...] = ()
    """Those of its new arms that are added."""
    refused: tuple[tuple[NewArm, str], ...] = ()
    """Those that it would have added, each with why it is not."""


class Grown:
    """What there is at one moment; never changed, so that whoever looks at it sees one moment.

    Args:
        arms: In any order.
    """

    def __init__(self, arms: Iterable[GrownArm] = ()) -> None:
        self._arms = {(one.pool, one.arm): one for one in sorted(arms, key=lambda one: one.number)}

    def __len__(self) -> int:
        return len(self._arms)

    def of_recipe(self, recipe: str) -> tuple[GrownArm, ...]:
        """Those in the pools of a recipe, retired ones included, in the order in which they were added."""
        return tuple(one for one in self._arms.values() if one.pool.partition(".")[0] == recipe)

    def changes(self, outcome: Outcome, pools: Mapping[str, Collection[str]]) -> Changes:
        """What an outcome makes of them.

        Args:
            outcome: About to be committed.
            pools: The arms of every pool as of now.
        """
        changed: dict[tuple[str, str], GrownArm] = {}
        for gone in outcome.retired:
            known = self._arms.get((gone.pool, gone.arm))
            if known is not None and not known.is_retired:
                changed[known.pool, known.arm] = replace(known, retired=gone.reason)
        added: list[NewArm] = []
        refused: list[tuple[NewArm, str]] = []
        drawn = Counter(
            one.pool
            for key, one in self._arms.items()
            if not changed.get(key, one).is_retired and one.arm in pools.get(one.pool, ())
        )
        number = 1 + max((one.number for one in self._arms.values()), default=-1)
        for new in outcome.added:
            key = (new.pool, new.arm)
            if key in self._arms or key in changed or new.arm in pools.get(new.pool, ()):
                refused.append((new, HAS_NAME))
            elif new.at_most is not None and drawn[new.pool] >= new.at_most:
                refused.append((new, IS_FULL))
            elif number >= MOST_KEPT:
                refused.append((new, NO_ROOM))
            else:
                changed[key] = GrownArm(
                    pool=new.pool,
                    arm=new.arm,
                    number=number,
                    what=new.what,
                    data=new.data,
                    evidence=new.evidence,
                    seed_id=outcome.seed_id,
                )
                added.append(new)
                drawn[new.pool] += 1
                number += 1
        return Changes(tuple(changed.values()), tuple(added), tuple(refused))

    def with_(self, changed: Iterable[GrownArm]) -> Grown:
        """The same after changes."""
        return Grown({**self._arms, **{(one.pool, one.arm): one for one in changed}}.values())
