"""Turns: of what is to be done once each time it is due, which seed does it. A turn is one fact about the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from star_agents.storage.sql import execute
from star_agents.text.plain_data import from_json, to_json

_KEY = "turn:"


def take_turn(connection: sqlite3.Connection, seed_id: str, due: Mapping[str, int]) -> str:
    """The first of these names whose turn a seed has, or takes now; empty where it has none.

    A seed has its turn until another one takes a later one, and none is taken while whoever has the one before is not
    done: it will find its turn again, however often it is worked.

    Args:
        connection: In a transaction.
        seed_id: Whose turn.
        due: By name, how many times that was due so far.
    """
    held = {name: _held(connection, name) for name in due}
    for name, times in due.items():
        if held[name] == (seed_id, times):
            return name
    for name, times in due.items():
        holder, taken = held[name]
        if taken < times and (not holder or _is_done(connection, holder)):
            execute(connection, "meta_set", key=f"{_KEY}{name}", value=to_json([seed_id, times]))
            return name
    return ""


def _held(connection: sqlite3.Connection, name: str) -> tuple[str, int]:
    row = execute(connection, "meta_get", key=f"{_KEY}{name}").fetchone()
    if row is None:
        return "", 0
    holder, taken = from_json(row[0])
    return str(holder), int(taken)


def _is_done(connection: sqlite3.Connection, seed_id: str) -> bool:
    """Whether nobody works on a seed any more, and nobody will unless asked to."""
    return bool(execute(connection, "is_done", id=seed_id).fetchone()[0])
