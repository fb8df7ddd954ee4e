"""The journal, as functions of a connection: intents and answers of paid calls, and decisions made by chance.

A call's life: ``intend`` (durable) → send → ``record_answer`` (durable) → use. An intent without an answer may have
been paid for; sending it again is counted. ``withdraw`` is for a send that certainly was not.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from star_agents.errors import AgentRefused, StoreError
from star_agents.limits.numbers import MOST_TOKENS, MOST_USD
from star_agents.records import Reply
from star_agents.storage import call_sums, pair_sums
from star_agents.storage.rows import Intent
from star_agents.storage.sql import execute
from star_agents.text.plain_data import from_json, to_json, to_record_json


def find_answer(connection: sqlite3.Connection, key: str) -> Reply | None:
    """The recorded reply of a call, if it was answered.

    Raises:
        AgentRefused: when its text was cleared (``retention``): it is paid for, and must not be paid for again unseen.
    """
    row = execute(connection, "find_answer", key=key).fetchone()
    if row is None:
        return None
    reply = from_json(row[0])
    if reply["text"] is None:
        raise AgentRefused(
            f"call {key[:12]} of agent {reply['agent']} was answered and paid for, and its text was cleared after "
            "retention_days; it is not paid for again"
        )
    return Reply.from_dict(reply)


def find_answers(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Reply]:
    """The recorded replies of the calls that were answered."""
    found = ((key, find_answer(connection, key)) for key in keys)
    return {key: reply for key, reply in found if reply is not None}


def answered_otherwise(connection: sqlite3.Connection, intent: Intent) -> bool:
    """Whether the step of an intent has an answer to another prompt, and none to this one."""
    row = execute(connection, "answered_otherwise", seed_id=intent.seed_id, step=intent.step, key=intent.key).fetchone()
    return bool(row[0])


def intend(connection: sqlite3.Connection, intents: Sequence[Intent], at: float) -> None:
    """Record that calls are about to be sent.

    Raises:
        StoreError: when one is answered already: sending it would pay for it twice.
    """
    for intent in intents:
        changed = execute(
            connection,
            "intend",
            key=intent.key,
            seed_id=intent.seed_id,
            step=intent.step,
            agent=intent.agent,
            revision=intent.revision,
            parameters=to_json(intent.parameters),
            reserved_usd=intent.reserved_usd,
            reserved_tokens=intent.reserved_tokens,
            at=at,
        ).rowcount
        if not changed:
            raise StoreError(f"call {intent.key} of seed {intent.seed_id} is answered already; use its recorded answer")


def record_answer(connection: sqlite3.Connection, *, key: str, reply: Reply, at: float) -> None:
    """Record what a call brought back, by the last statement of all that it does.

    Raises:
        StoreError: when the call was not intended, or is answered already.
    """
    call_sums.fold_now_and_then(connection, key)
    changed = execute(
        connection,
        "record_answer",
        key=key,
        reply=to_record_json(reply.to_dict()),
        cost_usd=reply.cost_usd,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        at=at,
    ).rowcount
    if not changed:
        raise StoreError(f"call {key} has no open intent; record the intent before sending, and each answer once")


def record_answers(connection: sqlite3.Connection, answers: Sequence[tuple[str, Reply]], at: float) -> None:
    """Record what several calls brought back."""
    for key, reply in answers:
        record_answer(connection, key=key, reply=reply, at=at)


def withdraw(connection: sqlite3.Connection, keys: Sequence[str]) -> None:
    """Take back the last send of calls that were not paid for. Earlier sends that may have been stay counted."""
    for key in keys:
        if not execute(connection, "withdraw_first", key=key).rowcount:
            execute(connection, "withdraw_again", key=key)


def repair_counts(connection: sqlite3.Connection) -> int:
    """Make counts and dollars that no reply can have unknown, and what followed from them; return how many calls.

    Only releases that believed whatever a provider said wrote such rows.
    """
    call_sums.forget(connection)
    pair_sums.forget(connection)
    for name in ("repair_trials", "repair_outcomes"):
        execute(connection, name, most_usd=MOST_USD)
    return execute(connection, "repair_calls", most_tokens=MOST_TOKENS, most_usd=MOST_USD).rowcount


def find_step(connection: sqlite3.Connection, seed_id: str, step: str) -> dict[str, Any] | None:
    """A recorded decision."""
    row = execute(connection, "find_step", seed_id=seed_id, step=step).fetchone()
    return None if row is None else dict(from_json(row[0]))


def record_step(connection: sqlite3.Connection, seed_id: str, step: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Record a decision unless one stands already; return the one that stands."""
    text = to_json(payload)
    if execute(connection, "record_step", seed_id=seed_id, step=step, payload=text).rowcount:
        return dict(from_json(text))  # As whoever looks it up finds it.
    return find_step(connection, seed_id, step) or {}
