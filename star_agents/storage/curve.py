"""The probability of every arm of a pool along the way (the paper's Figure 5), as functions of a connection.

A point is written in the transaction of the outcome that it follows from, every ``stride`` outcomes. When ``POINTS``
are reached, every second one is left out and the stride doubles: the curve never grows larger, is evenly spaced, and
reaches back to the start. A change of the arms leaves a point too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from star_agents.observe.stories import CurvePoint
from star_agents.storage.arm_notes import note_starts, probabilities_in
from star_agents.storage.sql import execute
from star_agents.text.plain_data import from_json, to_record_json

POINTS = 1000
"""The table holds fewer than these: as many as a wide screen shows."""
VALUES = 60_000
"""Of a curve that is told, over all of its points and arms: some three megabytes of JSON. Of sixty arms it is every
point, of six hundred every tenth."""


def add_outcome_point(
    connection: sqlite3.Connection,
    pool: str,
    state: Mapping[str, Any],
    *,
    seq: int,
    at: float,
    most: int = POINTS,
    has_other_arms: bool = False,
) -> None:
    """Write the point of an outcome if it is one that leaves a point, as one does after which arms are others."""
    row = execute(connection, "meta_get", key=f"curve_stride {pool}").fetchone()
    if has_other_arms or seq % (int(row[0]) if row else 1) == 0:
        _add(connection, pool, probabilities_in(state), seq=seq, at=at, most=most)


def add_change_point(
    connection: sqlite3.Connection, pool: str, state: Mapping[str, Any], *, revision: int, most: int = POINTS
) -> None:
    """Write a point where the arms are others than those of the newest one: at the start, and after an edit."""
    probabilities = probabilities_in(state)
    newest = execute(connection, "last_curve_point", pool=pool).fetchone()
    if newest is None or probabilities.keys() != from_json(newest[2]).keys():
        seq, at = execute(connection, "moment_of_revision", revision=revision).fetchone()
        _add(connection, pool, probabilities, seq=seq, at=at, most=most)


def curve(connection: sqlite3.Connection, pool: str) -> list[CurvePoint]:
    """The curve from the start to now, oldest point first; the newest is the present. Of hundreds of arms it has fewer
    points (``VALUES``)."""
    points = [
        CurvePoint(seq=seq, at=at, probabilities=from_json(probabilities))
        for seq, at, probabilities in _told(execute(connection, "curve", pool=pool).fetchall())
    ]
    states = {name: (seq, state) for name, seq, _, state, _ in execute(connection, "load_pools")}
    seq, state = states.get(pool, (0, ""))
    if points and seq > points[-1].seq:
        _, at = execute(connection, "moment_of_revision", revision=None).fetchone()
        points.append(CurvePoint(seq=seq, at=at, probabilities=probabilities_in(from_json(state))))
    return points


def _told(rows: list[tuple[int, float, str]]) -> list[tuple[int, float, str]]:
    """Every so manieth point, and the newest, where there are many arms."""
    arms = len(from_json(rows[-1][2])) if rows else 0
    every = -(-len(rows) * arms // VALUES)
    return [*rows[: -1 : max(1, every)], *rows[-1:]]


def _add(
    connection: sqlite3.Connection, pool: str, probabilities: Mapping[str, float], *, seq: int, at: float, most: int
) -> None:
    if not probabilities:
        return
    note_starts(connection, pool, probabilities)
    execute(connection, "add_curve_point", pool=pool, seq=seq, at=at, probabilities=to_record_json(dict(probabilities)))
    if execute(connection, "count_curve", pool=pool).fetchone()[0] >= most:
        execute(connection, "thin_curve", pool=pool)
        execute(connection, "double_curve_stride", pool=pool)
