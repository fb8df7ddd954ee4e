"""Arms that recipes added to their pools, as the store keeps them: one fact about the store for each."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from star_agents.records import Earner, GrownArm, Standing
from star_agents.storage.arm_notes import mark_arms, probabilities_in
from star_agents.storage.recipe_tallies import MICRO
from star_agents.storage.sql import execute
from star_agents.text.plain_data import from_json, to_json

_KEY = "grown:"
ADDED, RETIRED = "added", "retired"
"""Marks of arms, where people look at these."""
LOOKED_BACK = 2_000
"""Outcomes, the newest, among which seeds are looked for that were worth something."""


def save(connection: sqlite3.Connection, changed: Iterable[GrownArm], *, seq: int) -> tuple[GrownArm, ...]:
    """Keep arms as an outcome leaves them, in its transaction and once its pools are saved; returns them with its
    number. One that is retired and is drawn from still, since agents.yaml has it by now, has no mark."""
    kept: list[GrownArm] = []
    for one in changed:
        one = replace(one, retired_seq=seq) if one.is_retired else replace(one, seq=seq)
        execute(connection, "meta_set", key=f"{_KEY}{to_json([one.pool, one.arm])}", value=to_json(one.to_dict()))
        mark = ADDED
        if one.is_retired:
            mark = "" if one.arm in _drawn_from(connection, one.pool) else RETIRED
        mark_arms(connection, one.pool, {one.arm: mark})
        kept.append(one)
    return tuple(kept)


def _drawn_from(connection: sqlite3.Connection, pool: str) -> Collection[str]:
    states = {name: state for name, _, _, state, _ in execute(connection, "load_pools")}
    return probabilities_in(from_json(states[pool])).keys() if pool in states else ()


def grown_arms(connection: sqlite3.Connection) -> tuple[GrownArm, ...]:
    """Every arm that was added, in order, retired ones included."""
    rows = execute(connection, "meta_by_prefix", prefix=f"{_KEY}*")
    return tuple(sorted((GrownArm.from_dict(from_json(value)) for _, value in rows), key=lambda one: one.number))


def by_pool(arms: Iterable[GrownArm]) -> dict[str, dict[str, GrownArm]]:
    """The same by pool and name."""
    found: dict[str, dict[str, GrownArm]] = {}
    for one in arms:
        found.setdefault(one.pool, {})[one.arm] = one
    return found


def standings(connection: sqlite3.Connection, pool: str) -> dict[str, Standing]:
    """What each arm of a pool did so far, of those that were drawn or earned."""
    counted: dict[str, dict[str, int]] = {}
    for name, arm, n in execute(connection, "tallies_of_pool", pool=pool):
        counted.setdefault(arm, {})[name] = n
    return {
        arm: Standing(
            draws=found.get("pools.draws", 0),
            rewards=found.get("pools.rewards", 0),
            earned=found.get("pools.earned", 0) / MICRO,
        )
        for arm, found in counted.items()
    }


def earners(
    connection: sqlite3.Connection, pool: str, arms: Sequence[str], *, count: int, longest: int
) -> list[Earner]:
    """The newest seeds that were worth something to one of these arms, which was drawn on their way; of the newest
    ``LOOKED_BACK`` outcomes.

    Args:
        connection: To the store.
        pool: ``recipe.pool``.
        arms: Of it.
        count: The most seeds.
        longest: Characters that are told of what a seed asks.
    """
    rows = execute(connection, "earners", pool=pool, arms=to_json(list(arms)), back=LOOKED_BACK, count=count)
    return [Earner(seed_id, arm, float(worth), _text(content)[:longest]) for seed_id, arm, worth, content in rows]


def _text(content: str) -> str:
    """What a seed asks, or a document says."""
    found: Mapping[str, object] = from_json(content)
    told = (found.get("text"), found.get("instruction"), found.get("input"))
    return "\n\n".join(str(one) for one in told if one)
