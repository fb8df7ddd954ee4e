"""Which seeds one run is about, and whether it works those alone (`run -n`), as functions of a connection.

It is written in a temporary table of the connection that leases: what a run leaves out goes on waiting for the next
one, and whatever happens to this one, no limit stays behind in the store.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from star_agents.storage.sql import execute


class Scope(NamedTuple):
    """Which seeds may be leased."""

    scoped: bool = False
    """Whether only those of the run."""
    first: int = 0
    """Ordinals outside of which no seed needs to be looked at."""
    last: int = (1 << 63) - 1


EVERYTHING = Scope()
AT_ONCE = 10_000
"""Seeds that are taken into a run in one transaction."""


class RunSeeds(NamedTuple):
    """The seeds of a run in numbers."""

    seeds: int
    done: int
    waiting: int
    others_waiting: int
    """Seeds that earlier runs left waiting in the same folder."""


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables of a fresh connection."""
    execute(connection, "make_run_seeds")
    execute(connection, "make_put_off")


def begin(connection: sqlite3.Connection) -> None:
    """Begin a run that is about no seed yet."""
    execute(connection, "forget_run_seeds")


def take_in(connection: sqlite3.Connection, ids: Sequence[str]) -> None:
    """Remember that the run is about these seeds too."""
    execute(connection, "add_run_seeds", ids=json.dumps(ids))


def scope(connection: sqlite3.Connection, *, only: bool) -> Scope:
    """What may be leased; ``only``: nothing but the seeds of the run."""
    return Scope(True, *execute(connection, "span_of_run_seeds").fetchone()) if only else EVERYTHING


def adopt(connection: sqlite3.Connection, parent: str, before: Scope) -> Scope:
    """Take the children of one of the run's seeds into the run."""
    execute(connection, "adopt_children", parent=parent)
    return scope(connection, only=before.scoped)


def count(connection: sqlite3.Connection) -> RunSeeds:
    """How the run's seeds stand."""
    return RunSeeds(*execute(connection, "count_run_seeds").fetchone())
