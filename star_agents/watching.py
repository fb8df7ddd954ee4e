"""Notices edits of agents.yaml and new files in the inbox, by looking twice a second.

Looking beats inotify here: it sees network file systems, bind mounts and editors that replace the file by a new one. A
file counts only once it has looked the same twice, so that a half-written one is not taken for whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import anyio

Look = tuple[int, int, int]
"""Inode, size and modification time (ns)."""

EVERY_S = 0.5
_PASSED_OVER = (".part", ".tmp", ".swp", ".crdownload")

Sleep = Callable[[float], Awaitable[None]]


async def edits(path: Path, *, sleep: Sleep = anyio.sleep) -> AsyncIterator[None]:
    """Yield at once, and then whenever the file has changed and settled.

    The first time is for what changed before the watching began. A file that is missing for a moment is no edit.
    """
    known = seen = await look(path)
    yield
    while True:
        await sleep(EVERY_S)
        now = await look(path)
        if now is not None and now == seen and now != known:
            known = now
            yield
        seen = now


async def arrivals(folder: Path, *, sleep: Sleep = anyio.sleep) -> AsyncIterator[Path]:
    """Yield each settled file in the folder, by name. The receiver moves it away; one left there comes again."""
    seen: dict[Path, Look | None] = {}
    while True:
        now = {path: await look(path) for path in await anyio.to_thread.run_sync(_files, folder)}
        for path in sorted(now):
            if now[path] is not None and seen.get(path) == now[path]:
                yield path
                now.pop(path)
        seen = now
        await sleep(EVERY_S)


def _files(folder: Path) -> list[Path]:
    try:
        found = [path for path in folder.iterdir() if path.is_file() and not path.is_symlink()]
    except OSError:
        return []  # Gone or closed to us for the moment; the next look may find it.
    return [path for path in found if not path.name.startswith(".") and path.suffix not in _PASSED_OVER]


async def look(path: Path) -> Look | None:
    """What tells one state of a file from the next; ``None`` where there is no file."""
    try:
        stat = await anyio.Path(path).stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
