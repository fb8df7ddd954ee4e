"""Rewards that come from the outcomes of children: one per draw, the mean over its children.

A seed carries as labels what was drawn for it on the way. Its outcome says what it is *worth* to them; once all
children of a draw were heard of, the arm earns their mean. A child that failed, or is a seed already, is worth 0; one
of which nothing is known is left out of the mean. Where children have children, theirs speak for them. One whose recipe
has a fault in its code was not heard of: the reward stays due until it is queued again, and then counts once.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from star_agents.records import Outcome, Reward, Seed
from star_agents.records.seeds import drawn_in
from star_agents.storage.recollections import Completed
from star_agents.storage.sql import execute
from star_agents.text.plain_data import from_json

Label = tuple[str, str]
"""Pool and arm."""


def settle_rewards(
    connection: sqlite3.Connection, outcome: Outcome, is_new: Mapping[str, bool], lineage: Sequence[str]
) -> list[Completed]:
    """Note what an outcome's children stand for, and what itself is worth; return the rewards that this completes, each
    with the seed that its arm was drawn for.

    Args:
        connection: In the transaction of the outcome, which is written already.
        outcome: What was committed.
        is_new: Of its children by id, whether they were queued; one that was a seed already is worth 0.
        lineage: Of its seed: the parent's id, then the labels as JSON.
    """
    parent, labels = lineage[0], drawn_in(from_json(lineage[1]))
    if outcome.is_fault or not (labels or outcome.children):
        return []
    # Queued again after it was dropped: the draws of its parents have heard of it, and only its own are still to learn.
    heard = labels if execute(connection, "count_verdicts_on_seed", seed_id=outcome.seed_id).fetchone()[0] > 1 else {}
    due = Counter(label for child in outcome.children for label in child.drawn_labels.items() - heard.items())
    for (pool, arm), children in due.items():
        execute(connection, "expect_rewards", parent=outcome.seed_id, pool=pool, arm=arm, children=children)
    found = [reward for child in outcome.children if not is_new[child.id] for reward in _lost(connection, child)]
    worth = 0.0 if outcome.kind == "dropped" else outcome.worth
    for label in labels.items() - heard.items():
        if label not in due:
            found += _hear(connection, parent, label, worth)
    return found


def _lost(connection: sqlite3.Connection, child: Seed) -> Iterator[Completed]:
    for label in child.drawn_labels.items():
        yield from _hear(connection, child.parent, label, 0.0)


def _hear(connection: sqlite3.Connection, parent: str, label: Label, worth: float | None) -> Iterator[Completed]:
    """Hear of a child of ``parent``; the last one completes a reward, or speaks for its parent one step up."""
    pool, arm = label
    row = execute(connection, "hear_of_child", parent=parent, pool=pool, arm=arm, worth=worth).fetchone()
    if row is None:
        return
    children, heard, known, earned = row
    if heard < children:
        return
    execute(connection, "forget_reward_due", parent=parent, pool=pool, arm=arm)
    mean = earned / known if known else None
    grandparent, labels = _lineage(connection, parent)
    if labels.get(pool) == arm:
        yield from _hear(connection, grandparent, label, mean)
    elif mean is not None:
        yield parent, Reward(pool=pool, arm=arm, value=mean)


def _lineage(connection: sqlite3.Connection, seed_id: str) -> tuple[str, dict[str, str]]:
    row = execute(connection, "lineage", id=seed_id).fetchone()
    return ("", {}) if row is None else (str(row[0]), drawn_in(from_json(row[1])))
