"""Notices edits of agents.yaml, by looking twice a second.

Looking beats inotify here: it sees network file systems, bind mounts and editors that replace the file by a new one. An
edit counts only once the file has looked the same twice, so that a half-written one is not taken for whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import anyio

Look = tuple[int, int, int]
"""Inode, size and modification time (ns)."""

EVERY_S = 0.5

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


async def look(path: Path) -> Look | None:
    """What tells one state of a file from the next; ``None`` where there is no file."""
    try:
        stat = await anyio.Path(path).stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
