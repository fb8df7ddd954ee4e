"""A file's bytes as they were before gzip or Zstandard, told by its first bytes and not by its name.

What is packed is unpacked as it is read, never whole. A few KiB may unpack to terabytes, so there is a limit.
"""

from __future__ import annotations

import gzip
import io
import shlex
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

PACKED_SUFFIXES = (".gz", ".zst", ".zstd")
MOST_TIMES = 250
"""Unpacked bytes per packed one that a file may have: text packs to a tenth, logs to a fiftieth, bombs to a 1000th."""
FREE_BYTES = 256 << 20
"""Unpacked bytes up to which nobody asks: a small file of one sentence over and over is no bomb."""
BLOCK_BYTES = 1 << 18
_GZIP, _ZSTD, _ZSTD_SKIPPABLE = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18"
PARQUET_MAGIC = b"PAR1"
"""What a whole Parquet file begins and ends with."""
_OTHERS = {
    b"BZh": ("bzip2", "bunzip2 --keep {file}"),
    b"\xfd7zXZ\x00": ("xz", "unxz --keep {file}"),
    b"PK\x03\x04": ("zip (an Excel file is zipped, too)", "unzip it; save a sheet as CSV"),
    b"7z\xbc\xaf\x27\x1c": ("7z", "7z x {file}"),
}


class UnpackError(Exception):
    """A packed file that cannot be read on; the caller knows where it came from."""

    def __init__(self, message: str, fix: str = "", *, is_cut: bool = False) -> None:
        self.fix, self.is_cut = fix, is_cut
        """``is_cut``: the file ends before its contents do."""
        super().__init__(message)


def plain_suffix(path: Path) -> str:
    """The ending that says what is inside: ``.jsonl`` for ``a.jsonl`` and ``a.jsonl.gz``; in small letters."""
    name = path.with_suffix("") if path.suffix.lower() in PACKED_SUFFIXES else path
    return name.suffix.lower()


def is_packed(path: Path) -> bool:
    """Whether the contents are packed by gzip or Zstandard. Raises OSError."""
    with path.open("rb") as file:
        return _unpacker(file.read(8)) is not None


def open_unpacked(path: Path) -> BinaryIO:
    """Open a file to be read from its beginning; packed or not, it gives what is inside.

    Raises:
        OSError: when it cannot be opened.
        UnpackError: here for a packing that is not read; while it is read for a file that is damaged, cut, or a bomb.
    """
    file = path.open("rb")
    try:
        head = file.read(8)
        file.seek(0)
        for magic, (name, how) in _OTHERS.items():
            if head.startswith(magic):
                fix = f"unpack it first: {how.format(file=shlex.quote(path.name))}"
                raise UnpackError(f"is packed as {name}, which is not read", fix)
        unpacker = _unpacker(head)
    except BaseException:
        file.close()
        raise
    return file if unpacker is None else io.BufferedReader(_Unpacked(file, *unpacker), BLOCK_BYTES)


def _unpacker(head: bytes) -> tuple[str, Callable[[BinaryIO], Any]] | None:
    if head.startswith(_GZIP):
        return "gzip", lambda file: gzip.GzipFile(fileobj=file)
    if head.startswith(_ZSTD) or head[1:4] == _ZSTD_SKIPPABLE:
        return "Zstandard", _zstandard
    return None


def _zstandard(file: BinaryIO) -> Any:
    import pyarrow as pa  # noqa: PLC0415  25 MB that most files do without

    return pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")


class _Unpacked(io.RawIOBase):
    """What comes out of an unpacker, with its complaints and the limit in our words."""

    def __init__(self, file: BinaryIO, name: str, unpack: Callable[[BinaryIO], Any]) -> None:
        self._file, self._name = file, name
        self._stream = unpack(file)
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        try:
            data = self._stream.read(len(buffer))
        except (OSError, EOFError, zlib.error) as error:
            raise self._problem(error) from error
        self._size += len(data)
        if self._size > max(FREE_BYTES, MOST_TIMES * self._file.tell()):
            problem = f"unpacks to more than {MOST_TIMES} times its size ({self._size >> 20:,} MiB so far)"
            raise UnpackError(problem, "if that is right, unpack it first and give the file that comes out")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            self._file.close()
        super().close()

    def _problem(self, error: Exception) -> UnpackError:
        if isinstance(error, EOFError) or "runcated" in str(error):
            message = f"ends in the middle of its {self._name} data, after {self._size:,} unpacked bytes"
            return UnpackError(message, "copy or download it again", is_cut=True)
        message = f"is damaged after {self._size:,} unpacked bytes of {self._name}: {error}"
        return UnpackError(message, "copy or download it again")
