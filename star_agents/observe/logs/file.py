"""The log as a file of JSON lines in the folder of a run, rotated by size; never a reason for anything to fail."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

LOG_FILE = "log.jsonl"
BYTES = 16 * 2**20
FILES = 4
"""This many files of that size are the most that a log takes up on the disk."""
RETRY_S = 5.0
"""After a failure, the file is left alone for so long."""


def log_files(folder: Path) -> list[Path]:
    """The files that hold the log of a folder, oldest first; the last one is still written to."""
    names = [*(f"{LOG_FILE}.{number}" for number in range(FILES - 1, 0, -1)), LOG_FILE]
    return [path for name in names if (path := folder / name).is_file()]


class LogFile:
    """Appends lines to ``log.jsonl`` in a folder; one writer at a time.

    The file is made with the first line after the folder exists: whoever makes the folder, it is not the log.

    Args:
        folder: Where the files lie.
        tell: Hears, in a sentence, that lines are lost, and later how many were.
        size: Bytes after which a new file begins.
        files: How many files there are at most.
        clock: Seconds, from any start.
    """

    def __init__(
        self,
        folder: Path,
        *,
        tell: Callable[[str], None],
        size: int = BYTES,
        files: int = FILES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = folder / LOG_FILE
        self._tell = tell
        self._size = size
        self._files = files
        self._clock = clock
        self._descriptor: int | None = None
        self._length = 0
        self._rest_until = 0.0
        self.dropped = 0
        """Lines that could not be written since the last one that could."""

    def write(self, line: bytes) -> None:
        """Append a line, which ends with a line feed; where that fails it is dropped and counted."""
        if self.dropped and self._clock() < self._rest_until:
            self.dropped += 1
            return
        try:
            if not self._is_open():
                return
            self._append(line)
        except OSError as error:
            self._give_up(error)
            return
        if self.dropped:
            lost, self.dropped = self.dropped, 0
            self._tell(f"{self._path} is written again; {lost:,} lines are missing from it")

    def close(self) -> None:
        """Close the file; a later line opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _is_open(self) -> bool:
        """Open the file if it can be; False while there is no folder."""
        if self._descriptor is not None:
            return True
        if not self._path.parent.is_dir():
            return False
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self._length = os.fstat(self._descriptor).st_size
        return True

    def _append(self, line: bytes) -> None:
        if self._length and self._length + len(line) > self._size:
            self._rotate()
        assert self._descriptor is not None, "the caller opened it"
        written = os.write(self._descriptor, line)
        self._length += written
        if written < len(line):
            # The disk is full to the last byte: half a line would spoil the next one.
            os.ftruncate(self._descriptor, max(0, self._length - written))
            raise OSError(28, "No space left on device")

    def _rotate(self) -> None:
        """Move each file one place on, and the oldest out."""
        self.close()
        for number in range(self._files - 1, 0, -1):
            older = self._path.with_name(f"{LOG_FILE}.{number}")
            newer = self._path if number == 1 else self._path.with_name(f"{LOG_FILE}.{number - 1}")
            if newer.exists():
                newer.replace(older)
        if self._files == 1:
            self._path.unlink(missing_ok=True)
        self._is_open()

    def _give_up(self, error: OSError) -> None:
        self.dropped += 1
        self._rest_until = self._clock() + RETRY_S
        self.close()
        if self.dropped == 1:
            self._tell(f"{self._path} cannot be written ({error.strerror or error}); lines are lost until it can")
