"""Calls that go by a provider's batch, and the batches, as functions of a connection.

A call's life here: gathered with its intent (durable) → in a batch that is decided on (durable) → at the provider under
an id (durable before the first question about it) → its answer in the journal, in the transaction that forgets it here.
What a batch leaves unanswered is gathered again, or sent alone. A seed that has asked for such a call is *parked*: in
nobody's hands, and handed out again in the transaction that takes in the last of its answers.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from star_agents.storage import journal
from star_agents.storage.batch_rows import (
    BatchCallRow,
    BatchRow,
    EndOfBatch,
    FailedCall,
    Found,
    GatheredRow,
    Gathering,
    GoesAlone,
    OpenCall,
    ReadReply,
    ResultRow,
    Taken,
    TakenIn,
    Unanswered,
)
from star_agents.storage.run_scope import Scope
from star_agents.storage.sql import execute
from star_agents.text.plain_data import from_json, to_json


def gather(connection: sqlite3.Connection, calls: Sequence[Gathering], at: float) -> list[str]:
    """Let calls wait for a batch; their intents are recorded in the same transaction. Return the keys of those that
    do: a batch may have answered one since it was looked for."""
    gathered: list[str] = []
    for intent, request, size in calls:
        if execute(connection, "find_answer", key=intent.key).fetchone() is not None:
            continue
        row = {"key": intent.key, "seed_id": intent.seed_id, "agent": intent.agent}
        if execute(connection, "gather_call", **row, request=to_json(request), bytes=size, at=at).rowcount:
            journal.intend(connection, [intent], at)
            gathered.append(intent.key)
    return gathered


def batch_calls(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, BatchCallRow]:
    """Those of the calls that go by batch."""
    rows = ((key, execute(connection, "batch_call", key=key).fetchone()) for key in keys)
    return {key: BatchCallRow(row[0], from_json(row[1]) if row[1] else {}) for key, row in rows if row is not None}


def park(connection: sqlite3.Connection, seed_id: str) -> bool:
    """Take a seed out of hand until its batches have answered; false where they have already."""
    row = execute(connection, "park_seed", id=seed_id).fetchone()
    return row is not None and row[0] == "parked"


def gathered(connection: sqlite3.Connection) -> list[GatheredRow]:
    """The calls that wait for a batch, by agent."""
    return [GatheredRow(*row) for row in execute(connection, "gathered_calls")]


def make(
    connection: sqlite3.Connection, *, id: str, agent: str, model: str, most_calls: int, most_bytes: int, at: float
) -> int:
    """Decide on a batch of the calls of an agent that wait longest; return how many are in it, 0 where none waits."""
    ordinals: list[int] = []
    for ordinal, size in execute(connection, "first_gathered", agent=agent, limit=most_calls):
        most_bytes -= size
        if ordinals and most_bytes < 0:
            break
        ordinals.append(ordinal)
    if ordinals:
        execute(connection, "make_batch", id=id, agent=agent, model=model, requests=len(ordinals), at=at)
        execute(connection, "put_into_batch", batch=id, ordinals=json.dumps(ordinals))
    return len(ordinals)


def requests(
    connection: sqlite3.Connection, batch: str, *, after: str, limit: int
) -> list[tuple[str, Mapping[str, Any]]]:
    """A page of the calls of a batch, by key."""
    rows = execute(connection, "requests_of_batch", batch=batch, after=after, limit=limit)
    return [(key, from_json(request)) for key, request in rows]


def keys(connection: sqlite3.Connection, batch: str) -> frozenset[str]:
    """The calls of a batch that have no answer yet."""
    return frozenset(key for (key,) in execute(connection, "keys_of_batch", batch=batch))


def at_work(connection: sqlite3.Connection) -> list[BatchRow]:
    """Batches that are not done with, oldest first."""
    names = BatchRow.__slots__
    return [BatchRow(**dict(zip(names, row, strict=True))) for row in execute(connection, "batches_at_work")]


def known_ids(connection: sqlite3.Connection) -> frozenset[str]:
    """The provider's ids of all batches."""
    return frozenset(id_ for (id_,) in execute(connection, "known_batches"))


def open_calls(connection: sqlite3.Connection) -> list[OpenCall]:
    """Calls that wait for a batch or are in one."""
    return [OpenCall(*row) for row in execute(connection, "open_batch_calls")]


def begin_results(connection: sqlite3.Connection, batch: str) -> None:
    """The results of a batch are read from the beginning, perhaps once more."""
    execute(connection, "begin_results", id=batch)


def take_in(
    connection: sqlite3.Connection,
    batch: str,
    results: Sequence[ResultRow],
    unreadable: int,
    read: ReadReply,
    goes_alone: GoesAlone,
    at: float,
) -> TakenIn:
    """Record a part of a batch's results; what was recorded before, by a process that died meanwhile, is passed over.

    Args:
        connection: In a transaction.
        batch: Ours.
        results: In the order in which they came.
        unreadable: Lines beside them that nobody can read.
        read: Makes replies.
        goes_alone: Says which errors the ordinary way may not meet.
        at: Seconds since 1970.
    """
    taken, seeds = TakenIn([], [], [], unreadable=unreadable), set[str]()
    for result in results:
        row = execute(connection, "find_batched", key=result.key, batch=batch).fetchone()
        if row is None:
            is_answered = execute(connection, "find_answer", key=result.key).fetchone() is not None
            is_ours = is_answered or execute(connection, "batch_call", key=result.key).fetchone() is not None
            taken.duplicates += result.is_repeated
            taken.unknown += not result.is_repeated and not is_ours
            continue
        found = Found(str(row[0]), str(row[1]), from_json(row[2]))
        seeds.add(found.seed_id)
        if result.body is not None:
            _take_reply(connection, result.key, result.body, found, read, taken, at)
        elif result.failure is not None:
            _take_failure(connection, result, found, goes_alone, taken)
    counted = {name: getattr(taken, name) for name in ("failed", "duplicates", "unknown", "unreadable")}
    execute(connection, "count_results", id=batch, answered=len(taken.answers), **counted)
    taken.unparked = unpark(connection, seeds)
    return taken


def _take_reply(
    connection: sqlite3.Connection,
    key: str,
    body: Mapping[str, Any],
    found: Found,
    read: ReadReply,
    taken: TakenIn,
    at: float,
) -> None:
    reply = read(key, found.request, body)
    if reply is None:
        # Paid for, and in no form that anybody can read: it goes again at the end of the batch, as if it were lost.
        execute(connection, "note_reason", key=key, failure=to_json(_LOST))
        taken.unreadable += 1
        return
    journal.record_answer(connection, key=key, reply=reply, at=at)
    execute(connection, "forget_batched", key=key)
    taken.answers.append(Taken(key, found.seed_id, found.step, reply))


def _take_failure(
    connection: sqlite3.Connection, result: ResultRow, found: Found, goes_alone: GoesAlone, taken: TakenIn
) -> None:
    failure = result.failure or {}
    if not result.is_final:
        execute(connection, "note_reason", key=result.key, failure=to_json(failure))
        return
    if goes_alone(found.request, failure):
        execute(connection, "send_elsewhere", key=result.key)
        taken.elsewhere.append(result.key)
    else:
        execute(connection, "fail_batched", key=result.key, failure=to_json(failure))
        taken.failures.append(FailedCall(result.key, found.seed_id, found.step, failure))
    journal.withdraw(connection, [result.key])


_LOST: Mapping[str, Any] = {"status": 0, "said": "its reply cannot be read"}
"""Stands for a reply that was paid for and cannot be used."""


def end(connection: sqlite3.Connection, batch: str, how: EndOfBatch, at: float) -> Unanswered:
    """Record that all results of a batch are taken in; what it left unanswered waits for another one, or does not."""
    again, elsewhere, failed = 0, 0, 0
    lost, over, seeds = list[str](), list[str](), set[str]()
    for key, seed_id, tries, noted in execute(connection, "unanswered_of_batch", batch=batch).fetchall():
        seeds.add(seed_id)
        reason = from_json(noted) if noted else None
        is_lost = how.may_be_paid or reason == _LOST
        lost += [key] * is_lost
        if tries + how.was_taken < how.tries:
            if is_lost:
                execute(connection, "send_again", key=key, at=at)
            execute(connection, "gather_again", key=key, tries=int(how.was_taken), at=at)
            again += 1
            continue
        over.append(key)
        if how.falls_back:
            execute(connection, "send_elsewhere", key=key)
            elsewhere += 1
        else:
            failure = reason or how.failure or {"status": 503, "said": f"the batch ended as {how.said} without it"}
            execute(connection, "fail_batched", key=key, failure=to_json(failure))
            failed += 1
        if not is_lost:
            journal.withdraw(connection, [key])
    execute(connection, "end_batch", id=batch, said=how.said, unanswered=again + elsewhere + failed, at=at)
    return Unanswered(again, elsewhere, failed, tuple(lost), tuple(over), unpark(connection, seeds))


def unpark(connection: sqlite3.Connection, seeds: Collection[str]) -> int:
    """Hand those of some seeds out again that wait for no batch any more; return how many."""
    return execute(connection, "unpark_seeds", ids=json.dumps(sorted(seeds))).rowcount if seeds else 0


def parked(connection: sqlite3.Connection) -> int:
    """Seeds that wait for batches."""
    return int(execute(connection, "count_parked").fetchone()[0])


def parked_of_run(connection: sqlite3.Connection, scope: Scope) -> int:
    """Of the seeds that may be leased, those that wait for batches."""
    return int(execute(connection, "count_parked_of_run", scoped=scope.scoped).fetchone()[0])
