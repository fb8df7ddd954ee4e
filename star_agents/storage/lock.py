"""One daemon per store: an advisory lock that the kernel releases however its holder dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self

from star_agents.errors import StoreError, StoreLocked

LOCK_FILE = "lock"


class FolderLock:
    """An exclusive ``flock`` on ``lock`` in a folder; the file holds the process id of its holder, for people."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, folder: Path) -> Self:
        """Lock the folder at once or not at all.

        Raises:
            StoreLocked: when another process (or another store of this one) holds it.
            StoreError: when the lock file cannot be written.
        """
        path = folder / LOCK_FILE
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror} (give this user the right to write there)") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise StoreLocked(
                f"{folder}: another star_agents process (pid {holder}) works on this store; "
                "stop it first, or use another folder"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Give the folder free; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
