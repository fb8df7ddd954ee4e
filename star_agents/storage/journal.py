"""The journal, as functions of a connection: intents and answers of paid calls, and decisions made by chance.

A call's life: ``intend`` (durable) → send → ``record_answer`` (durable) → use. An intent without an answer may have
been paid for; sending it again is counted. ``withdraw`` is for a send that certainly was not.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from star_agents.errors import StoreError
from star_agents.records import Reply
from star_agents.storage.plain_data import from_json, to_json
from star_agents.storage.sql import execute


def find_answer(connection: sqlite3.Connection, key: str) -> Reply | None:
    """The recorded reply of a call, if it was answered."""
    row = execute(connection, "find_answer", key=key).fetchone()
    return None if row is None else Reply.from_dict(from_json(row[0]))


def intend(
    connection: sqlite3.Connection,
    *,
    key: str,
    seed_id: str,
    step: str,
    agent: str,
    revision: int,
    parameters: Mapping[str, Any],
    reserved_usd: float | None,
    at: float,
) -> int:
    """Record that a call is about to be sent; return how often it has been, this time included.

    Raises:
        StoreError: when the call is answered already: sending it would pay for it twice.
    """
    row = execute(
        connection,
        "intend",
        key=key,
        seed_id=seed_id,
        step=step,
        agent=agent,
        revision=revision,
        parameters=to_json(parameters),
        reserved_usd=reserved_usd,
        at=at,
    ).fetchone()
    if row is None:
        raise StoreError(f"call {key} of seed {seed_id} is answered already; use its recorded answer")
    return int(row[0])


def record_answer(connection: sqlite3.Connection, *, key: str, reply: Reply, at: float) -> None:
    """Record what a call brought back.

    Raises:
        StoreError: when the call was not intended, or is answered already.
    """
    changed = execute(
        connection,
        "record_answer",
        key=key,
        reply=to_json(reply.to_dict()),
        cost_usd=reply.cost_usd,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        at=at,
    ).rowcount
    if not changed:
        raise StoreError(f"call {key} has no open intent; record the intent before sending, and each answer once")


def withdraw(connection: sqlite3.Connection, key: str) -> None:
    """Take back the last send of a call that was not paid for. Earlier sends that may have been stay counted."""
    if not execute(connection, "withdraw_first", key=key).rowcount:
        execute(connection, "withdraw_again", key=key)


def find_step(connection: sqlite3.Connection, seed_id: str, step: str) -> dict[str, Any] | None:
    """A recorded decision."""
    row = execute(connection, "find_step", seed_id=seed_id, step=step).fetchone()
    return None if row is None else dict(from_json(row[0]))


def record_step(connection: sqlite3.Connection, seed_id: str, step: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Record a decision unless one stands already; return the one that stands."""
    execute(connection, "record_step", seed_id=seed_id, step=step, payload=to_json(payload))
    return find_step(connection, seed_id, step) or {}
