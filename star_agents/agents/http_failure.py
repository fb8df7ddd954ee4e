"""What a server's own account of a failure is, before ``translate`` makes one of our errors of it."""

from __future__ import annotations

import json
from collections.abc import Mapping

LONGEST_ERROR = 4 << 10
"""Characters of what a server says that are read: it is searched for words, and quoted shortly."""


class HttpFailure(Exception):
    """The server answered with an error.

    Args:
        status_code: Of the reply, or the code inside an error that came with status 200.
        body: The reply's text.
        headers: Of the reply.
    """

    def __init__(self, status_code: int, body: str, headers: Mapping[str, str]) -> None:
        super().__init__(status_code, body[:LONGEST_ERROR])
        self.status_code = status_code
        self.body = body[:LONGEST_ERROR]
        self.headers = headers

    def __str__(self) -> str:
        """What the server says is wrong, without the JSON around it."""
        return _said(self.body) or f"status {self.status_code}"


class FailedElsewhere(Exception):
    """A failure of another process that sent for this one: nothing of it crosses but the names of its class and of
    those it is derived from, which is what ``translate`` goes by, and what it says.

    Args:
        names: As in its ``__mro__``, its own first.
        said: Its text.
    """

    def __init__(self, names: tuple[str, ...], said: str) -> None:
        super().__init__(said[:LONGEST_ERROR])
        self.names = names


def _said(body: str) -> str:
    """The message in an error's body, whichever of the usual forms it has; else the body itself."""
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return body
    for name in ("error", "message", "detail"):
        if isinstance(read, dict) and read.get(name):
            read = read[name]
    return read if isinstance(read, str) else json.dumps(read)
