"""Parquet in and out. It is imported where there is a Parquet file: pyarrow takes 25 MB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from star_agents.storage.formats.unpacking import PARQUET_MAGIC
from star_agents.text.plain_data import json_text, writable

BATCH_ROWS = 1024
"""Rows held in memory at once."""
BUFFER_BYTES = 1 << 20
"""Read per column at once; without it Arrow reads the columns of a row group whole, which may be all of the file."""


class ParquetError(Exception):
    """A Parquet file that cannot be read; the caller knows where it came from."""

    is_cut = False
    """Whether its end is missing."""


def read_parquet(path: Path) -> Iterator[dict[str, Any] | ParquetError]:
    """Yield the rows; a row with text that is no UTF-8 is yielded as the error that says so.

    Raises:
        OSError: when the file cannot be opened.
        ParquetError: when it is no Parquet, or torn.
    """
    with path.open("rb") as handle:
        try:
            with pq.ParquetFile(handle, buffer_size=BUFFER_BYTES) as file:
                for batch in file.iter_batches(batch_size=BATCH_ROWS):
                    yield from rows_of(batch)
        except (pa.ArrowException, OSError) as error:  # Arrow reports some torn files as OSError.
            problem = ParquetError(f"not a readable Parquet file: {error}")
            problem.is_cut = not _has_its_end(handle)
            raise problem from error


def _has_its_end(handle: BinaryIO) -> bool:
    size = handle.seek(0, 2)
    handle.seek(max(0, size - len(PARQUET_MAGIC)))
    return handle.read() == PARQUET_MAGIC


def rows_of(batch: Any) -> Iterator[dict[str, Any] | ParquetError]:
    """The rows of a record batch; one with text that is no UTF-8 is the error that says so."""
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        for index in range(batch.num_rows):
            yield _row(batch.slice(index, 1))


def _row(batch_of_one: Any) -> dict[str, Any] | ParquetError:
    try:
        row: dict[str, Any] = batch_of_one.to_pylist()[0]
    except UnicodeDecodeError as error:
        return ParquetError(f"holds text that is not UTF-8: byte 0x{error.object[error.start]:02x}")
    return row


def write_parquet(handle: BinaryIO, batches: Iterable[Sequence[dict[str, Any]]], columns: ColumnTypes) -> None:
    """Write rows that ``columns`` has seen before."""
    schema = columns.schema()
    with pq.ParquetWriter(handle, schema, compression="zstd") as file:
        for rows in batches:
            arrays = [
                _array([row.get(field.name) for row in rows], field.type, as_text=field.name in columns.as_text)
                for field in schema
            ]
            file.write_table(pa.Table.from_arrays(arrays, schema=schema))


class ColumnTypes:
    """Finds a type for every column before anything is written, since Parquet wants to know it first.

    A column whose values share no type, or that Parquet cannot hold (objects without keys), is written as text: texts
    as they are, everything else as JSON.
    """

    def __init__(self) -> None:
        self._types: dict[str, Any] = {}
        self.as_text: set[str] = set()

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """See one batch of rows."""
        for name in dict.fromkeys(name for row in rows for name in row):
            if name not in self.as_text:
                self._add_column(name, [row.get(name) for row in rows])

    def _add_column(self, name: str, values: list[Any]) -> None:
        try:
            found = pa.array(clean(values)).type
            known = self._types.get(name, found)
            fields = [pa.schema([pa.field(name, kind)]) for kind in (known, found)]
            self._types[name] = pa.unify_schemas(fields, promote_options="permissive").field(0).type
        except (pa.ArrowException, OverflowError):
            self._types[name] = pa.string()
            self.as_text.add(name)

    def schema(self) -> Any:
        """The schema of all rows seen."""
        for name, kind in self._types.items():
            if _has_empty_struct(kind):
                self._types[name] = pa.string()
                self.as_text.add(name)
        return pa.schema([pa.field(name, kind) for name, kind in self._types.items()])


def _array(values: list[Any], kind: Any, *, as_text: bool) -> Any:
    if as_text:
        return pa.array([_text(value) for value in values], pa.string())
    return pa.array(clean(values), kind)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return writable(value) if isinstance(value, str) else json_text(value)


def clean(value: Any) -> Any:
    """Make every text writable, however deep it stands."""
    if isinstance(value, str):
        return writable(value)
    if isinstance(value, dict):
        return {writable(str(key)): clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    return value


def _has_empty_struct(kind: Any) -> bool:
    if pa.types.is_struct(kind):
        return kind.num_fields == 0 or any(_has_empty_struct(kind.field(i).type) for i in range(kind.num_fields))
    return pa.types.is_list(kind) and _has_empty_struct(kind.value_type)
