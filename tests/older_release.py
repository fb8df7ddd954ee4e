"""Outcomes of Star as releases before schema 12 kept them: for tests that make an older store of a new one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from star_outcomes import read_star_outcome

from star_agents.recipes.star_records import Assessed
from star_agents.records import Outcome
from star_agents.storage.rows import OutcomeRow
from star_agents.text.plain_data import to_json

CANDIDATES = (
    "CREATE TABLE candidates (seq INTEGER NOT NULL REFERENCES outcomes (seq), ord INTEGER NOT NULL,"
    " pair TEXT NOT NULL, is_base INTEGER NOT NULL, failure TEXT NOT NULL, pi_dual REAL, pi REAL,"
    " chosen INTEGER NOT NULL, payload TEXT NOT NULL, cost_usd REAL, PRIMARY KEY (seq, ord)) STRICT;"
)
"""The table as of version 2."""
DOWN_TO_11 = (
    "DROP INDEX memory_keys; DROP TABLE reviews; DROP TABLE row_vectors; DROP TABLE batch_calls; DROP TABLE batches;"
    "DROP TABLE findings; DROP TABLE row_digests;"
    "DROP TABLE signature_bands; DROP TABLE signatures;"
    "DROP TABLE labelled; ALTER TABLE measures DROP COLUMN by_label;"
    "ALTER TABLE pools DROP COLUMN arm_starts; ALTER TABLE pools DROP COLUMN arm_marks;"
    "DROP TABLE reopened; DROP INDEX seeds_by_part; DROP TABLE recollections;"
    "DROP INDEX trials_by_outcome; ALTER TABLE trials DROP COLUMN role; ALTER TABLE trials DROP COLUMN failed;"
    "ALTER TABLE trials DROP COLUMN chosen; ALTER TABLE trials DROP COLUMN cost_usd;"
    "ALTER TABLE rows DROP COLUMN text_of; DROP INDEX outcomes_by_arm;"
    "ALTER TABLE outcomes RENAME COLUMN arm TO pair; ALTER TABLE outcomes ADD COLUMN pi REAL;"
    "CREATE INDEX outcomes_by_pair ON outcomes (pair, kind) WHERE pair IS NOT NULL;"
    "ALTER TABLE memory RENAME COLUMN arm TO pair; ALTER TABLE memory RENAME COLUMN value TO pi;"
    f"{CANDIDATES} PRAGMA user_version = 11;"
)
"""Makes a store of version 11 of one in which no row stands in for its text."""


def add_outcomes(connection: sqlite3.Connection, rows: Iterable[OutcomeRow]) -> None:
    """Write outcomes into a store of version 1."""
    for row in rows:
        winner = read_star_outcome(row.outcome).winner
        connection.execute(
            "INSERT INTO outcomes (seq, seed_id, kind, reason, pair, pi, payload, revision, cost_usd, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.seq,
                row.outcome.seed_id,
                row.outcome.kind,
                row.outcome.reason,
                winner.candidate.pair.name if winner else None,
                winner.pi if winner else None,
                to_json(outcome_payload(row.outcome)),
                row.revision,
                row.outcome.cost_usd,
                row.at,
            ),
        )


def add_candidates(connection: sqlite3.Connection, rows: Iterable[OutcomeRow]) -> None:
    """Write the candidates of outcomes into their table, whichever of its columns there are."""
    there = {column[1] for column in connection.execute("PRAGMA table_info(candidates)")}
    for row in rows:
        seen = read_star_outcome(row.outcome)
        for place, one in enumerate(seen.candidates):
            columns = {"seq": row.seq, "ord": place, "chosen": place == seen.chosen, **_columns(one)}
            names = [name for name in columns if name in there]
            marks = ", ".join(f":{name}" for name in names)
            connection.execute(f"INSERT INTO candidates ({', '.join(names)}) VALUES ({marks})", columns)


def outcome_payload(outcome: Outcome) -> dict[str, Any]:
    """An outcome without its candidates, as JSON once had it."""
    seen = read_star_outcome(outcome)
    return {
        "seed_id": outcome.seed_id,
        "kind": outcome.kind,
        "reason": outcome.reason,
        "chosen": seen.chosen,
        "rewards": [list(one) for one in seen.rewards],
        "cost_usd": outcome.cost_usd,
        "tried": [one.to_dict() for one in outcome.tried],
    }


def _columns(one: Assessed) -> dict[str, Any]:
    candidate, failure = one.candidate, str(one.candidate.failure or "")
    return {
        "pair": candidate.pair.name,
        "is_base": candidate.is_base,
        "failure": failure,
        "pi_dual": one.pi_dual,
        "pi": one.pi,
        "cost_usd": candidate.cost_usd,
        "payload": to_json(
            {
                "candidate": {
                    "pair": candidate.pair.name,
                    "is_base": candidate.is_base,
                    "sample": candidate.sample.to_dict(),
                    "failure": failure,
                    "models": dict(candidate.models),
                    "prompts": list(candidate.prompts),
                    "cost_usd": candidate.cost_usd,
                    "reasoning": candidate.reasoning,
                },
                "score": one.score.to_dict() if one.score else None,
                "pi_dual": one.pi_dual,
                "verdict": asdict(one.verdict) if one.verdict else None,
                "pi": one.pi,
            }
        ),
    }
