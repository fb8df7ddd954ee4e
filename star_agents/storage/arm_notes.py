"""What is noted of the arms of a pool: the probability that each began with, and marks; as functions of a connection.

A curve is thinned as it grows, so that the first point of an arm that came later may be gone: what an arm began with is
kept beside it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from star_agents.storage.sql import execute
from star_agents.text.plain_data import from_json, to_json

LONGEST_MARK = 200
"""Characters."""


class ArmNotes(NamedTuple):
    """Of one pool."""

    starts: Mapping[str, float]
    """Arm to the probability that it began with."""
    first: Mapping[str, float]
    """Likewise of those that were there from the beginning."""
    marks: Mapping[str, str]
    """Arm to what else people are told of it, such as that it came later."""


def note_starts(connection: sqlite3.Connection, pool: str, probabilities: Mapping[str, float]) -> None:
    """Note what arms begin with that are in a point of the curve for the first time; before the point is written."""
    row = execute(connection, "arm_starts", pool=pool).fetchone()
    if row is None:
        return
    known: dict[str, float] = from_json(row[0])
    starts = known or _of_the_curve(connection, pool)
    if not known or probabilities.keys() - starts.keys():
        execute(connection, "note_arm_starts", pool=pool, starts=to_json({**probabilities, **starts}))


def mark_arms(connection: sqlite3.Connection, pool: str, marks: Mapping[str, str]) -> None:
    """Say something of arms of a pool, in a few words; an empty text takes back what was said.

    Raises:
        ValueError: a mark is too long.
    """
    if any(len(mark) > LONGEST_MARK for mark in marks.values()):
        raise ValueError(f"a mark of an arm has {LONGEST_MARK} characters at most")
    row = execute(connection, "arm_marks", pool=pool).fetchone()
    told = {**(from_json(row[0]) if row else {}), **marks}
    execute(connection, "note_arm_marks", pool=pool, marks=to_json({arm: mark for arm, mark in told.items() if mark}))


def arm_notes(connection: sqlite3.Connection) -> dict[str, ArmNotes]:
    """By pool."""
    found: dict[str, ArmNotes] = {}
    for pool, starts, marks, start in execute(connection, "arm_notes"):
        first = probabilities_in(from_json(start))
        found[pool] = ArmNotes(from_json(starts) or first, first, from_json(marks))
    return found


def probabilities_in(state: Mapping[str, Any]) -> Mapping[str, float]:
    """The probabilities that a policy's state names, under ``weights``; none where it names none."""
    found: Mapping[str, float] = state.get("weights", {})
    return found


def _of_the_curve(connection: sqlite3.Connection, pool: str) -> dict[str, float]:
    """What arms began with in a store that did not note it."""
    starts: dict[str, float] = {}
    for _, _, probabilities in execute(connection, "curve", pool=pool):
        starts = {**from_json(probabilities), **starts}
    return starts
