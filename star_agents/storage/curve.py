"""The probability of every pair along the way (the paper's Figure 5), as functions of a connection.

A point is written in the transaction of the outcome that it follows from, every ``stride`` outcomes. When ``POINTS``
are reached, every second one is left out and the stride doubles: the curve never grows larger, is evenly spaced, and
reaches back to the start. A change of the pairs leaves a point too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from star_agents.records import Flat
from star_agents.storage.sql import execute
from star_agents.text.plain_data import from_json, to_json

POINTS = 1000
"""The table holds fewer than these: as many as a wide screen shows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CurvePoint(Flat):
    """The probabilities that were in force after one outcome."""

    seq: int
    """The outcome; 0: none yet."""
    at: float
    """Seconds since 1970."""
    probabilities: Mapping[str, float]
    """Of each pair that was configured then."""


def probabilities_in(state: Mapping[str, Any]) -> Mapping[str, float]:
    """The probabilities that a policy's state names, under ``weights``; none where it names none."""
    found: Mapping[str, float] = state.get("weights", {})
    return found


def add_outcome_point(
    connection: sqlite3.Connection, state: Mapping[str, Any], *, seq: int, at: float, most: int = POINTS
) -> None:
    """Write the point of an outcome if it is one that leaves a point."""
    row = execute(connection, "meta_get", key="curve_stride").fetchone()
    if seq % (int(row[0]) if row else 1) == 0:
        _add(connection, probabilities_in(state), seq=seq, at=at, most=most)


def add_change_point(
    connection: sqlite3.Connection, state: Mapping[str, Any], *, revision: int, most: int = POINTS
) -> None:
    """Write a point where the pairs are others than those of the newest one: at the start, and after an edit."""
    probabilities = probabilities_in(state)
    newest = execute(connection, "last_curve_point").fetchone()
    if newest is None or probabilities.keys() != from_json(newest[2]).keys():
        seq, at = execute(connection, "moment_of_revision", revision=revision).fetchone()
        _add(connection, probabilities, seq=seq, at=at, most=most)


def curve(connection: sqlite3.Connection) -> list[CurvePoint]:
    """The curve from the start to now, oldest point first; the newest is the present."""
    points = [
        CurvePoint(seq=seq, at=at, probabilities=from_json(probabilities))
        for seq, at, probabilities in execute(connection, "curve")
    ]
    row = execute(connection, "load_policy").fetchone()
    if points and row is not None and row[0] > points[-1].seq:
        _, at = execute(connection, "moment_of_revision", revision=None).fetchone()
        points.append(CurvePoint(seq=row[0], at=at, probabilities=probabilities_in(from_json(row[2]))))
    return points


def _add(connection: sqlite3.Connection, probabilities: Mapping[str, float], *, seq: int, at: float, most: int) -> None:
    if not probabilities:
        return
    execute(connection, "add_curve_point", seq=seq, at=at, probabilities=to_json(dict(probabilities)))
    if execute(connection, "count_curve").fetchone()[0] >= most:
        execute(connection, "thin_curve")
        execute(connection, "double_curve_stride")
