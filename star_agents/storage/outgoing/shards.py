"""Rows as Parquet shards for the hub: every shard of a config, today's and those of the next push, has the same columns
of the same types, whatever its rows hold. `datasets` and the hub's viewer take the types of one file for all.

The same rows give the same bytes, so that what was sent once is not sent again. A shard is full by its bytes; rows that
come later fill the last one or begin another.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from star_agents.storage.formats.parquet_files import BATCH_ROWS, clean
from star_agents.storage.games import LABELS
from star_agents.storage.outgoing.game_files import REWARDS, SCORES

Row = Mapping[str, Any]
SHARD_BYTES = 256 << 20
"""A shard that has so many gets no further rows."""
SPLIT = "train"
_TEXT, _NUMBER, _COUNT = pa.string(), pa.float64(), pa.int64()
_TURNS = pa.list_(pa.struct([pa.field("role", _TEXT), pa.field("content", _TEXT)]))
_PAIR = {"prompt": _TURNS, "chosen": _TURNS, "rejected": _TURNS}
_GAME = {
    **dict.fromkeys(("prompt", "judge", "first", "second"), _TEXT),
    **dict.fromkeys(SCORES, _NUMBER),
    "reason": _TEXT,
    "answers_are_equal": pa.bool_(),
    "cost_usd": _NUMBER,
    **dict.fromkeys((*REWARDS, "gap"), _NUMBER),
    "scale": _TEXT,
    **dict.fromkeys(("first_chars", "second_chars"), _COUNT),
    **dict.fromkeys(LABELS, _TEXT),
}
SCHEMAS: Mapping[str, pa.Schema] = {
    "sft": pa.schema({"messages": _TURNS, "provenance": _TEXT}),
    "preferences": pa.schema({**_PAIR, "provenance": _TEXT}),
    "reward": pa.schema({**_PAIR, "margin": _NUMBER, "provenance": _TEXT}),
    "battles": pa.schema(_GAME),
}
"""By config."""
CONFIGS = tuple(SCHEMAS)


def shard_name(config: str, number: int) -> str:
    """Path of a shard in the folder of all."""
    return f"{config}/{SPLIT}-{number:05d}.parquet"


class Shards:
    """Writes the rows of one config; use as a context manager.

    Args:
        folder: Of all configs.
        config: One of ``CONFIGS``.
        most_bytes: Of a shard.

    Attributes:
        rows: Written so far.
        names: Of the shards, below the folder; none where there was no row.
    """

    def __init__(self, folder: Path, config: str, *, most_bytes: int = SHARD_BYTES) -> None:
        self.rows = 0
        self.names: list[str] = []
        self._folder, self._config, self._most_bytes = folder, config, most_bytes
        self._schema = SCHEMAS[config]
        self._waiting: list[Row] = []
        self._handle: BinaryIO | None = None
        self._writer: pq.ParquetWriter | None = None

    def add(self, row: Row) -> None:
        """Take in a row. Raises ValueError where it has a column that the config has not."""
        if unknown := row.keys() - set(self._schema.names):
            raise ValueError(f"config {self._config} has no column {', '.join(sorted(unknown))}")
        self._waiting.append(row)
        self.rows += 1
        if len(self._waiting) >= BATCH_ROWS:
            self._write()

    def close(self) -> None:
        """Write what waits, and end the last shard."""
        if self._waiting:
            self._write()
        self._end_shard()

    def __enter__(self) -> Shards:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._end_shard()

    def _write(self) -> None:
        rows, self._waiting = self._waiting, []
        arrays = [
            pa.array([clean(row.get(name)) for row in rows], self._schema.field(name).type)
            for name in self._schema.names
        ]
        handle, writer = self._open_shard()
        writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        if handle.tell() >= self._most_bytes:
            self._end_shard()

    def _open_shard(self) -> tuple[BinaryIO, pq.ParquetWriter]:
        if self._handle is None or self._writer is None:
            name = shard_name(self._config, len(self.names))
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = path.open("xb")
            self._writer = pq.ParquetWriter(self._handle, self._schema, compression="zstd", write_page_index=True)
            self.names.append(name)
        return self._handle, self._writer

    def _end_shard(self) -> None:
        writer, self._writer, handle, self._handle = self._writer, None, self._handle, None
        if writer is not None:
            writer.close()
        if handle is not None:
            handle.close()
