"""What was decided for each seed, read from a store's file alone and none of the package's code.

Records are plain data, so that the same words come out of any version's store. A version with another schema gets a
reader here beside the older ones; what it gives stays the same.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

Decided = dict[str, Any]
"""What was decided for one seed, aspect by aspect; floats as they stand in the store, to the last bit:

- ``seed``, ``status`` (kept, base, dropped), ``reason``, ``winner`` (pair, or None)
- ``draws``: of each draw the base pairs, the drawn pairs, and how many of them come from the memory bank
- ``trials``: pair, whether it is a base pair, failure (``kind: detail``, empty for none); in order
- ``texts``: SHA-256 of the sample of each trial
- ``judgements``: of each trial None, or value, failure and every vote (judge, value, agreed, readable)
- ``calls``: agent, sends, tokens of prompt and reply of every call, sorted
- ``measures``: of each trial None, or IFD of the small and the large model, formula, tokens, reason of a missing one
- ``worth``: dual term and π of each trial, then the π of the winner
- ``rewards``: pair and reward, in order
- ``probabilities``: of every pair, after what was learned from this seed
"""


def digest(value: object) -> str:
    """Short hash of plain data; floats count to the last bit."""
    return hashlib.sha256(json.dumps(value, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:12]


def read_decisions(store: Path) -> list[Decided]:
    """Every outcome of a store, in the order in which they took effect.

    Raises:
        NotImplementedError: for a store of a schema version that has no reader yet.
    """
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version not in READERS:
            raise NotImplementedError(f"{store}: schema version {version}; write its reader beside {sorted(READERS)}")
        return list(READERS[version](connection))


def _read_version_8(connection: sqlite3.Connection) -> Iterator[Decided]:
    """One curve, of agent-pairs."""
    return _read_candidates(connection, "SELECT seq, probabilities FROM curve")


def _read_version_9(connection: sqlite3.Connection) -> Iterator[Decided]:
    """A curve for each pool."""
    return _read_candidates(connection, "SELECT seq, probabilities FROM curve WHERE pool = 'star.pairs'")


def _read_candidates(connection: sqlite3.Connection, curve: str) -> Iterator[Decided]:
    """One row per outcome and candidate; the recipe's own words stand in JSON columns."""
    after = {seq: json.loads(text) for seq, text in connection.execute(curve)}
    outcomes = connection.execute("SELECT seq, seed_id, kind, reason, pair, pi, payload FROM outcomes ORDER BY seq")
    for seq, seed_id, kind, reason, winner, pi, payload in outcomes.fetchall():
        candidates = [
            (json.loads(text), pi_dual, candidate_pi)
            for text, pi_dual, candidate_pi in connection.execute(
                "SELECT payload, pi_dual, pi FROM candidates WHERE seq = ? ORDER BY ord", (seq,)
            )
        ]
        steps = connection.execute(
            "SELECT payload FROM steps WHERE seed_id = ? AND step GLOB 'draw*' ORDER BY rowid", (seed_id,)
        )
        draws = [json.loads(text) for (text,) in steps]
        calls = connection.execute(
            "SELECT agent, sends, prompt_tokens, completion_tokens FROM calls WHERE seed_id = ?", (seed_id,)
        )
        written = [one["candidate"] for one, _, _ in candidates]
        yield {
            "seed": seed_id,
            "status": kind,
            "reason": reason,
            "winner": winner,
            "draws": [[draw["base"], draw["sampled"], draw["from_memory"]] for draw in draws],
            "trials": [[one["pair"], bool(one["is_base"]), one["failure"]] for one in written],
            "texts": [digest(one["sample"]) for one in written],
            "judgements": [_judgement(one["verdict"]) for one, _, _ in candidates],
            "calls": sorted(map(list, calls)),
            "measures": [_measures(one["score"]) for one, _, _ in candidates],
            "worth": [*([pi_dual, candidate_pi] for _, pi_dual, candidate_pi in candidates), pi],
            "rewards": json.loads(payload)["rewards"],
            "probabilities": after.get(seq),
        }


def _judgement(verdict: Mapping[str, Any] | None) -> Sequence[Any] | None:
    if verdict is None:
        return None
    votes = [[vote["referee"], vote["value"], vote["agreed"], vote["readable"]] for vote in verdict["votes"]]
    return [verdict["value"], verdict["failure"], votes]


def _measures(score: Mapping[str, Any] | None) -> Sequence[Any] | None:
    names = ("ifd_small", "ifd_large", "formula", "response_tokens", "reason")
    return None if score is None else [score[name] for name in names]


READERS: Mapping[int, Callable[[sqlite3.Connection], Iterator[Decided]]] = {
    8: _read_version_8,
    9: _read_version_9,
    10: _read_version_9,
    11: _read_version_9,
}
"""By schema version (``PRAGMA user_version``)."""
