"""One shard of a dataset, scored where it is read and written: in a process that has the models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from star_agents.engine.score_dataset.columns import columns_of
from star_agents.engine.score_dataset.source import sample_of
from star_agents.errors import UsageError
from star_agents.records import Sample, Score
from star_agents.scoring.worker import Model
from star_agents.storage.formats.parquet_files import ParquetError
from star_agents.storage.formats.parquet_shards import Dataset, Row, add_columns

BATCH_ROWS = 256
"""Rows that are scored at once. Always as many, wherever and beside whatever it happens: the packs, and with them the
last bits of a score, are those of the shard alone."""
TYPES = {"ifd_small": "float64", "ifd_large": "float64", "gap": "float64", "reason": "string", "ifd_formula": "string"}
REASONS = 50
"""Different reasons that are counted one by one."""
OTHER_REASONS = "other reasons"


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A shard to score."""

    source: str
    """URI or path of the dataset."""
    out: str
    shard: str
    mode: str
    work: Mapping[str, str | int]
    """What decides about scores, for the manifest."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the actor."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        return cls(**data)


def score_shard(model: Model, task: Task) -> dict[str, Any] | str:
    """Score one shard into its place; its manifest, or why it could not be read or written."""
    counts = {"rows": 0, "scored": 0, "positive": 0}
    reasons: Counter[str] = Counter()

    def values(first: int, rows: Sequence[Row | ParquetError]) -> list[Row]:
        samples = [_sample(row, f"{task.shard}:{number}") for number, row in enumerate(rows, start=first + 1)]
        scores = iter(model.score([one for one in samples if isinstance(one, Sample)]))
        found = [next(scores) if isinstance(one, Sample) else Score(reason=one, formula=task.mode) for one in samples]
        for score in found:
            counts["rows"] += 1
            counts["scored"] += not score.reason
            counts["positive"] += (score.gap or 0.0) > 0
            if score.reason:
                known = score.reason in reasons or len(reasons) < REASONS
                reasons[score.reason if known else OTHER_REASONS] += 1
        return [dict(columns_of(score)) for score in found]

    def manifest() -> dict[str, Any]:
        return {**counts, "reasons": dict(reasons.most_common()), "work": dict(task.work)}

    source, out = Dataset(task.source), Dataset(task.out)
    try:
        return add_columns(source, out, task.shard, TYPES, values, manifest, batch_rows=BATCH_ROWS)
    except UsageError as error:
        return str(error)


def _sample(row: Row | ParquetError, where: str) -> Sample | str:
    return f"unreadable row: {row}" if isinstance(row, ParquetError) else sample_of(row, where)
