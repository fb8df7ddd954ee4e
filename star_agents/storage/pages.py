"""Outcomes in a line each, page by page, as functions of a connection: a page costs what it shows."""

from __future__ import annotations

import heapq
import itertools
import json
import sqlite3
from collections.abc import Iterator

from star_agents.observe.stories import OutcomeSummary
from star_agents.records import AgentPair, OutcomeKind
from star_agents.storage.sql import execute
from star_agents.text.plain_data import from_json

KINDS: tuple[OutcomeKind, ...] = ("kept", "base", "dropped")
QUESTION_CHARS = 200
_BEYOND = 2**63 - 1


def outcome_page(
    connection: sqlite3.Connection,
    *,
    before: int | None,
    after: int | None,
    limit: int,
    kind: OutcomeKind | None = None,
    pair: str | None = None,
    agent: str | None = None,
) -> list[OutcomeSummary]:
    """A page of outcomes: newest first, or oldest first where ``after`` is given.

    Args:
        connection: To read from.
        before: Only outcomes before this one.
        after: Only outcomes after this one.
        limit: Most outcomes.
        kind: Only these.
        pair: Only what this pair won.
        agent: Only what this agent won, alone or as a part of a pair.
    """
    streams = [
        _seqs(connection, one, winner, before=before, after=after, limit=limit)
        for one in ([kind] if kind else KINDS)
        for winner in _winners(connection, pair, agent)
    ]
    merged = heapq.merge(*streams, reverse=after is None)
    return summaries(connection, list(itertools.islice(merged, limit)))


def summaries(connection: sqlite3.Connection, seqs: list[int]) -> list[OutcomeSummary]:
    """These outcomes, in this order."""
    found = execute(connection, "summaries", seqs=json.dumps(seqs), longest=QUESTION_CHARS)
    return [_summary(*row) for row in found]


def latest_seq(connection: sqlite3.Connection) -> int:
    """The newest outcome; 0: none."""
    return int(execute(connection, "latest_seq").fetchone()[0])


def _winners(connection: sqlite3.Connection, pair: str | None, agent: str | None) -> list[str | None]:
    """The arms whose outcomes are asked for; ``None`` stands for whoever won, and for nobody."""
    if pair is None and agent is None:
        return [None]
    won = [str(name) for (name,) in execute(connection, "arms_that_won")] if pair is None else [pair]
    return [name for name in won if agent is None or agent in AgentPair.from_name(name).agents]


def _seqs(
    connection: sqlite3.Connection,
    kind: OutcomeKind,
    pair: str | None,
    *,
    before: int | None,
    after: int | None,
    limit: int,
) -> Iterator[int]:
    age = "newest" if after is None else "oldest"
    found = execute(
        connection,
        _QUERIES[age, pair is not None],
        kind=kind,
        arm=pair,
        before=_BEYOND if before is None else before,
        after=-1 if after is None else after,
        limit=limit,
    )
    return (int(seq) for (seq,) in found)


_QUERIES = {
    ("newest", False): "newest_of_kind",
    ("oldest", False): "oldest_of_kind",
    ("newest", True): "newest_of_arm",
    ("oldest", True): "oldest_of_arm",
}


def _summary(
    seq: int,
    at: float,
    seed_id: str,
    recipe: str,
    kind: OutcomeKind,
    reason: str,
    arm: str | None,
    cost_usd: float | None,
    measures_json: str | None,
    candidates: int,
    failed: int,
    rows: int,
    children: int,
    question: bytes,
) -> OutcomeSummary:
    measures = from_json(measures_json) if measures_json else {}
    return OutcomeSummary(
        seq=seq,
        at=at,
        seed_id=seed_id,
        recipe=recipe,
        kind=kind,
        reason=reason,
        pair=arm,
        **{name: measures.get(name) for name in ("pi", "gap", "ifd_small", "ifd_large")},
        cost_usd=cost_usd,
        candidates=candidates,
        failed=failed,
        rows=rows,
        children=children,
        question=question.decode("utf-8", "replace"),
    )
