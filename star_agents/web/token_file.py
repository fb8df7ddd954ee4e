"""The token of a daemon that listens beyond loopback and was given none: made once, kept in the folder of its data."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from star_agents.errors import UsageError

TOKEN_FILE = "token"
SHORTEST = 32
_ADVICE = "remove it to get a new one, or name one of your own under server.token in agents.yaml"


def standing_token(folder: Path) -> tuple[str, bool]:
    """The token in ``folder``, and whether it was made just now.

    Raises:
        UsageError: the file cannot be used, or others than its owner may read it.
    """
    path = folder / TOKEN_FILE
    try:
        return _make(path), True
    except FileExistsError:
        return _read(path), False
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None


def _make(path: Path) -> str:
    token = secrets.token_urlsafe(32)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(f"{token}\n")
        file.flush()
        os.fsync(handle)
    return token


def _read(path: Path) -> str:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(handle, encoding="ascii") as file:
            if stat.S_IMODE(os.fstat(handle).st_mode) & 0o077:
                raise UsageError(f"{path}: others may read it, so it is no secret; {_ADVICE}")
            token = file.read(1000).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}; {_ADVICE}") from None
    if len(token) < SHORTEST or not token.isprintable() or " " in token:
        raise UsageError(f"{path}: holds no token; {_ADVICE}")
    return token
