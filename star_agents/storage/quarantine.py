"""Which seed may be worked beside which, after a process died: leases, deaths and quarantine.

A seed that is in hand when the process dies is a *suspect*; the store counts one death for it. Most suspects are
innocent: with 32 seeds in hand, 31 died beside the one that killed. So suspects are told apart by how they are leased:

- one death: beside seeds without any, and never beside another suspect;
- two deaths: alone, with no other seed in hand;
- three deaths: never again. The seed is quarantined until a person releases it.

The third death is therefore always one that the seed died alone: no neighbour's fault can quarantine a seed, however
many killers there are. Only a process that is killed from outside, three times with the same seed in hand, can.
A seed that ends with an outcome is innocent, and its deaths are forgotten.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

from star_agents.errors import UsageError
from star_agents.observe.stories import QuarantinedSeed
from star_agents.records import Seed
from star_agents.storage.run_scope import EVERYTHING, Scope
from star_agents.storage.seed_columns import seed_from_columns
from star_agents.storage.sql import execute
from star_agents.storage.stranded import Taken

LAST_LIFE = 2
"""Deaths after which a seed is worked alone."""
QUARANTINED_AT = 3
"""Deaths after which it is worked no more."""


class Turn(Enum):
    """Who may be leased next."""

    NOBODY = "nobody"
    """A seed on its last life is in hand, or waits until the hands are empty."""
    ALONE = "alone"
    """One seed on its last life, and nothing beside it."""
    SUSPECT = "suspect"
    """One suspect, and seeds without a death beside it."""
    UNSUSPECTED = "unsuspected"
    """Seeds without a death."""


class Leased(NamedTuple):
    """What a lease handed out."""

    seeds: list[Seed]
    held_back: bool
    """Whether it is short although seeds wait: they may be leased once a seed in hand has ended."""
    has_to_come: bool
    """Whether it found none although some are parked for a batch, or in hand."""
    first: frozenset[str] = frozenset()
    """The ids of those that were never in hand before: nothing is recorded of them."""


def whose_turn(*, any_in_hand: bool, worst_in_hand: int, worst_waiting: int) -> Turn:
    """Decide who may be leased. Pure.

    Args:
        any_in_hand: Whether any seed is worked on.
        worst_in_hand: Most deaths of a seed that is worked on; 0 for none.
        worst_waiting: Most deaths of a seed that waits; 0 for none.
    """
    if worst_in_hand >= LAST_LIFE:
        return Turn.NOBODY
    if worst_waiting >= LAST_LIFE:
        return Turn.NOBODY if any_in_hand else Turn.ALONE
    return Turn.SUSPECT if worst_waiting and not worst_in_hand else Turn.UNSUSPECTED


def lease(
    connection: sqlite3.Connection,
    count: int,
    scope: Scope = EVERYTHING,
    taken: Taken | None = None,
    parts: Sequence[str] = (),
    *,
    newest_child: bool = False,
) -> Leased:
    """Mark up to ``count`` seeds as worked on and count the attempt: a suspect first, then those that wait longest.

    What is outside of the run's ``scope``, is not ``taken`` by any recipe, or is of no part among the ``parts`` that
    are worked alone, is neither handed out nor waited for. ``newest_child``: before those that wait longest comes the
    one that a recipe made last, if any waits.
    """
    of_chain = {
        "taken": None if taken is None else json.dumps(taken),
        "parts": json.dumps(list(parts)) if parts else None,
    }
    suspects = execute(connection, "suspects", scoped=scope.scoped, **of_chain)
    any_in_hand, worst_in_hand, worst_waiting = suspects.fetchone()
    turn = whose_turn(any_in_hand=bool(any_in_hand), worst_in_hand=worst_in_hand, worst_waiting=worst_waiting)
    rows: list[tuple[Any, ...]] = []
    if count > 0 and turn in (Turn.ALONE, Turn.SUSPECT):
        rows += execute(connection, "lease_suspect", scoped=scope.scoped, **of_chain).fetchall()
    if turn in (Turn.SUSPECT, Turn.UNSUSPECTED):
        if newest_child and taken and len(rows) < count:
            newest = "lease_newest_child_of_part" if parts else "lease_newest_child"
            rows += execute(connection, newest, scoped=scope.scoped, **of_chain).fetchall()
        found = execute(connection, "lease_unsuspected", count=max(0, count - len(rows)), **scope._asdict(), **of_chain)
        rows += sorted(found, key=lambda row: row[0])
    is_short = len(rows) < count and max(worst_in_hand, worst_waiting) > 0
    held_back = is_short and bool(execute(connection, "any_waiting", **scope._asdict(), **of_chain).fetchone()[0])
    has_to_come = not rows and bool(execute(connection, "any_to_come", scoped=scope.scoped).fetchone()[0])
    first = frozenset(row[1] for row in rows if row[-1] == 1)
    return Leased([seed_from_columns(row[1:-1]) for row in rows], held_back, has_to_come, first)


def count_deaths(connection: sqlite3.Connection) -> None:
    """Count a death for every seed that was in hand, and let it wait again or not, as it has lives left."""
    execute(connection, "count_deaths", limit=QUARANTINED_AT)


def quarantined(connection: sqlite3.Connection, *, limit: int) -> list[QuarantinedSeed]:
    """Seeds in quarantine, oldest first."""
    rows = execute(connection, "quarantined", limit=limit)
    return [QuarantinedSeed(id=id_, source=source, attempts=n, deaths=deaths) for id_, source, n, deaths in rows]


def release(connection: sqlite3.Connection, ids: Sequence[str] | None) -> int:
    """Let these seeds (``None``: all in quarantine) wait again, their deaths forgotten; return how many.

    Raises:
        UsageError: when one of them is not in quarantine; then none is released.
    """
    if ids is None:
        return execute(connection, "release_all").rowcount
    wanted = list(dict.fromkeys(ids))
    released = {str(id_) for (id_,) in execute(connection, "release_some", ids=json.dumps(wanted)).fetchall()}
    if missing := [id_ for id_ in wanted if id_ not in released]:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UsageError(f"seed {missing[0]}{others} is not in quarantine; nothing was released")
    return len(released)
