"""The log file read from outside, by any process: what it holds, and what is added, through every rotation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import orjson

from star_agents.errors import StoreError
from star_agents.observe.logs.file import log_files

CHUNK = 2**20


class LogTail:
    """Reads the log of a folder from its oldest line on; each ``read`` gives what came since the last. A context
    manager.

    Raises:
        StoreError: when there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise StoreError(f"{folder}: there is no log here (name the folder of a `run` or `serve`)")
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._rest = b""

    def read(self) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """Yield each whole line that is there now and was not read before: as it stands, and as plain data."""
        while True:
            if self._file is not None:
                yield from self._lines(self._file)
            following = self._following()
            if following is None:
                return
            if self._file is not None:  # It may have grown until the new one began; now it does not any more.
                yield from self._lines(self._file)
            self.close()
            self._file = following

    def close(self) -> None:
        """Close the file; what was read stays read."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _lines(self, file: IO[bytes]) -> Iterator[tuple[bytes, dict[str, Any]]]:
        while chunk := file.read(CHUNK):
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                try:
                    data = orjson.loads(line)
                except ValueError:  # what a machine that lost its power left behind
                    continue
                if isinstance(data, dict):
                    yield line, data

    def _following(self) -> IO[bytes] | None:
        """Open the file after the one that is open, or the oldest; ``None`` while the open one is still written to."""
        opened: list[IO[bytes]] = []
        try:
            opened.extend(path.open("rb") for path in log_files(self._folder))
        except FileNotFoundError:  # it was rotated at this moment; the next look finds all
            _close(opened)
            return None
        here = [] if self._file is None else [one for one in opened if _is_same(one, self._file)]
        place = opened.index(here[0]) + 1 if here else 0
        chosen = opened[place] if place < len(opened) else None
        _close([one for one in opened if one is not chosen])
        return chosen


def _is_same(one: IO[bytes], other: IO[bytes]) -> bool:
    return os.path.samestat(os.fstat(one.fileno()), os.fstat(other.fileno()))


def _close(files: list[IO[bytes]]) -> None:
    for file in files:
        file.close()
