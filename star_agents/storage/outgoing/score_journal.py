"""Scores on their way to a file: appended as they come, durable, and found again after a kill.

JSON lines. The first says what work this is (models, options, input); every other is the score of one row, with its
number and in the order of the rows, so whatever is torn or out of order ends what counts. An exclusive ``flock`` on the
file keeps two processes from writing one output; the kernel releases it however its holder dies.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from star_agents.errors import StoreLocked, UsageError
from star_agents.records import Score
from star_agents.storage.formats.row_writing import sync_folder

MARK = "star_agents_scores"
"""First key of the first line, with the version of this format."""
VERSION = 1

Header = Mapping[str, str | int]


class ScoreJournal:
    """``with ScoreJournal.open(path) as journal``. Leaving deletes a journal that holds no score."""

    def __init__(self, path: Path, handle: BinaryIO) -> None:
        self._path = path
        self._handle = handle
        self.header: Header | None = None
        """What work this is; ``None`` before ``begin``."""
        self.rows = 0
        """Rows whose scores are on disk."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or create the journal and drop what a kill left torn at its end.

        Raises:
            StoreLocked: while another process works on it.
            UsageError: when it cannot be written, or is somebody else's file.
        """
        try:
            handle = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644), "r+b")
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            journal = cls(path, handle)
            journal._recover()
        except BlockingIOError:
            handle.close()
            raise StoreLocked(f"{path}: another star_agents process writes this; wait for it, or stop it") from None
        except BaseException:
            handle.close()
            raise
        return journal

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.rows:
            self.remove()
        with suppress(OSError):  # What counts is on disk already; what could not be written was reported then.
            self._handle.close()

    def differences(self, header: Header) -> list[str]:
        """What makes this journal one of other work, in words; nothing where ``header`` agrees or no row is lost."""
        if self.header is None or not self.rows:
            return []
        return [
            f"{name} was {self.header[name]} and is {value}"
            for name, value in header.items()
            if name in self.header and self.header[name] != value
        ]

    def begin(self, header: Header) -> None:
        """Make ``header`` the work of this journal, from its first row. Raises UsageError."""
        self._truncate(0)
        self._write(json.dumps({MARK: VERSION, **header}).encode() + b"\n")
        sync_folder(self._path.parent)
        self.header, self.rows = header, 0

    def append(self, scores: Sequence[Score]) -> None:
        """Add the scores of the next rows; they are on disk when this returns. Raises UsageError."""
        lines = (json.dumps({"row": self.rows + at, **score.to_dict()}) for at, score in enumerate(scores, start=1))
        self._write("".join(f"{line}\n" for line in lines).encode())
        self.rows += len(scores)

    def clear(self) -> None:
        """Forget everything. Raises UsageError."""
        self._truncate(0)
        self.header, self.rows = None, 0

    def scores(self) -> Iterator[Score]:
        """The scores in order of their rows, read one by one."""
        with self._path.open("rb") as lines:
            next(lines)
            for row in range(1, self.rows + 1):
                score = _score(next(lines), row)
                assert score is not None, "read whole before"
                yield score

    def remove(self) -> None:
        """Delete the file: its scores stand in the output now."""
        self._path.unlink(missing_ok=True)

    def _recover(self) -> None:
        first = self._handle.readline()
        self.header = _header(first)
        if self.header is None:
            if not _may_be_torn_header(first):
                raise UsageError(f"{self._path}: is no journal of scores; move it away, or choose another output file")
            self._truncate(0)
            return
        end = len(first)
        while _score(line := self._handle.readline(), self.rows + 1) is not None:
            self.rows += 1
            end += len(line)
        self._truncate(end)

    def _truncate(self, size: int) -> None:
        try:
            self._handle.truncate(size)
            self._handle.seek(size)
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def _write(self, data: bytes) -> None:
        try:
            self._handle.write(data)
            self._handle.flush()
            os.fsync(self._handle.fileno())
        except OSError as error:
            raise _unwritable(self._path, error) from error


def _header(line: bytes) -> Header | None:
    data = _object(line)
    return data if data is not None and data.pop(MARK, None) == VERSION else None


def _may_be_torn_header(line: bytes) -> bool:
    mark = json.dumps({MARK: VERSION}).encode()[:-1]
    return not line.endswith(b"\n") and (line.startswith(mark) or mark.startswith(line))


def _score(line: bytes, row: int) -> Score | None:
    """The score of that row; ``None`` where the line is torn or another's."""
    data = _object(line)
    if data is None or data.pop("row", None) != row:
        return None
    try:
        return Score.from_dict(data)
    except TypeError:
        return None


def _object(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        data = json.loads(line)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"{path}: cannot be written: {error.strerror or error}")
