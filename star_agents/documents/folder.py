"""The files below a folder, in order of their names, and what lies there that is not read.

Nothing is followed out of it: a symbolic link, to a file or to a folder, is not gone through, so there are no loops.
Names that begin with a dot are passed over, as ``.git`` is.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from star_agents.documents.extracted import DocumentError
from star_agents.documents.kinds import kind_of

MOST_FILES = 1_000_000
DEEPEST = 64
"""Folders within each other."""

Entry = tuple[Path, DocumentError | None]
"""A file, or what lies there with the reason why it is not read."""

_STRANGE = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def files_below(folder: Path) -> Iterator[Entry]:
    """Go through a folder.

    Raises:
        OSError: the folder itself cannot be read.
    """
    with os.scandir(folder):
        pass
    for count, entry in enumerate(_below(folder, 1)):
        if count >= MOST_FILES:
            yield folder, DocumentError(f"holds more than {MOST_FILES:,} files; the others are not read", "split it")
            return
        yield entry


def why_not_a_file(mode: int) -> DocumentError | None:
    """What something is that is no file; ``None`` for a file."""
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISLNK(mode):
        return DocumentError("is a symbolic link, which is not followed", "lay the file itself there", is_fault=False)
    return DocumentError(f"is {_STRANGE.get(stat.S_IFMT(mode), 'no file')}, and is not read", is_fault=False)


def _below(folder: Path, depth: int) -> Iterator[Entry]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        yield folder, DocumentError(f"is a folder that cannot be read: {error.strerror or error}", "mend its rights")
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = folder / entry.name
        if not entry.is_dir(follow_symlinks=False):
            yield path, _why_not_read(entry, path)
        elif depth >= DEEPEST:
            yield path, DocumentError(f"is a folder below {DEEPEST} others, and is not read", "lay it higher")
        else:
            yield from _below(path, depth + 1)


def _why_not_read(entry: os.DirEntry[str], path: Path) -> DocumentError | None:
    try:
        if (strange := why_not_a_file(entry.stat(follow_symlinks=False).st_mode)) is not None:
            return strange
    except OSError as error:
        return DocumentError(f"cannot be read: {error.strerror or error}")
    if kind_of(path) is None:
        suffix = path.suffix.lower()
        kind = f"of a kind that is not read ({suffix})" if 1 < len(suffix) < 9 else "of a kind that is not read"
        return DocumentError(f"is {kind}", is_fault=False)
    return None
