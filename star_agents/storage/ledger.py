"""Seeds and what became of them, as functions of a connection that runs them in a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from star_agents.errors import StoreError
from star_agents.records import Assessed, Outcome, Seed
from star_agents.storage import curve, tallies
from star_agents.storage.rows import MemoryRow
from star_agents.storage.sql import execute
from star_agents.text.plain_data import to_json, writable

REQUESTS_KEPT_S = 7 * 86_400.0
"""Seconds for which intake is known by the key that it named."""


def add_seeds(connection: sqlite3.Connection, seeds: Sequence[Seed], at: float) -> tuple[int, int]:
    """Queue seeds; return how many were new and how many the store held already."""
    new = sum(
        execute(
            connection,
            "add_seed",
            id=seed.id,
            sample=to_json(seed.sample.to_dict()),
            source=writable(seed.source),
            meta=to_json(seed.meta),
            at=at,
        ).rowcount
        for seed in seeds
    )
    return new, len(seeds) - new


def add_named_seeds(
    connection: sqlite3.Connection,
    seeds: Sequence[Seed],
    request: tuple[str, str],
    at: float,
    told_with_it: Mapping[str, Any],
) -> tuple[int, int]:
    """Queue seeds and remember under which key, and with which digest of its body, they were asked for.

    Raises:
        sqlite3.IntegrityError: when the key was used before.
    """
    new, known = add_seeds(connection, seeds, at)
    key, digest = request
    response = to_json({"new": new, "duplicates": known, **told_with_it})
    execute(connection, "forget_requests", before=at - REQUESTS_KEPT_S)
    execute(connection, "add_request", key=key, digest=digest, response=response, at=at)
    return new, known


def recall_request(connection: sqlite3.Connection, key: str, at: float) -> tuple[str, str] | None:
    """Digest and response of intake that named this key, or ``None``."""
    row = execute(connection, "find_request", key=key, since=at - REQUESTS_KEPT_S).fetchone()
    return None if row is None else (str(row[0]), str(row[1]))


def commit_outcome(
    connection: sqlite3.Connection,
    outcome: Outcome,
    *,
    policy: Mapping[str, Any],
    memory: MemoryRow | None,
    revision: int,
    at: float,
) -> int:
    """Write everything that follows from one outcome and return its sequence number.

    Raises:
        StoreError: for a seed that is unknown or has its outcome already.
    """
    if not execute(connection, "finish_seed", id=outcome.seed_id).rowcount:
        raise StoreError(_why_not_open(connection, outcome.seed_id))
    seq = _add_outcome(connection, outcome, revision=revision, at=at)
    for order, assessed in enumerate(outcome.candidates):
        _add_candidate(connection, assessed, seq=seq, order=order, chosen=order == outcome.chosen)
    if memory is not None:
        execute(
            connection,
            "add_memory",
            seq=seq,
            pair=memory.pair,
            pi=memory.pi,
            embedder=memory.embedder,
            dimension=memory.dimension,
            embedding=memory.embedding,
        )
    tallies.add_outcome(connection, outcome, revision=revision, at=at)
    _save_policy(connection, policy, revision)
    curve.add_outcome_point(connection, policy, seq=seq, at=at)
    return seq


def save_policy(connection: sqlite3.Connection, state: Mapping[str, Any], revision: int) -> None:
    """Keep a state of the bandit that follows from no outcome: the first one, and after a change of the config."""
    _save_policy(connection, state, revision)
    curve.add_change_point(connection, state, revision=revision)


def add_revision(connection: sqlite3.Connection, digest: str, config: str, at: float) -> int:
    """Record a config as in force; the one in force already keeps its id."""
    newest = execute(connection, "newest_revision").fetchone()
    if newest is not None and newest[1] == digest:
        return int(newest[0])
    return int(execute(connection, "add_revision", digest=digest, config=config, at=at).fetchone()[0])


def set_fact(connection: sqlite3.Connection, key: str, value: str) -> None:
    """Set a fact, whatever it was before."""
    execute(connection, "meta_set", key=key, value=value)


def set_default(connection: sqlite3.Connection, key: str, value: str) -> str:
    """Set a fact about the store unless it is set; return the value that stands."""
    execute(connection, "meta_set_default", key=key, value=value)
    return str(execute(connection, "meta_get", key=key).fetchone()[0])


def _save_policy(connection: sqlite3.Connection, state: Mapping[str, Any], revision: int) -> None:
    execute(connection, "save_policy", state=to_json(state), revision=revision)


def _why_not_open(connection: sqlite3.Connection, seed_id: str) -> str:
    if execute(connection, "has_seed", id=seed_id).fetchone():
        return f"seed {seed_id} has its outcome already; each lease of a seed ends in exactly one"
    return f"seed {seed_id} is not in this store; add it before working on it"


def _add_outcome(connection: sqlite3.Connection, outcome: Outcome, *, revision: int, at: float) -> int:
    winner = outcome.winner
    payload = {name: value for name, value in outcome.to_dict().items() if name != "candidates"}
    cursor = execute(
        connection,
        "add_outcome",
        seed_id=outcome.seed_id,
        kind=outcome.kind,
        reason=writable(outcome.reason),
        pair=winner.candidate.pair.name if winner else None,
        pi=winner.pi if winner else None,
        payload=to_json(payload),
        revision=revision,
        cost_usd=outcome.cost_usd,
        at=at,
    )
    return int(cursor.fetchone()[0])


def _add_candidate(connection: sqlite3.Connection, assessed: Assessed, *, seq: int, order: int, chosen: bool) -> None:
    execute(
        connection,
        "add_candidate",
        seq=seq,
        ord=order,
        pair=assessed.candidate.pair.name,
        is_base=assessed.candidate.is_base,
        failure=writable(assessed.candidate.failure),
        pi_dual=assessed.pi_dual,
        pi=assessed.pi,
        chosen=chosen,
        payload=to_json(assessed.to_dict()),
        cost_usd=assessed.candidate.cost_usd,
    )
