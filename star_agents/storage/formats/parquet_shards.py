"""Datasets of many Parquet files, wherever pyarrow knows a file system: each file a shard that is done or not.

    OUT/NAME.parquet              the shard with its new columns, under the name that it has in the source
    OUT/_scored/NAME.parquet.json its manifest, which is written last: what was done, by what, to a source of what size

A shard without a manifest does not exist, whatever lies there; one with a manifest is never made again, unless its file
is gone. Names that begin with ``_`` or ``.`` are no shards, as everybody who writes datasets has it.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pyarrow as pa
import pyarrow.fs as fs
import pyarrow.parquet as pq

from star_agents.errors import UsageError
from star_agents.storage.formats.file_system_advice import advice
from star_agents.storage.formats.parquet_files import BUFFER_BYTES, ParquetError, rows_of
from star_agents.text.redaction import keep_secret

MANIFESTS = "_scored"
READERS = 16
"""Manifests that are read at once."""
BUCKETED = frozenset({"s3", "gcs", "abfs"})
"""File systems, as pyarrow calls them, whose paths begin with a bucket, which somebody has made before."""
MOST_COPIED = 5 * 10**9
"""Bytes. On S3 a file gets another name by being copied, and one request copies so many."""
Manifest = dict[str, Any]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of a dataset."""

    name: str
    """Its path below the dataset, with ``/``."""
    size: int
    """Bytes, packed."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A folder of Parquet files by its URI (``s3://``, ``gs://``, ``hdfs://``, ``file://``) or path. A password in the
    URI (``s3://KEY:SECRET@bucket``) is struck out of whatever this process prints from now on."""

    uri: str

    def __post_init__(self) -> None:
        user, at, _ = self.uri.partition("://")[2].rpartition("@")
        if at and (password := user.partition(":")[2]):
            keep_secret(password, unquote(password))

    def shards(self) -> list[Shard]:
        """All of them, by name. Raises UsageError where there are none, or the folder cannot be read."""
        with _errors_of(self.uri, "read"):
            system, root = self._open()
            if (file := system.get_file_info(root)).type == fs.FileType.File:
                if not root.endswith(".parquet"):
                    raise UsageError(f"{self.uri} is no .parquet file: shards are")
                return [Shard(name=root.rpartition("/")[2], size=file.size)]
            found = system.get_file_info(fs.FileSelector(root, recursive=True))
        names = {one.path[len(root) :].strip("/"): one.size for one in found if one.type == fs.FileType.File}
        shards = [
            Shard(name=name, size=names[name])
            for name in sorted(names)
            if name.endswith(".parquet") and not any(part[0] in "_." for part in name.split("/"))
        ]
        if not shards:
            raise UsageError(f"{self.uri} holds no file that ends in .parquet")
        return shards

    def manifests(self) -> dict[str, Manifest]:
        """Of the shards that are done and there, by the shard's name. Raises UsageError."""
        with _errors_of(self.uri, "read"):
            system, root = self._open()
            selector = fs.FileSelector(root, recursive=True, allow_not_found=True)
            there = {one.path for one in system.get_file_info(selector) if one.type == fs.FileType.File}
            begin, end = f"{root}/{MANIFESTS}/", ".parquet.json"
            paths = sorted(path for path in there if path.startswith(begin) and path.endswith(end))
            with ThreadPoolExecutor(READERS) as readers:  # One after the other each would wait for the network.
                manifests = list(readers.map(partial(_manifest_at, system), paths))
        return {one["shard"]: one for one in manifests if f"{root}/{one['shard']}" in there}

    def files_of_others(self) -> set[str]:
        """Names of the files in it, where nothing was ever begun here. Raises UsageError."""
        with _errors_of(self.uri, "read"):
            system, root = self._open()
            if system.get_file_info(f"{root}/{MANIFESTS}").type == fs.FileType.Directory:
                return set()
            found = system.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True))
        return {one.path[len(root) :].strip("/") for one in found if one.type == fs.FileType.File}

    def refuse_missing_bucket(self) -> None:
        """Raises UsageError where there is none, or nobody answers for it: folders are made, buckets are not."""
        with _errors_of(self.uri, "written"):
            system, root = self._open()
            bucket = root.partition("/")[0]
            if system.type_name in BUCKETED and system.get_file_info(bucket).type == fs.FileType.NotFound:
                raise OSError(f"Bucket {bucket!r} not found")

    def begin(self, fresh: bool) -> None:
        """From now on files here are ours; ``fresh``: forget what is done, and shards are replaced as they are made
        again. Raises UsageError."""
        with _errors_of(self.uri, "written"):
            system, root = self._open()
            if fresh and system.get_file_info(f"{root}/{MANIFESTS}").type == fs.FileType.Directory:
                system.delete_dir(f"{root}/{MANIFESTS}")
            system.create_dir(f"{root}/{MANIFESTS}", recursive=True)

    def lies_in(self, other: Dataset) -> bool:
        """Whether it is the other one, or a folder in it. Raises UsageError where one of them means no place."""
        with _errors_of(self.uri, "written"):
            system, root = self._open()
            if isinstance(system, fs.LocalFileSystem):
                root = str(Path(root).resolve())
        with _errors_of(other.uri, "read"):
            there, above = other._open()
            if isinstance(there, fs.LocalFileSystem):
                above = str(Path(above).resolve())
        # Two addresses of one bucket may differ in region or key.
        is_bucketed = system.type_name in BUCKETED and system.type_name == there.type_name
        is_one = self._endpoint() == other._endpoint() if is_bucketed else bool(system.equals(there))
        return is_one and f"{root}/".startswith(f"{above}/")

    def _endpoint(self) -> str:
        """Which server it names, where a scheme has more than one; empty: that of its maker."""
        named = parse_qs(urlsplit(self.uri).query).get("endpoint_override", [""])[0]
        of_machine = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
        found = named or (of_machine if self.uri.startswith("s3:") else "")
        return found.rpartition("://")[2].rstrip("/")

    def _open(self) -> tuple[Any, str]:
        if "://" not in self.uri:
            return fs.LocalFileSystem(), str(Path(self.uri).absolute())
        system, root = fs.FileSystem.from_uri(self.uri)
        return system, root.rstrip("/")

    def path_of(self, shard: str) -> tuple[Any, str]:
        """The file system and the path of a shard; a dataset that is one file is its own only shard."""
        system, root = self._open()
        is_file = root.endswith(".parquet") and root.rpartition("/")[2] == shard
        return system, root if is_file else f"{root}/{shard}"


def add_columns(
    source: Dataset,
    out: Dataset,
    shard: str,
    columns: Mapping[str, str],
    values: Callable[[int, Sequence[Row | ParquetError]], Sequence[Row]],
    manifest: Callable[[], Manifest],
    *,
    batch_rows: int,
) -> Manifest:
    """Copy a shard and add columns, in flat memory: the other columns stay as they are, with their types.

    Args:
        source, out: The datasets.
        shard: Its name in both.
        columns: Name to type (``float64``, ``string``); they replace columns of the same name.
        values: Of consecutive rows, the first of them with its number from 0: a row of the new columns for each.
        manifest: Asked when all rows are there: what is to be known of the shard.
        batch_rows: Rows that ``values`` gets at once.

    Raises:
        UsageError: the shard cannot be read or written; then it is as it was.
    """
    system, path = out.path_of(shard)
    folder, _, _name = path.rpartition("/")
    draft = f"{folder}/.{secrets.token_hex(8)}.part"
    with _errors_of(f"{source.uri} ({shard})", "scored"):
        reading, where = source.path_of(shard)
        if system.type_name == "s3" and reading.get_file_info(where).size > MOST_COPIED:
            raise UsageError(
                f"{source.uri} ({shard}): has more than the {MOST_COPIED // 10**9} GB that S3 copies at once: split it"
            )
        system.create_dir(folder, recursive=True)
        try:
            with reading.open_input_file(where) as file, system.open_output_stream(draft) as handle:
                _copy(file, handle, columns, values, batch_rows)
            system.move(draft, path)
        except BaseException:
            _forget(system, draft)
            raise
        found = {**manifest(), "shard": shard}
        _write_whole(system, f"{out.path_of(f'{MANIFESTS}/{shard}.json')[1]}", json.dumps(found).encode())
    return found


def _copy(file: Any, handle: Any, columns: Mapping[str, str], values: Any, batch_rows: int) -> None:
    with pq.ParquetFile(file, buffer_size=BUFFER_BYTES, pre_buffer=False) as reader:
        kept = [field for field in reader.schema_arrow if field.name not in columns]
        added = [pa.field(name, getattr(pa, kind)()) for name, kind in columns.items()]
        schema = pa.schema([*kept, *added])
        done = 0
        with pq.ParquetWriter(handle, schema, compression="zstd") as writer:
            for batch in reader.iter_batches(batch_size=batch_rows):
                found = values(done, list(rows_of(batch)))
                done += batch.num_rows
                arrays = [batch.column(batch.schema.get_field_index(field.name)) for field in kept]
                arrays += [pa.array([row[field.name] for row in found], type=field.type) for field in added]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _manifest_at(system: Any, path: str) -> Manifest:
    """Raises ValueError for a file that is no manifest."""
    with system.open_input_stream(path) as file:
        found = json.loads(file.read())
    if not isinstance(found, dict) or not isinstance(found.get("shard"), str) or "work" not in found:
        raise ValueError(f"{path} is no manifest")
    return found


def _write_whole(system: Any, path: str, content: bytes) -> None:
    folder, _, _name = path.rpartition("/")
    system.create_dir(folder, recursive=True)
    draft = f"{folder}/.{secrets.token_hex(8)}.part"
    with system.open_output_stream(draft) as file:
        file.write(content)
    system.move(draft, path)


def _forget(system: Any, path: str) -> None:
    try:
        system.delete_file(path)
    except OSError:  # It was not begun, or the file system is what failed.
        return


class _errors_of:  # noqa: N801 - reads as the words around it
    """Arrow's errors and the system's become ours, with the place."""

    def __init__(self, place: str, what: str) -> None:
        self._place = place
        self._what = what

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, (OSError, pa.ArrowException, ValueError)):
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            todo = advice(self._place, said)
            raise UsageError(f"{self._place}: cannot be {self._what}: {said}{f' ({todo})' if todo else ''}") from error
