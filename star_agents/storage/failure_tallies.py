"""What was tolerated over all outcomes, by part and reason; kept in the transaction that adds to it (``tallies``)."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from star_agents.records.failures import OTHER, REASONS_KEPT, FailureCount, Part, Tried
from star_agents.storage.sql import execute
from star_agents.text.plain_data import writable

_TRIES = ""
"""Stands for a reason where tries are counted."""


def add_tried(connection: sqlite3.Connection, tried: Sequence[Tried], *, at: float) -> None:
    """Count what one outcome tried. Of a part that fails for ever new reasons, the later ones are one."""
    for one in tried:
        _add(connection, one.part, one.name, _TRIES, one.tries, "", at)
        add_failures(connection, one, at=at)


def add_tries(connection: sqlite3.Connection, tries: Mapping[tuple[Part, str], int], *, at: float) -> None:
    """Count tries of parts, whatever came of them."""
    for (part, name), n in tries.items():
        _add(connection, part, name, _TRIES, n, "", at)


def add_failures(connection: sqlite3.Connection, one: Tried, *, at: float) -> None:
    """Count what failed of them; the tries are counted apart."""
    if not one.failures:
        return
    known = {row[0] for row in execute(connection, "failure_reasons", part=one.part, of=one.name)} - {_TRIES}
    for failure in one.failures:
        reason = failure.reason if failure.reason in known or len(known) < REASONS_KEPT else OTHER
        known.add(reason)
        _add(connection, one.part, one.name, reason, failure.count, failure.example, at)


def set_left_out(connection: sqlite3.Connection, left_out: Tried, *, at: float) -> None:
    """Note what of a seed file was left out, in place of what was noted of it before: a file that is read again holds
    the same rows."""
    execute(connection, "forget_failures", part=left_out.part, of=left_out.name)
    if left_out.failures:
        add_tried(connection, [left_out], at=at)


def failure_counts(connection: sqlite3.Connection) -> tuple[FailureCount, ...]:
    """Everything that was tolerated, the most frequent of each part first; what was refused by arm stands aside."""
    return tuple(one for one in _counts(connection) if one.part != "arm")


def refused_by_arm(connection: sqlite3.Connection) -> tuple[FailureCount, ...]:
    """What was refused (``records.refusals``), by the arm that it was drawn for; of each the most frequent first."""
    return tuple(one for one in _counts(connection) if one.part == "arm")


def _counts(connection: sqlite3.Connection) -> tuple[FailureCount, ...]:
    rows = execute(connection, "failures").fetchall()
    tries = {(part, name): n for part, name, reason, n, _ in rows if reason == _TRIES}
    return tuple(
        FailureCount(part=part, name=name, reason=reason, failures=n, tries=tries[part, name], example=example)
        for part, name, reason, n, example in rows
        if reason != _TRIES
    )


def _add(connection: sqlite3.Connection, part: Part, name: str, reason: str, n: int, example: str, at: float) -> None:
    texts = {"part": part, "of": name, "reason": writable(reason), "example": writable(example)}
    execute(connection, "add_failures", **texts, n=n, at=at)
