"""Sums over the trials of agent-pairs, by pair: what each did for the finished seeds of Star, and for how much.

An outcome that counts is hardly ever changed. So the sums are kept as of an outcome, and only what came after it is
added up again. Where an earlier one ceases to count (a dropped seed is queued again), counts once more or is changed (a
spare row enters, ``doctor --repair``), nothing is kept until the sums are made anew.

    read = sums(connection)         # anybody, in one transaction
    fold(connection)                # the writer, now and then
    forget(connection)              # the writer, with every change to what was added up
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from star_agents.records import STAR
from star_agents.storage.migrations import version_of
from star_agents.storage.sql import execute
from star_agents.text.plain_data import from_json, to_json

FOLDED_FROM = 5_000
"""Outcomes after which the sums are kept anew: it takes some 25 ms, and so does whoever reads what came since."""
_KEY = "pair_sums"


class PairSums(NamedTuple):
    """Of one pair."""

    candidates: int = 0
    wins: int = 0
    """Those of them that a row is made of."""
    usd: float = 0.0
    """Of the known costs."""
    unknown: int = 0
    """Candidates of which nobody knows what they cost."""

    def plus(self, other: PairSums) -> PairSums:
        """Of both together."""
        added: list[Any] = [one + another for one, another in zip(self, other, strict=True)]
        return PairSums(*added)


class _Kept(NamedTuple):
    """Sums up to an outcome."""

    seq: int
    sums: Mapping[str, PairSums]


_NOTHING = _Kept(0, {})
_NO_TRIALS = PairSums()


def sums(connection: sqlite3.Connection) -> Mapping[str, PairSums]:
    """Of every pair, in order of name."""
    return _with_newer(connection, _kept(connection))


def fold(connection: sqlite3.Connection, *, least: int = FOLDED_FROM) -> bool:
    """Keep the sums as of now, where at least so many outcomes came since they were kept; whether it did."""
    kept, (newest,) = _kept(connection), execute(connection, "latest_seq").fetchone()
    if newest - kept.seq < max(1, least):
        return False
    told = {"schema": version_of(connection), "seq": newest, "sums": _with_newer(connection, kept)}
    execute(connection, "meta_set", key=_KEY, value=to_json(told))
    return True


def fold_now_and_then(connection: sqlite3.Connection, before: int, seq: int) -> None:
    """Keep the sums anew where the outcomes from after ``before`` to ``seq`` hold one of every ``FOLDED_FROM``."""
    if before // FOLDED_FROM != seq // FOLDED_FROM:
        fold(connection)


def forget(connection: sqlite3.Connection) -> None:
    """Keep none."""
    execute(connection, "meta_forget", key=_KEY)


def _kept(connection: sqlite3.Connection) -> _Kept:
    row = execute(connection, "meta_get", key=_KEY).fetchone()
    told = from_json(row[0]) if row else {}
    if told.get("schema") != version_of(connection):
        return _NOTHING
    return _Kept(told["seq"], {pair: PairSums(*values) for pair, values in told["sums"].items()})


def _with_newer(connection: sqlite3.Connection, kept: _Kept) -> dict[str, PairSums]:
    found = dict(kept.sums)
    for pair, *values in execute(connection, "pair_sums_after", after=kept.seq, recipe=STAR):
        found[pair] = found.get(pair, _NO_TRIALS).plus(PairSums(*values))
    return dict(sorted(found.items()))
