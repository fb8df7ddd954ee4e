"""Whether the files of an open store still lie where they were opened.

A file that was removed or replaced goes on to be written by whoever holds it open, and nothing fails: what is recorded
then is gone with the process. So the paths are looked at before anything recorded is acknowledged.
The files beside the database matter as much: the log holds what is not folded in yet, the lock keeps others out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from star_agents.errors import StoreGone

Identity = tuple[int, int]
"""Device and inode."""


class OpenFiles:
    """The files of a store as they lay there when it was opened; a file that did not exist then is not looked for.

    Args:
        database: What nobody can do without.
        beside: Others that must stay.

    Raises:
        StoreGone: the database is not there.
    """

    def __init__(self, database: Path, beside: Sequence[Path] = ()) -> None:
        self._known = {database: _identity(database), **{path: _identity(path) for path in beside}}
        if self._known[database] is None:
            raise _gone(database, is_removed=True)

    def check(self) -> None:
        """Raises StoreGone where one of them is not the same file any more."""
        for path, known in self._known.items():
            if known is not None and (now := _identity(path)) != known:
                raise _gone(path, is_removed=now is None)


def _identity(path: Path) -> Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _gone(path: Path, *, is_removed: bool) -> StoreGone:
    what = "removed" if is_removed else "replaced by another one"
    return StoreGone(
        f"{path}: the file was {what} while star_agents worked on it, so nothing more can be recorded; "
        "put the folder back, or a backup in its place, and start again"
    )
