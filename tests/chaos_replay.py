"""What a store's outcomes lead to when they are learnt from again in order: the probabilities and the memory bank."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hnswlib
import numpy as np
from star_outcomes import read_star_outcome as stars

from star_agents.config.models import Config
from star_agents.engine.settling import INDEX_FILE
from star_agents.records import PAIRS, Sample
from star_agents.scheduling.hashing_embedder import DIMENSION, embed_by_hashing
from star_agents.scheduling.memory import KeptRows, MemoryBank, Remembered, Vector, as_vector, vector_from_bytes
from star_agents.scheduling.policies import Policy, make_policy, restore_policy
from star_agents.storage import reads
from star_agents.storage.rows import MemoryRow, OutcomeRow, RevisionRow

EMBEDDER = "hashing"


def replay_problems(connection: sqlite3.Connection, outcomes: Sequence[OutcomeRow], folder: Path) -> list[str]:
    """How the kept probabilities, the kept memory rows or the index beside them differ from a replay, bit for bit.

    Args:
        connection: In a transaction.
        outcomes: All of the store, in order.
        folder: Where the store is, of a daemon that embeds by hashing.
    """
    revisions, kept = reads.revisions(connection), reads.pools(connection).get(PAIRS)
    rows = reads.memory_rows(connection, after_seq=0, embedder=None)
    problems = []
    if kept is not None and outcomes:
        # A kill between a revision and the state that it leads to leaves the state to the next start, which makes it.
        replayed, restored = _learnt(outcomes, revisions), _under(revisions[-1], kept.state)
        if replayed.state() != restored.state():
            problems.append(f"probabilities {restored.state()} are not those of a replay, {replayed.state()}")
        if kept.after_seq != outcomes[-1].seq:
            problems.append(f"the policy is of outcome {kept.after_seq}, and the newest is {outcomes[-1].seq}")
    samples = {id_: _question(sample) for id_, sample in connection.execute("SELECT id, content FROM seeds")}
    remembered = [row for outcome in outcomes if (row := _remembered(outcome, samples)) is not None]
    if rows != remembered:
        problems.append(f"{len(rows)} rows in the memory bank are not the {len(remembered)} of a replay")
    return problems + _index_problems(rows, folder)


def _learnt(outcomes: Sequence[OutcomeRow], revisions: Sequence[RevisionRow]) -> Policy:
    """The policy that comes of all outcomes, each under the config that was in force."""
    to_come, policy = deque(revisions), None
    for row in outcomes:
        while to_come and to_come[0].after_seq < row.seq:
            policy = _under(to_come.popleft(), policy.state() if policy else {})
        assert policy is not None, "a config is in force before the first outcome"
        policy.observe(stars(row.outcome).rewards)
    for revision in to_come:
        policy = _under(revision, policy.state() if policy else {})
    assert policy is not None
    return policy


def _under(revision: RevisionRow, state: Any) -> Policy:
    config = Config.model_validate_json(revision.config)
    names = [pair.name for pair in config.pool]
    policy = make_policy(config.evolution, names, seeds=None)
    restore_policy(policy, state, names)
    return policy


def _remembered(row: OutcomeRow, questions: dict[str, str]) -> MemoryRow | None:
    """What enters the bank: a winner that is no base pair and has π > 0."""
    winner = stars(row.outcome).winner
    if row.outcome.kind != "kept" or winner is None or not winner.pi:
        return None
    embedding = embed_by_hashing(questions[row.outcome.seed_id]).tobytes()
    pair = winner.candidate.pair.name
    return MemoryRow(seq=row.seq, arm=pair, value=winner.pi, embedder=EMBEDDER, embedding=embedding)


def _question(sample: str) -> str:
    return Sample.from_dict(json.loads(sample)).question


def _index_problems(rows: Sequence[MemoryRow], folder: Path) -> list[str]:
    """A bank that takes the index as a head start holds what one of the rows alone holds."""
    given = [
        Remembered(seq=row.seq, pair=row.arm, pi=row.value, embedding=vector_from_bytes(row.embedding)) for row in rows
    ]
    bank = MemoryBank(EMBEDDER)
    bank.load(KeptRows.of(given), folder / INDEX_FILE)
    if len(bank) != len(given) or bank.last_seq != max((row.seq for row in given), default=0):
        return [f"the memory bank loads {len(bank)} of {len(given)} rows"]
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / INDEX_FILE
        bank.save(copy)
        found, expected = _in_index(copy), {row.seq: row.embedding for row in given}
        # hnswlib normalises once more, which may move the last bit.
        if found.keys() != expected.keys() or any(
            not np.allclose(found[seq], expected[seq], atol=1e-6) for seq in found
        ):
            return ["the memory bank's index holds other instructions than the store"]
    return []


def _in_index(path: Path) -> dict[int, Vector]:
    """Sequence numbers and vectors in an index file."""
    if not path.exists():
        return {}
    index = hnswlib.Index(space="cosine", dim=DIMENSION)
    index.load_index(str(path))
    labels = index.get_ids_list()
    return dict(zip(labels, map(as_vector, index.get_items(labels)), strict=True))
