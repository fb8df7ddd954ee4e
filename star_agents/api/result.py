"""What came of a run, read from its folder: rows, preferences, status."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from star_agents.api.tables import new_frame
from star_agents.engine.batch import BatchResult
from star_agents.engine.stored_status import status_of_folder
from star_agents.errors import UsageError
from star_agents.observe.status import FolderStatus
from star_agents.storage.outgoing.export import Wanted, dataset_rows, rejected_rows
from star_agents.storage.outgoing.result_rows import PREFERENCE_SHAPES, SAMPLE_SHAPES, TOOLS
from star_agents.storage.reader import StoreReader
from star_agents.storage.recipe_facts import ends_in_words, is_stars_alone
from star_agents.text.figures import usd_sum

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]
"""One row of a dataset as plain data: column names to values."""


class StoppedEarly(UserWarning):
    """A run ended before its last seed, or too much failed in it; ``RunResult.stopped_by`` says why."""


class Folder:
    """The folder of a run or a daemon, made here or by the command; only read, so also while it is worked on.

    Args:
        folder: As in ``run(..., out=folder)``.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path = Path(folder)

    def rows(
        self,
        format: str = "messages",
        *,
        provenance: bool = True,
        reasoning: bool = False,
        only_improved: bool = False,
        min_pi: float | None = None,
    ) -> list[Row]:
        """The dataset: one row per seed that ended with a sample, in the order in which seeds came.

        Args:
            format: ``messages`` (as dataset.jsonl has it), ``prompt-completion``, ``sharegpt``, ``alpaca``, or
                ``tools``: only the rows that hold tools, with their calls as such.
            provenance: Whether each row says where it comes from: JSON text under ``provenance`` with ``seed_id``,
                ``kind``, ``pair``, ``models``, ``gap``, ``pi``, ``cost_usd`` (US dollars) and more. It is text, so
                that every row has the same columns of the same types, which `datasets.Dataset.from_list` needs.
            reasoning: Whether each row has what the model thought before its answer, under ``reasoning``.
            only_improved: Only seeds of which a drawn pair made something better than their base.
            min_pi: Only seeds whose sample has at least this π, from 0 to 1.

        Raises:
            StoreError: there is no store in the folder.
            UsageError: there is no such format, or a sample does not fit into it.
        """
        return self._rows(format, (*SAMPLE_SHAPES, TOOLS), provenance, reasoning, only_improved, min_pi)

    def preferences(
        self,
        format: str = "dpo",
        *,
        provenance: bool = True,
        reasoning: bool = False,
        only_improved: bool = False,
        min_pi: float | None = None,
    ) -> list[Row]:
        """Preference pairs, only where a verdict stands behind them and both answer the same prompt.

        Args:
            format: ``dpo`` (``prompt``, ``chosen``, ``rejected``, each a list of messages), ``sharegpt-dpo`` or
                ``messages-dpo``.
            provenance: As in ``rows``, with ``chosen_pair`` and ``rejected_pair``.
            reasoning: Whether ``chosen_reasoning`` and ``rejected_reasoning`` stand beside them.
            only_improved: As in ``rows``.
            min_pi: As in ``rows``.

        Raises:
            StoreError: there is no store in the folder.
            UsageError: there is no such format.
        """
        return self._rows(format, PREFERENCE_SHAPES, provenance, reasoning, only_improved, min_pi)

    def rejected(self) -> list[Row]:
        """The seeds that were dropped: ``messages``, ``reason``, ``provenance``.

        Raises:
            StoreError: there is no store in the folder.
        """
        with StoreReader(self.path) as reader:
            return list(rejected_rows(reader))

    def status(self) -> FolderStatus:
        """What was done so far: ``seeds``, ``calls``, ``cost`` (US dollars), ``agents``, ``recipes``, ``pools`` and
        what else `status` shows, as attributes; ``star_agents.observe.status`` says what each of them holds.

        Raises:
            StoreError: there is no store in the folder, or nothing was worked on there yet.
        """
        return status_of_folder(self.path)

    def to_pandas(self, format: str = "messages") -> pd.DataFrame:
        """The rows as a DataFrame; each part of their provenance (``gap``, ``pi``, ``pair`` ...) is a column.

        Raises:
            UsageError: pandas is not installed, or there is no such format.
            StoreError: there is no store in the folder.
        """
        rows = self.rows(format)
        return new_frame([{**row, **json.loads(row.pop("provenance"))} for row in rows])

    def _rows(
        self,
        format: str,
        known: Collection[str],
        provenance: bool,
        reasoning: bool,
        only_improved: bool,
        min_pi: float | None,
    ) -> list[Row]:
        if format not in known:
            raise UsageError(f"unknown format {format!r}; use one of {', '.join(known)}")
        wanted = Wanted(only_improved=only_improved, min_pi=min_pi)
        with StoreReader(self.path) as reader:
            return list(dataset_rows(reader, format, provenance=provenance, reasoning=reasoning, wanted=wanted))

    def __repr__(self) -> str:
        return f"<star_agents folder {self.path}>"


class RunResult(Folder):
    """What came of one run. Made by ``run``, ``arun`` and ``stream``.

    Attributes:
        path: The folder, with ``dataset.jsonl``, ``preferences.jsonl``, ``rejected.jsonl``, ``summary.json`` and the
            store.
        summary: What ``summary.json`` holds, counted over everything in the folder.
        calls: Calls sent and answered in this run; those that the journal answered are not among them.
        stopped_by: Why it ended before its last seed, or what failed beyond its limit; empty where neither was so.
        left_waiting: Seeds of earlier runs in this folder that ``limit`` left waiting.
        seeds_added: What became of the rows that were given: ``new``, ``duplicates``, ``repeated``, ``not_read``.
    """

    def __init__(self, folder: str | os.PathLike[str], batch: BatchResult) -> None:
        super().__init__(folder)
        self.summary: Mapping[str, Any] = batch.summary
        self.calls = batch.calls
        self.stopped_by = batch.stopped_by or batch.failed_because
        self.left_waiting = batch.left_waiting
        self.seeds_added: dict[str, Any] = asdict(batch.added)

    @property
    def is_complete(self) -> bool:
        """Whether every seed was worked, and no more failed than `failure_limits` allows."""
        return not self.stopped_by

    def warn_if_stopped(self, *, stacklevel: int) -> None:
        """Warn where the run is not complete: nothing fails in silence."""
        if self.stopped_by:
            message = f"stopped early: {self.stopped_by}"
            warnings.warn(message, StoppedEarly, stacklevel=stacklevel + 1)

    def __repr__(self) -> str:
        counts, cost, rows = (self.summary[part] for part in ("counts", "cost", "rows"))
        money = usd_sum(cost["known_usd"], cost["calls_of_unknown_price"])
        waiting = counts["waiting"] + counts["working"] + counts["quarantined"]
        recipes = self.summary["recipes"]
        parts = [
            f"{counts['kept']:,} seeds improved, {counts['base']:,} kept as their base, {counts['dropped']:,} dropped"
            if is_stars_alone(recipes)
            else ends_in_words(counts, recipes),
            *([f"{waiting:,} not done"] if waiting else []),
            f"{rows['dataset']:,} rows, {rows['preferences']:,} preferences",
            f"{self.calls:,} calls sent, {money} in all",
            *([f"stopped early: {self.stopped_by}"] if self.stopped_by else []),
        ]
        return f"<star_agents run in {self.path}: {'; '.join(parts)}>"
