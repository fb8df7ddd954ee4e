"""Datasets out of a store, in the formats that ``result_rows`` names: one row per seed (Eq. 1), and preference pairs.

Rows are made one at a time, so a dataset of any length passes through in constant memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from star_agents.config.star import JUDGED
from star_agents.errors import UsageError
from star_agents.records import STAR, RowShape
from star_agents.records.reviews import ReviewsUse
from star_agents.storage.arm_notes import probabilities_in
from star_agents.storage.formats.row_writing import atomic_file, json_line, write_rows
from star_agents.storage.outgoing.game_files import game_rows
from star_agents.storage.outgoing.result_rows import (
    PREFERENCE_SHAPES,
    SAMPLE_SHAPES,
    TOOLS,
    Row,
    instruction_rows,
    preference_rows,
    refused_rows,
    rejected_row,
    reward_rows,
    selected_rows,
    tool_rows,
)
from star_agents.storage.outgoing.reviewed_rows import R, ReviewedRows
from star_agents.storage.outgoing.row_labels import without_provenance
from star_agents.storage.outgoing.summary import PairTally, Probabilities, summarise, tally
from star_agents.storage.reader import StoreReader
from star_agents.storage.results import Result, RowSource
from star_agents.storage.reviews import ANY
from star_agents.storage.spans import WHOLE, Span
from star_agents.storage.split import Split
from star_agents.text.plain_data import json_text

FORMATS = (*SAMPLE_SHAPES, TOOLS, *PREFERENCE_SHAPES)
_SHAPES_OF: Mapping[str, tuple[RowShape, ...]] = dict.fromkeys(PREFERENCE_SHAPES, ("preference",))
"""Shapes of the rows that a format is made of, but for those of samples."""
_PERHAPS = ("instructions", "rewards", "battles", TOOLS, "refused")
"""Files of a run that some recipes fill, and most do not."""
SUFFIXES = (".jsonl", ".json", ".parquet")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which seeds are exported."""

    only_improved: bool = False
    """Only those of which a drawn pair made something better than their base."""
    min_pi: float | None = None
    """Only those whose chosen sample has at least this π; one without a π has less than any."""
    part: str = ""
    """Only those of this part of ``split``."""
    split: Split | None = None
    only_parts: tuple[str, ...] = ()
    """Only those of these parts (``parts``); empty: all."""

    def why_not(self, result: RowSource) -> str:
        """Why a finished seed is left out; empty where it is wanted, and where it is another part's affair."""
        if not self._asks_for_more or not result.chosen or result.header.recipe != STAR:
            return ""  # Nothing came of it, or its recipe gave rows that know no π.
        if self.only_improved and result.header.kind != "kept":
            return "not improved"
        if self.min_pi is None:
            return ""
        pi = result.trial_data(result.chosen[0])["measures"].get("pi")
        if pi is None:
            return "without π"
        return f"π below {self.min_pi:g}" if pi < self.min_pi else ""

    @property
    def _asks_for_more(self) -> bool:
        return self.only_improved or self.min_pi is not None

    def holds(self, result: RowSource) -> bool:
        """Whether a seed belongs to the part that is written."""
        if self.only_parts and result.header.part not in self.only_parts:
            return False
        return self.split is None or self.split.part_of(result.header.seed_id) == self.part


EVERYTHING = Wanted()


def dataset_rows(
    reader: StoreReader,
    format: str,
    *,
    provenance: bool = True,
    reasoning: bool = False,
    wanted: Wanted = EVERYTHING,
    skipped: Counter[str] | None = None,
    decided: Callable[[Result], Result] | None = None,
    reviews: ReviewsUse = "follow",
    newest_review: int = ANY,
    results: Iterable[Result] | None = None,
    span: Span = WHOLE,
) -> Iterator[Row]:
    """Yield the rows of the dataset in one format, in the order in which seeds were queued.

    Args:
        reader: The store.
        format: One of ``FORMATS``.
        provenance: Whether each row says where it comes from.
        reasoning: Whether each row has a column ``reasoning``, the model's thoughts before its answer; preference pairs
            have ``chosen_reasoning`` and ``rejected_reasoning``.
        wanted: Which seeds.
        skipped: Counts what was left out, by reason: seeds that are not wanted, and pairs that teach no preference.
        decided: Puts other rows in the place of those of a result.
        reviews: What becomes of rows that people reviewed.
        newest_review: Reviews that came later are not in force (``StoreReader.newest_review``).
        results: The finished seeds that rows are made of; left out: those of ``span``.
        span: Seeds by their places in the queue.

    Raises:
        UsageError: for an unknown format.
    """
    if format not in FORMATS:
        raise UsageError(f"unknown format {format!r}; use one of {', '.join(FORMATS)}")
    reviewed = ReviewedRows(reader.reviews(newest_review) if reviews != "as-is" else {}, reviews)
    kept = _Kept(wanted, reviewed, _SHAPES_OF.get(format, ("sft",)), skipped)
    given = reader.results(span) if results is None else results
    whole = map(decided, given) if decided else given
    if format in PREFERENCE_SHAPES:
        pairs = partial(preference_rows, format=format, skipped=skipped, reasoning=reasoning)
        rows = chain.from_iterable(map(pairs, kept.of(whole)))
    else:
        samples = partial(selected_rows, format=format, reasoning=reasoning)
        if format == TOOLS:
            samples = partial(tool_rows, skipped=skipped, reasoning=reasoning)
        finished = reader.row_sources(span) if results is None and decided is None else whole
        rows = chain.from_iterable(map(samples, kept.of(finished)))
    return rows if provenance else map(without_provenance, rows)


@dataclass(frozen=True, slots=True)
class _Kept:
    """Those finished seeds that are exported, each with those of its rows that people let go out."""

    wanted: Wanted
    reviewed: ReviewedRows
    shapes: tuple[RowShape, ...]
    skipped: Counter[str] | None

    def of(self, finished: Iterable[R]) -> Iterator[R]:
        for one in filter(self.wanted.holds, finished):
            reason = self.wanted.why_not(one)
            if not reason:
                yield self.reviewed(one, self.skipped, self.shapes)
            elif self.skipped is not None:
                self.skipped[reason] += 1


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


def write_run_folder(
    reader: StoreReader, out: Path, *, probabilities: Probabilities = probabilities_in
) -> dict[str, Any]:
    """Write dataset, preferences, rejected seeds and summary, and return the summary.

    Each file takes its name only when it is whole. All rows pass through once, so the files agree with each other even
    while a daemon goes on working. Preferences or rejected seeds that hold no row are not written, since no trainer
    reads an empty file; the summary says why.

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
    reviewed, left_out = ReviewedRows(reader.reviews()), Counter[str]()
    with ExitStack() as files:
        handles = {name: files.enter_context(atomic_file(out / f"{name}.jsonl")) for name in (*rows, *_PERHAPS)}
        for as_it_is in reader.results():
            tally(as_it_is, pairs)
            result = reviewed(as_it_is, left_out)
            parts = {
                "dataset": selected_rows(result, "messages"),
                "preferences": preference_rows(result, skipped=skipped),
                "rejected": rejected_row(result),
                "instructions": instruction_rows(result),
                "rewards": reward_rows(result),
                "battles": game_rows(result),
                TOOLS: tool_rows(result),
                "refused": refused_rows(result),
            }
            for name, found in parts.items():
                for row in found:
                    handles[name].write(json_line(row))
                    rows[name] += 1
    summary = summarise(reader, pairs, probabilities)
    not_written = _why_not_written(rows, skipped, summary)
    for name in (*not_written, *(f"{name}.jsonl" for name in _PERHAPS if not rows[name])):
        (out / name).unlink(missing_ok=True)
    summary["rows"] = {**rows, "preferences_skipped": dict(skipped), "not_written": not_written}
    if reviewed.known:
        summary["rows"]["left_out"] = dict(left_out)
    with atomic_file(out / "summary.json") as handle:
        handle.write(json_text(summary, indent=2).encode("utf-8") + b"\n")
    return summary


def _why_not_written(rows: Mapping[str, int], skipped: Mapping[str, int], summary: Mapping[str, Any]) -> dict[str, str]:
    """Of the files that may be missing those that are, each with the reason."""
    why: dict[str, str] = {}
    if not rows["dataset"]:
        why["dataset.jsonl"] = "no seed has ended with a sample"
    if not rows["preferences"]:
        left_out = ", ".join(f"{count:,} {reason}" for reason, count in skipped.items())
        selection, recipes = summary["selection"], list(summary["recipes"])
        judged = "no candidate was judged better or worse than its base"
        if recipes and STAR not in recipes:
            judged = f"{', '.join(recipes)} gave no pair of a better and a worse answer"
        elif selection is not None and selection not in JUDGED:
            judged = f"`selection: {selection}` judges nothing"
        why["preferences.jsonl"] = f"every pair was left out: {left_out}" if left_out else judged
    if not rows["rejected"]:
        why["rejected.jsonl"] = "no seed was dropped"
    return why
