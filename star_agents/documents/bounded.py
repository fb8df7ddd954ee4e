"""A file's bytes and text, in bounds: a regular file, no larger than is allowed, the same before and after."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from star_agents.documents.extracted import MOST_CHARACTERS, DocumentError
from star_agents.documents.folder import why_not_a_file
from star_agents.text.encodings import BOM, MARK, byte_problem, wide_encoding


def file_size(path: Path, most_bytes: int) -> int:
    """The size of a regular file.

    Raises:
        DocumentError: it is none, it is empty or larger than ``most_bytes``, or it cannot be looked at.
    """
    try:
        found = path.lstat()
    except OSError as error:
        raise unreadable(error) from error
    if (strange := why_not_a_file(found.st_mode)) is not None:
        raise strange
    if not found.st_size:
        raise DocumentError("is empty")
    if found.st_size > most_bytes:
        limit = f"larger than {most_bytes >> 20:,} MiB" if most_bytes >> 20 else f"larger than {most_bytes:,} bytes"
        raise DocumentError(f"is {limit}", "split it, or raise `documents.max_mib`")
    return found.st_size


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Raises DocumentError at the end where the file is not the same as at the beginning, or gone."""
    before = _look(path)
    try:
        yield
    except DocumentError:
        if _look(path) != before:
            raise _changed() from None
        raise
    if _look(path) != before:
        raise _changed()


def read_text(path: Path) -> str:
    """The text of a file whose size is known to be allowed; every line ends in a line feed.

    Raises:
        DocumentError: it is no UTF-8 text, and not of an encoding that tells itself by a mark.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _changed()
            data = file.read()
    except OSError as error:
        raise unreadable(error) from error
    text = _decoded(path, data)
    if "\0" in text:
        raise _binary()
    if len(text) > MOST_CHARACTERS:
        raise DocumentError(f"holds more than {MOST_CHARACTERS // 1_000_000} million characters", "split it")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decoded(path: Path, data: bytes) -> str:
    wide = wide_encoding(data[:4096])
    try:
        if wide:
            return data.decode(wide).removeprefix(MARK)
        return data.removeprefix(BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        if wide or b"\0" in data[:4096]:
            raise _binary() from None
        problem = byte_problem(f"{path.name}:1", "", error)
        raise DocumentError("is no UTF-8 text", f"{problem.message}: {problem.fix}") from None


def unreadable(error: OSError) -> DocumentError:
    """Why a file cannot be read."""
    if error.errno == errno.ENOENT:
        return DocumentError("is gone: it was removed or renamed meanwhile")
    if error.errno == errno.ELOOP:
        return _changed()
    return DocumentError(f"cannot be read: {error.strerror or error}", "check the file and its permissions")


def _look(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _changed() -> DocumentError:
    return DocumentError("changed while it was read", "run again when nobody writes to it")


def _binary() -> DocumentError:
    return DocumentError("is no text: it holds NUL bytes")
