"""Seeds and what became of them, as functions of a connection that runs them in a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from star_agents.errors import StoreError
from star_agents.records import GrownArm, Outcome, Reward, Seed
from star_agents.records.failures import REPEATS_A_DOCUMENT, CountedFailure, Tried, joined, one_line
from star_agents.storage import curve, grown_arms, reopened, tallies
from star_agents.storage.failure_tallies import add_tried
from star_agents.storage.known_rows import Known, KnownRows, row_digest
from star_agents.storage.near_texts import NearTexts, Unlike
from star_agents.storage.outcome_parts import add_parts
from star_agents.storage.recollections import NearDraw, Recollection, learn
from star_agents.storage.rewards_due import settle_rewards
from star_agents.storage.rows import MemoryRow, OutcomeRow
from star_agents.storage.seed_columns import columns_of_seed
from star_agents.storage.sql import execute
from star_agents.storage.sums import Sums
from star_agents.text.plain_data import to_json, to_record_json, writable

PoolStates = Mapping[str, Mapping[str, Any]]
"""Pool to its policy's state."""


class Committed(NamedTuple):
    """What is known once an outcome is committed."""

    seq: int
    """Place in the order in which outcomes took effect."""
    pools: PoolStates
    """The states after it, of the pools that learned from it."""
    new_children: int = 0
    """Children that were queued; the others were seeds already."""
    recalled: Sequence[Recollection] = ()
    """What is known by it of arms that earned near something."""
    written: Outcome | None = None
    """As it was written, where it takes the place of an earlier one (``reopened``), or something of it was refused;
    ``None``: as it was given."""
    grown: tuple[GrownArm, ...] = ()
    """Arms that it added to pools or retired, with its number."""


Foresee = Callable[[Sequence[Reward]], PoolStates]
Admit = Callable[[Known], tuple[Outcome, frozenset[str]]]
"""Looks up what an outcome would add to the dataset, and adds it: the outcome as it is admitted, and the ids of its
children that are not to be queued. It is called in the writer's thread, once, before what is foreseen."""
REQUESTS_KEPT_S = 7 * 86_400.0
"""Seconds for which intake is known by the key that it named."""


def add_seeds(
    connection: sqlite3.Connection, seeds: Sequence[Seed], at: float, unlike: Unlike | None = None
) -> tuple[int, int]:
    """Queue seeds; return how many were new and how many the store held already, or nearly (``unlike``)."""
    if unlike is not None:
        new = _add_unlike(connection, seeds, at, unlike)
    else:
        new = sum(_add_seed(connection, seed, at) for seed in seeds)
    return new, len(seeds) - new


def _add_unlike(connection: sqlite3.Connection, seeds: Sequence[Seed], at: float, unlike: Unlike) -> int:
    """Queue those seeds that nearly repeat no earlier one. Whoever read them has left such out already, and told so:
    here are those alone whose like came from somebody else meanwhile."""
    texts, new, late = NearTexts(connection), 0, list[CountedFailure]()
    for seed in seeds:
        kept = unlike.signatures.get(seed.id)
        is_known = execute(connection, "has_seed", id=seed.id).fetchone() is not None
        earlier = None if kept is None else texts.find([kept], unlike.least)
        if earlier is not None and not is_known:
            example = one_line(f"{seed.source or seed.id}: {REPEATS_A_DOCUMENT} (it is kept as {earlier.name})")
            late.append(CountedFailure(reason=REPEATS_A_DOCUMENT, example=example))
            continue
        new += _add_seed(connection, seed, at)
        if kept is not None and earlier is None:
            texts.add(kept, seed.id)
    if late:
        add_tried(connection, [Tried(part="chunks", name=unlike.source, tries=len(late), failures=joined(late))], at=at)
    return new


def _add_seed(connection: sqlite3.Connection, seed: Seed, at: float) -> bool:
    """Queue a seed; whether it is new."""
    cursor = execute(connection, "add_seed", **columns_of_seed(seed), at=at)
    return cursor.rowcount > 0


def add_named_seeds(
    connection: sqlite3.Connection,
    seeds: Sequence[Seed],
    request: tuple[str, str] | None,
    at: float,
    told_with_it: Mapping[str, Any],
    unlike: Unlike | None = None,
) -> tuple[int, int]:
    """Queue seeds and remember under which key, if any, and with which digest of its body, they were asked for.

    Raises:
        sqlite3.IntegrityError: when the key was used before.
    """
    new, known = add_seeds(connection, seeds, at, unlike)
    if request is None:
        return new, known
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
    foresee: Foresee,
    memory: MemoryRow | None,
    revision: int,
    at: float,
    near: Sequence[NearDraw] = (),
    admit: Admit | None = None,
    grown: Sequence[GrownArm] = (),
    sums: Sums | None = None,
) -> Committed:
    """Write everything that follows from one outcome; return what is known only then.

    ``foresee`` says what they are, given the rewards that the outcome completes for the arms in its seed's labels. It
    is called in the writer's thread, once. ``grown`` are arms that it adds to pools or retires. ``sums`` are left to
    the caller to write.

    Raises:
        StoreError: for a seed that is unknown or has its outcome already.
    """
    lineage = execute(connection, "finish_seed", id=outcome.seed_id).fetchone()
    if lineage is None:
        raise StoreError(_why_not_open(connection, outcome.seed_id))
    *lineage, has_batch_calls, is_reopened = lineage
    if has_batch_calls:
        execute(connection, "forget_batch_calls", seed_id=outcome.seed_id)
    before = reopened.take(connection, outcome.seed_id) if is_reopened else None
    given, refused = outcome, frozenset[str]()
    if admit is not None:
        outcome, refused = admit(Known(connection, None if before is None else before.outcome))
    if before is not None:
        return _replace_outcome(connection, before, outcome, lineage, revision=revision, at=at)
    seq = _add_outcome(connection, outcome, revision=revision, at=at)
    add_parts(connection, outcome, seq)
    is_new = {one.id: one.id not in refused and _add_seed(connection, one, at) for one in outcome.children}
    if memory is not None and outcome.kind == given.kind:  # Where admission left nothing, there is no lesson.
        execute(
            connection,
            "add_memory",
            seq=seq,
            arm=memory.arm,
            value=memory.value,
            embedder=memory.embedder,
            dimension=memory.dimension,
            embedding=memory.embedding,
        )
    drawn_for = settle_rewards(connection, outcome, is_new, lineage)
    completed, recalled = [reward for _, reward in drawn_for], learn(connection, outcome, near, drawn_for)
    children = sum(is_new.values())
    gathered = Sums() if sums is None else sums
    tallies.add_outcome(connection, outcome, seq, lineage, completed=completed, new_children=children, sums=gathered)
    if sums is None:
        gathered.write(connection, at=at)
    pools = foresee(completed)
    for pool, state in pools.items():
        _save_pool(connection, pool, state, revision)
        curve.add_outcome_point(connection, pool, state, seq=seq, at=at, has_other_arms=bool(grown))
    kept = grown_arms.save(connection, grown, seq=seq)
    return Committed(seq, pools, children, recalled, None if outcome is given else outcome, kept)


def _replace_outcome(
    connection: sqlite3.Connection,
    before: OutcomeRow,
    outcome: Outcome,
    lineage: Sequence[str],
    *,
    revision: int,
    at: float,
) -> Committed:
    """Write an outcome that adds to one that was taken out. What was drawn, earned and heard of stays as it is."""
    whole = outcome.added_to(before.outcome)
    if outcome.kind == "dropped":
        known = KnownRows(connection)
        for place, row in enumerate(whole.rows):
            known.add(row_digest(row), whole.seed_id, place)
    seq = _add_outcome(connection, whole, revision=revision, at=at)
    add_parts(connection, whole, seq)
    old = before.outcome, before.seq
    tallies.replace_outcome(connection, old, (whole, seq), lineage, tried=outcome.tried, at=at)
    return Committed(seq, {}, written=whole)


def save_pools(connection: sqlite3.Connection, pools: PoolStates, revision: int) -> None:
    """Keep states of pools that follow from no outcome: the first ones, and after a change of the config."""
    for pool, state in pools.items():
        _save_pool(connection, pool, state, revision)
        curve.add_change_point(connection, pool, state, revision=revision)


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


def _save_pool(connection: sqlite3.Connection, pool: str, state: Mapping[str, Any], revision: int) -> None:
    execute(connection, "save_pool", pool=pool, state=to_record_json(state), revision=revision)


def _why_not_open(connection: sqlite3.Connection, seed_id: str) -> str:
    if execute(connection, "has_seed", id=seed_id).fetchone():
        return f"seed {seed_id} has its outcome already; each lease of a seed ends in exactly one"
    return f"seed {seed_id} is not in this store; add it before working on it"


def _add_outcome(connection: sqlite3.Connection, outcome: Outcome, *, revision: int, at: float) -> int:
    winner = outcome.winner
    cursor = execute(
        connection,
        "add_outcome",
        seed_id=outcome.seed_id,
        kind=outcome.kind,
        reason=writable(outcome.reason),
        recipe=outcome.recipe,
        arm=None if outcome.kind == "dropped" else writable(winner.arm) if winner else "",
        payload=to_record_json(outcome.summary()),
        revision=revision,
        cost_usd=outcome.cost_usd,
        at=at,
    )
    return int(cursor.fetchone()[0])
