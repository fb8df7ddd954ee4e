"""The parts of an outcome that have tables of their own: trials, judgements, rows, and what admission found.

A row whose text is that of a trial is kept without it, and finds it there again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from star_agents.records import Outcome, Row
from star_agents.records.findings import Finding
from star_agents.storage.read_later import plain_at
from star_agents.storage.sql import execute, queries
from star_agents.text.plain_data import from_json, from_record_json, from_records_json, to_record_json, writable


class Parts(NamedTuple):
    """Plain data of the records; of trials and judgements JSON text, as long as nothing of it was needed."""

    trials: dict[int, Any]
    """By their places."""
    judgements: list[Any]
    rows: list[dict[str, Any]]
    findings: list[dict[str, Any]]


def add_parts(connection: sqlite3.Connection, outcome: Outcome, seq: int) -> None:
    """Write the parts of an outcome that was written as ``seq``."""
    chosen = frozenset(outcome.chosen)
    trials = [trial.to_dict() for trial in outcome.trials]
    _add_all(
        connection,
        "add_trial",
        [
            {
                "seq": seq,
                "ord": place,
                "arm": writable(trial["arm"]),
                "role": writable(trial["role"]),
                "failed": trial["failure"] is not None,
                "chosen": place in chosen,
                "cost_usd": trial["cost_usd"],
                "payload": to_record_json(trial),
            }
            for place, trial in enumerate(trials)
        ],
    )
    _add_all(
        connection,
        "add_judgement",
        [
            {"seq": seq, "ord": place, "judge": writable(one.judge), "payload": to_record_json(one.to_dict())}
            for place, one in enumerate(outcome.judgements)
        ],
    )
    _add_all(
        connection,
        "add_row",
        [{"seq": seq, "ord": place, **_row(one, trials)} for place, one in enumerate(outcome.rows)],
    )
    _add_all(
        connection,
        "add_finding",
        [{"seq": seq, "ord": place, **_finding(one, trials)} for place, one in enumerate(outcome.findings)],
    )


def parts_of(connection: sqlite3.Connection, seqs: Sequence[int]) -> Mapping[int, Parts]:
    """The parts of some outcomes, as ``Outcome.from_dict`` takes them with ``read_later.later``."""
    asked = json.dumps(list(seqs))
    parts = {seq: Parts({}, [], [], []) for seq in seqs}
    for seq, place, payload in trials_of(connection, seqs):
        parts[seq].trials[place] = payload
    for seq, payload in execute(connection, "judgements_of", seqs=asked):
        parts[seq].judgements.append(payload)
    for seq, payload, text_of in execute(connection, "rows_of", seqs=asked):
        row = from_record_json(payload)
        if text_of is not None:
            row["data"] = {"sample": plain_at(parts[seq].trials, text_of)["sample"]}
        parts[seq].rows.append(row)
    for seq, payload, text_of in execute(connection, "findings_of", seqs=asked):
        finding = from_json(payload)
        if text_of is not None:
            finding["row"]["data"] = {"sample": plain_at(parts[seq].trials, text_of)["sample"]}
        parts[seq].findings.append(finding)
    return parts


def read_rows(told: str) -> tuple[list[dict[str, Any]], dict[int, Any], bool]:
    """Rows of an outcome, by their places the trials whose texts they have, and whether they are of these trials alone.

    Args:
        told: What the query ``row_sources`` gives: a JSON array of each row, the place of its trial, and that trial,
            both null where its text is its own.
    """
    rows: list[dict[str, Any]] = []
    trials: dict[int, Any] = {}
    are_all = True
    parts = iter(from_records_json(told))
    for row, place, trial in zip(parts, parts, parts, strict=True):
        if place is not None:
            trials[place] = trial
            row["data"] = {"sample": trial["sample"]}
        are_all = are_all and row["from_trials"] == [place]
        rows.append(row)
    return rows, trials, are_all


def trials_of(connection: sqlite3.Connection, seqs: Sequence[int]) -> Iterator[tuple[int, int, str]]:
    """Of the trials of some outcomes the outcome, the place, and the JSON text."""
    return execute(connection, "trials_of", seqs=json.dumps(list(seqs)))


def _add_all(connection: sqlite3.Connection, query: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.executemany(queries()[query], rows)


def _row(row: Row, trials: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The columns of a row."""
    plain, text_of = _without_text(row, trials)
    return {"shape": row.shape, "payload": to_record_json(plain), "text_of": text_of}


def _finding(finding: Finding, trials: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The columns of what admission has against something."""
    plain, text_of = finding.to_dict(), None
    if finding.row is not None:
        plain["row"], text_of = _without_text(finding.row, trials)
    told = {"filter": finding.objection.filter, "action": finding.action, "kind": finding.kind}
    return {**told, "payload": to_record_json(plain), "text_of": text_of}


def _without_text(row: Row, trials: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], int | None]:
    """A row as plain data, without the text that is a trial's, and the place of that trial."""
    plain = row.to_dict()
    same = (place for place in row.from_trials if plain["data"] == {"sample": trials[place]["sample"]})
    text_of = next(same, None)
    if text_of is not None:
        del plain["data"]
    return plain, text_of
