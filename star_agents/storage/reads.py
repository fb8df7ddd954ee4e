"""Questions to the store, as functions of a connection: the daemon asks them in its writer thread, others read-only."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from star_agents.limits.numbers import MOST_TOKENS, MOST_USD
from star_agents.records import Document, Outcome
from star_agents.storage import pair_sums
from star_agents.storage.call_sums import sums
from star_agents.storage.exams import exams
from star_agents.storage.outcome_parts import parts_of, read_rows, trials_of
from star_agents.storage.read_later import later
from star_agents.storage.results import Header, Result, RowSource
from star_agents.storage.rows import (
    AgentUsage,
    Counts,
    MemoryRow,
    ModelUse,
    OpenWork,
    OutcomeRow,
    PairCost,
    PoolRow,
    RevisionRow,
    SeedUsage,
    Spend,
    Taken,
    VectorKeys,
    usd_or_none,
)
from star_agents.storage.spans import Span
from star_agents.storage.sql import execute
from star_agents.storage.stranded import stranded
from star_agents.text.plain_data import from_json, from_record_json

OutcomeColumns = tuple[int, int, float, str]
"""seq, revision, at, payload."""
_SEQ, _REVISION = 10, 11
"""Places in what `results` gives."""
_MOST = {"most_tokens": MOST_TOKENS, "most_usd": MOST_USD}


def counts(connection: sqlite3.Connection) -> Counts:
    """The store in numbers, from indexes alone."""
    seeds = dict(execute(connection, "count_seeds").fetchall())
    reopened = dict(execute(connection, "count_reopened").fetchall())
    selected = Counter(dict(execute(connection, "count_selections").fetchall()))
    selected.subtract(reopened)  # They wait, and count as such.
    usage = agent_usage(connection)
    unknown = sum(one.unknown_price for one in usage)
    kept, base = selected["kept"], selected["base"]
    untaken = _stranded(connection)
    return Counts(
        waiting=seeds.get("waiting", 0) + seeds.get("parked", 0) - untaken,
        stranded=untaken,
        working=seeds.get("working", 0),
        kept=kept,
        base=base,
        dropped=seeds.get("done", 0) - kept - base,
        calls_answered=sum(one.answered for one in usage),
        calls_pending=sum(one.pending for one in usage),
        calls_maybe_paid=sum(one.maybe_paid for one in usage),
        prompt_tokens=sum(one.prompt_tokens for one in usage),
        completion_tokens=sum(one.completion_tokens for one in usage),
        cost_usd=usd_or_none(sum(one.cost_usd or 0.0 for one in usage), unknown),
        calls_of_unknown_price=unknown,
        quarantined=seeds.get("quarantined", 0),
        catching_up=sum(reopened.values()),
    )


def agent_usage(connection: sqlite3.Connection) -> list[AgentUsage]:
    """Calls, tokens and dollars by agent, in order of name."""
    return [
        AgentUsage(
            agent=agent,
            answered=one.answered,
            pending=one.pending,
            maybe_paid=one.repeated,
            prompt_tokens=one.prompt_tokens,
            completion_tokens=one.completion_tokens,
            cost_usd=usd_or_none(one.usd, one.unknown_price),
            unknown_price=one.unknown_price,
            at_risk_usd=usd_or_none(one.at_risk_usd, one.unreserved),
        )
        for agent, one in sums(connection).items()
    ]


def spend(connection: sqlite3.Connection) -> dict[str, Spend]:
    """What each agent's answered calls cost."""
    return {one.agent: Spend(one.cost_usd, one.answered, one.unknown_price) for one in agent_usage(connection)}


def models(connection: sqlite3.Connection) -> list[ModelUse]:
    """Which models were asked and which answered, in order of the agents' names; reads every reply."""
    return [
        ModelUse(agent, _name(asked), _name(answered), calls, usd_or_none(usd, unknown), unknown)
        for agent, asked, answered, calls, usd, unknown in execute(connection, "models_of_calls")
    ]


def _name(name: bytes | None) -> str:
    return (name or b"").decode("utf-8", "replace")


def usage_of_seeds(connection: sqlite3.Connection, ids: Sequence[str]) -> list[SeedUsage]:
    """What each of these seeds took that is done with all that came of it, children included; in no order."""
    rows = execute(connection, "usage_of_seeds", ids=json.dumps(list(ids)), **_MOST)
    return [SeedUsage(*row) for row in rows]


def taken(connection: sqlite3.Connection, since: float | None) -> dict[str, Taken]:
    """The most that each agent's calls took, in all or since a moment (seconds since 1970)."""
    if since is None or not execute(connection, "has_calls_before", since=since).fetchone()[0]:
        return {name: Taken(one.usd + one.at_risk_usd, one.sends, one.tokens) for name, one in sums(connection).items()}
    rows = execute(connection, "taken_since", since=since, **_MOST)
    return {agent: Taken(*amounts) for agent, *amounts in rows}


def sent_since(connection: sqlite3.Connection, since: float) -> list[tuple[str, float, int]]:
    """Agent, time and tokens of each call that was sent since a moment; of one that was sent again, the last time."""
    rows = execute(connection, "sent_since", since=since, most_tokens=MOST_TOKENS)
    return [(str(agent), float(at), int(tokens)) for agent, at, tokens in rows]


def count_impossible(connection: sqlite3.Connection) -> int:
    """Calls with counts or dollars that no reply can have (``journal.repair_counts``)."""
    return int(execute(connection, "count_impossible", **_MOST).fetchone()[0])


def open_work(connection: sqlite3.Connection) -> OpenWork:
    """What is in hand, from indexes that hold nothing else."""
    in_hand, pending, maybe_paid, quarantined = execute(connection, "count_open").fetchone()
    catching_up = sum(n for _, n in execute(connection, "count_reopened"))
    return OpenWork(in_hand, pending, maybe_paid, quarantined, _stranded(connection), catching_up)


def _stranded(connection: sqlite3.Connection) -> int:
    return sum(one.seeds for one in stranded(connection))


def pair_costs(connection: sqlite3.Connection) -> list[PairCost]:
    """What each pair did for the finished seeds, and for how much, in order of name."""
    return [
        PairCost(
            pair=pair,
            candidates=one.candidates,
            wins=one.wins,
            cost_usd=usd_or_none(one.usd, one.unknown),
            unknown_cost=one.unknown,
        )
        for pair, one in pair_sums.sums(connection).items()
    ]


def pools(connection: sqlite3.Connection) -> dict[str, PoolRow]:
    """The state of every pool, by name."""
    return {
        name: PoolRow(after_seq=after_seq, revision=revision, state=from_json(state), start=from_json(start))
        for name, after_seq, revision, state, start in execute(connection, "load_pools")
    }


def revisions(connection: sqlite3.Connection) -> list[RevisionRow]:
    """Every config that was in force, oldest first."""
    return [
        RevisionRow(id=id_, digest=digest, config=config, at=at, after_seq=after_seq)
        for id_, digest, config, at, after_seq in execute(connection, "revisions")
    ]


def memory_rows(connection: sqlite3.Connection, *, after_seq: int, embedder: str | None) -> list[MemoryRow]:
    """Instructions of the memory bank that entered after an outcome, in order."""
    return [
        MemoryRow(seq=seq, arm=arm, value=value, embedder=name, embedding=embedding)
        for seq, arm, value, name, embedding in execute(
            connection, "memory_rows", after_seq=after_seq, embedder=embedder
        )
    ]


VectorTable = Literal["vectors_of_memory", "vectors_of_recollections", "vectors_of_rows"]
"""Where vectors are kept, by the query that reads them."""


def memory_keys(connection: sqlite3.Connection, *, embedder: str) -> VectorKeys:
    """Every instruction of the memory bank that is of an embedder, in order, without its vector."""
    keys, names = VectorKeys([], [], []), dict[str, str]()
    for seq, arm, dimension in execute(connection, "memory_keys", embedder=embedder):
        keys.numbers.append(seq)
        keys.arms.append(names.setdefault(arm, arm))  # One text for each arm, not one for each row.
        keys.dimensions.append(dimension)
    return keys


def vectors(connection: sqlite3.Connection, *, of: VectorTable, numbers: Sequence[int]) -> dict[int, bytes]:
    """Some vectors of a table, by the numbers under which they are kept: float32, little endian."""
    return dict(execute(connection, of, numbers=json.dumps(list(numbers))))


def outcomes(connection: sqlite3.Connection, *, after_seq: int, limit: int) -> list[OutcomeRow]:
    """A page of outcomes with all their parts, in the order in which they took effect."""
    return outcome_rows(connection, execute(connection, "outcomes", after_seq=after_seq, limit=limit).fetchall())


def outcomes_of_seed(connection: sqlite3.Connection, seed_id: str) -> list[tuple[OutcomeRow, float | None]]:
    """Every outcome of a seed, newest first, each with the moment at which the texts behind it were cleared."""
    rows = execute(connection, "outcomes_of_seed", seed_id=seed_id).fetchall()
    return list(zip(outcome_rows(connection, [row[:4] for row in rows]), (row[4] for row in rows), strict=True))


def results(connection: sqlite3.Connection, *, span: Span, limit: int) -> tuple[list[Result], Span]:
    """A page of finished seeds in the order in which they were queued, and what is left of the span."""
    rows = execute(connection, "results", after=span.after, up_to=span.up_to, limit=limit).fetchall()
    return _results(connection, rows), _left(span, rows)


def row_sources(connection: sqlite3.Connection, *, span: Span, limit: int) -> tuple[list[RowSource], Span]:
    """What rows of samples are made of, of a page of finished seeds in the order in which they were queued, and what is
    left of the span."""
    rows = execute(connection, "row_sources", after=span.after, up_to=span.up_to, limit=limit).fetchall()
    stamps = _stamps(connection)
    found, more = [], dict[int, dict[int, Any]]()
    for _, id_, labels, parent, round_, source, seq, revision, kind, recipe, cost_usd, rows_told, said in rows:
        header = Header(id_, from_record_json(labels), parent, round_, source, seq, revision, kind, recipe, cost_usd)
        given, trials, are_all = read_rows(rows_told)
        if not are_all:
            more[seq] = trials
        found.append(RowSource(header, stamps.get(revision, ""), given, trials, said))
    if more:
        for seq, place, payload in trials_of(connection, list(more)):
            more[seq].setdefault(place, payload)
    return found, _left(span, rows)


def _left(span: Span, rows: Sequence[Sequence[Any]]) -> Span:
    return Span(rows[-1][0], span.up_to) if rows else span


def results_of(connection: sqlite3.Connection, seqs: Sequence[int]) -> list[Result]:
    """The seeds of some outcomes with these, in the order of the outcomes."""
    return _results(connection, execute(connection, "results_of", seqs=json.dumps(list(seqs))).fetchall())


def _results(connection: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> list[Result]:
    parts, stamps = parts_of(connection, [row[_SEQ] for row in rows]), _stamps(connection)
    return [Result.of_columns(row[1:], parts[row[_SEQ]], stamps.get(row[_REVISION], "")) for row in rows]


def _stamps(connection: sqlite3.Connection) -> dict[int, str]:
    """What the exam of the judges came to, by revision."""
    return {revision: one.stamp for revision, one in exams(connection).items()}


def documents(connection: sqlite3.Connection, *, after: int, limit: int) -> tuple[int, list[Document]]:
    """Documents from outside behind a place, and the place of the last."""
    rows = execute(connection, "documents", after=after, limit=limit).fetchall()
    return max((row[0] for row in rows), default=after), [Document.from_dict(from_json(row[1])) for row in rows]


def outcome_rows(connection: sqlite3.Connection, rows: Iterable[OutcomeColumns]) -> list[OutcomeRow]:
    """Join outcomes with their parts, which the store keeps apart."""
    rows = list(rows)
    parts = parts_of(connection, [seq for seq, *_ in rows])
    return [
        OutcomeRow(
            seq=seq,
            revision=revision,
            at=at,
            outcome=Outcome.from_dict({**from_record_json(payload), **parts[seq]._asdict()}, gather=later),
        )
        for seq, revision, at, payload in rows
    ]
