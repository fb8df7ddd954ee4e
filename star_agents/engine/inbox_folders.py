"""How a folder in the inbox looks, so that it is known whether anything in it has changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from star_agents.documents.folder import DEEPEST, MOST_FILES
from star_agents.process.file_watching import Look

UNFINISHED = (".part", ".partial", ".filepart", ".tmp", ".temp", ".swp", ".crdownload", ".download", "~")
"""Endings of files that somebody is still working on."""


class FolderLook(NamedTuple):
    """How a folder with files looks."""

    look: Look
    """Inode, the sizes of all files together, and the newest time of change of anything below."""
    unfinished: str = ""
    """A name below that says that somebody is still working on it; empty for none."""


def look_of_folder(folder: Path) -> FolderLook | None:
    """How a folder looks; ``None`` where there is no file yet."""
    try:
        inode = folder.stat().st_ino
    except OSError:
        return None
    files = size = newest = 0
    unfinished = ""
    waiting = [(folder, 1)]
    while waiting and files < MOST_FILES:
        below, depth = waiting.pop()
        try:
            newest = max(newest, below.stat().st_mtime_ns)
            with os.scandir(below) as found:
                entries = list(found)
        except OSError:
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.name.lower().endswith(UNFINISHED):
                unfinished = unfinished or entry.name
            if entry.is_dir(follow_symlinks=False):
                if depth < DEEPEST:
                    waiting.append((Path(entry.path), depth + 1))
                continue
            try:
                seen = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            files, size, newest = files + 1, size + seen.st_size, max(newest, seen.st_mtime_ns)
    return FolderLook((inode, size + files, newest), unfinished) if files else None
