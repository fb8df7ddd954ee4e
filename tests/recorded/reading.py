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


def _read_version_12(connection: sqlite3.Connection) -> Iterator[Decided]:
    """Trials, judgements and rows, as of every recipe."""
    curve = "SELECT seq, probabilities FROM curve WHERE pool = 'star.pairs'"
    after = {seq: json.loads(text) for seq, text in connection.execute(curve)}
    outcomes = connection.execute("SELECT seq, seed_id, kind, reason, arm, payload FROM outcomes ORDER BY seq")
    for seq, seed_id, kind, reason, winner, payload in outcomes.fetchall():
        ask = "SELECT payload FROM {} WHERE seq = ? ORDER BY ord"
        trials, judgements, rows = (
            [json.loads(text) for (text,) in connection.execute(ask.format(part), (seq,))]
            for part in ("trials", "judgements", "rows")
        )
        said = [[one for one in judgements if one["left"] == place] for place in range(len(trials))]
        measured = [one["measures"] for one in trials]
        (chosen,) = [place for row in rows for place in row["from_trials"]] or [None]
        draws, calls = _asked(connection, seed_id)
        yield {
            "seed": seed_id,
            "status": kind,
            "reason": reason,
            "winner": winner,
            "draws": draws,
            "trials": [[one["arm"], one["role"] == "base", _words(one["failure"])] for one in trials],
            "texts": [digest(one["sample"]) for one in trials],
            "judgements": [_verdict(*one) for one in zip(measured, said, strict=True)],
            "calls": calls,
            "measures": [_score(one["measures"], one["notes"]) for one in trials],
            "worth": [
                *([one.get("pi_dual"), one.get("pi")] for one in measured),
                None if chosen is None else measured[chosen].get("pi"),
            ],
            "rewards": [[one["arm"], one["value"]] for one in json.loads(payload)["earned"]],
            "probabilities": after.get(seq),
        }


def _asked(connection: sqlite3.Connection, seed_id: str) -> tuple[list[Any], list[Any]]:
    """Draws and calls of a seed."""
    steps = connection.execute(
        "SELECT payload FROM steps WHERE seed_id = ? AND step GLOB 'draw*' ORDER BY rowid", (seed_id,)
    )
    draws = [json.loads(text) for (text,) in steps]
    calls = connection.execute(
        "SELECT agent, sends, prompt_tokens, completion_tokens FROM calls WHERE seed_id = ?", (seed_id,)
    )
    return [[draw["base"], draw["sampled"], draw["from_memory"]] for draw in draws], sorted(map(list, calls))


def _words(failure: Mapping[str, str] | None) -> str:
    return "" if failure is None else f"{failure['kind']}: {failure['detail']}"


def _verdict(measures: Mapping[str, Any], said: Sequence[Mapping[str, Any]]) -> Sequence[Any] | None:
    if "pi_llm" not in measures:
        return None
    votes = [[one["judge"], one["value"], one["agreed"], one["readable"]] for one in said if one["judge"]]
    return [measures["pi_llm"], "".join(one["reason"] for one in said if not one["judge"]), votes]


def _score(measures: Mapping[str, Any], notes: Mapping[str, str]) -> Sequence[Any] | None:
    if "ifd_small" not in measures:
        return None
    found = (measures["ifd_small"], measures["ifd_large"], notes["formula"], measures["response_tokens"])
    return [*found, notes.get("unscored", "")]


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
        draws, calls = _asked(connection, seed_id)
        written = [one["candidate"] for one, _, _ in candidates]
        yield {
            "seed": seed_id,
            "status": kind,
            "reason": reason,
            "winner": winner,
            "draws": draws,
            "trials": [[one["pair"], bool(one["is_base"]), one["failure"]] for one in written],
            "texts": [digest(one["sample"]) for one in written],
            "judgements": [_judgement(one["verdict"]) for one, _, _ in candidates],
            "calls": calls,
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
    **dict.fromkeys(range(12, 24), _read_version_12),
}
"""By schema version (``PRAGMA user_version``)."""
