"""Datasets out of a store, in the formats that ``result_rows`` names: one row per seed (Eq. 1), and preference pairs.

Rows are made one at a time, so a dataset of any length passes through in constant memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from star_agents.errors import UsageError
from star_agents.storage.plain_data import json_text
from star_agents.storage.reader import StoreReader
from star_agents.storage.result_rows import Row, preference_rows, rejected_row, selected_rows
from star_agents.storage.row_writing import atomic_file, json_line, write_rows
from star_agents.storage.summary import PairTally, Probabilities, summarise, tally, weights

FORMATS = ("alpaca", "messages", "sharegpt", "dpo")
SUFFIXES = (".jsonl", ".json", ".parquet")


def dataset_rows(
    reader: StoreReader,
    format: str,
    *,
    provenance: bool = True,
    reasoning: bool = False,
    skipped: Counter[str] | None = None,
) -> Iterator[Row]:
    """Yield the rows of the dataset in one format, in the order in which seeds were queued.

    Args:
        reader: The store.
        format: One of ``FORMATS``.
        provenance: Whether each row says where it comes from.
        reasoning: Whether each row has a column ``reasoning``, the model's thoughts before its answer; ``dpo`` has
            ``chosen_reasoning`` and ``rejected_reasoning``.
        skipped: Counts preference pairs that were left out, by reason; only ``dpo`` leaves any out.

    Raises:
        UsageError: for an unknown format.
    """
    if format not in FORMATS:
        raise UsageError(f"unknown format {format!r}; use one of {', '.join(FORMATS)}")
    for result in reader.results():
        rows = (
            preference_rows(result, skipped, reasoning=reasoning)
            if format == "dpo"
            else selected_rows(result, format, reasoning=reasoning)
        )
        for row in rows:
            yield row if provenance else {name: value for name, value in row.items() if name != "provenance"}


def rejected_rows(reader: StoreReader) -> Iterator[Row]:
    """Yield every dropped seed with its reason, as a row that can be read as a seed again."""
    for result in reader.results():
        yield from rejected_row(result)


def write_export(rows: Iterable[Row], path: Path) -> int:
    """Write rows to a .jsonl, .json or .parquet file, all or nothing; return how many.

    Raises:
        UsageError: when the suffix is another, or the file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: cannot export to {path.suffix!r}; use one of {', '.join(SUFFIXES)}")
    return write_rows(path, rows)


def write_run_folder(reader: StoreReader, out: Path, *, probabilities: Probabilities = weights) -> dict[str, Any]:
    """Write the four files and return the summary.

    Each file takes its name only when it is whole. All rows pass through once, so the files agree with each other even
    while a daemon goes on working.

    Args:
        reader: The store.
        out: Folder to write to; made when missing.
        probabilities: Reads probabilities from the policy's state.

    Raises:
        UsageError: when the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out}: cannot be made: {error.strerror or error}") from error
    pairs: dict[str, PairTally] = {}
    rows: Counter[str] = Counter(dataset=0, preferences=0, rejected=0)
    skipped: Counter[str] = Counter()
    with ExitStack() as files:
        handles = {name: files.enter_context(atomic_file(out / f"{name}.jsonl")) for name in list(rows)}
        for result in reader.results():
            tally(result, pairs)
            parts = {
                "dataset": selected_rows(result, "messages"),
                "preferences": preference_rows(result, skipped),
                "rejected": rejected_row(result),
            }
            for name, found in parts.items():
                for row in found:
                    handles[name].write(json_line(row))
                    rows[name] += 1
    summary = summarise(reader, pairs, probabilities)
    summary["rows"] = {**rows, "preferences_skipped": dict(skipped)}
    with atomic_file(out / "summary.json") as handle:
        handle.write(json_text(summary, indent=2).encode("utf-8") + b"\n")
    return summary
