"""The log of a running daemon, asked for by HTTP: its newest lines, and those to come by its event stream."""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from star_agents.cli.add import get_json
from star_agents.errors import StarAgentsError
from star_agents.observe.logs.feed import LINES_KEPT, Wanted
from star_agents.text.printing import say

RETRY_S = 1.0
SILENT_S = 60.0
"""A daemon sends a sign of life every 15 seconds; after this time without one it is asked anew."""


class DaemonLog:
    """Reads the log of the daemon at a URL.

    Args:
        url: Where it answers.
        token_env: Name of the variable that holds its token.
    """

    def __init__(self, url: str, token_env: str) -> None:
        self._url = url.rstrip("/")
        self._token_env = token_env
        self._newest = ""

    def recent(self, wanted: Wanted) -> list[dict[str, Any]]:
        """The lines that fit, of the newest that the daemon keeps, oldest first.

        Raises:
            UsageError: nobody answers there.
            StarAgentsError: the daemon refuses; its own words.
        """
        lines = get_json(f"{self._url}/v1/logs?limit={LINES_KEPT}", self._token_env)["lines"]
        return list(self._new(lines, wanted))

    def follow(self, wanted: Wanted) -> Iterator[dict[str, Any]]:
        """Yield the lines that fit as they come, without end; after a break it goes on behind the last one it has."""
        is_told = False
        while True:
            try:
                with self._open() as stream:
                    is_told = False
                    # Asked again now that the stream is open, so that no line falls between the two.
                    yield from chain(self.recent(wanted), self._new(_log_lines(stream), wanted))
            except (OSError, http.client.HTTPException, StarAgentsError, ValueError) as error:
                if not is_told:
                    say(f"the daemon at {self._url} is gone ({error}); waiting for it", err=True)
                is_told = True
            time.sleep(RETRY_S)

    def _new(self, lines: Iterable[dict[str, Any]], wanted: Wanted) -> Iterator[dict[str, Any]]:
        """Leave out what was there before: a daemon that was started again counts its lines anew, but time goes on."""
        for line in lines:
            if line["timestamp"] > self._newest:
                self._newest = line["timestamp"]
                if line in wanted:
                    yield line

    def _open(self) -> http.client.HTTPResponse:
        request = urllib.request.Request(f"{self._url}/v1/events?logs=1", headers={"Accept": "text/event-stream"})
        if token := os.environ.get(self._token_env):
            request.add_header("Authorization", f"Bearer {token}")
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=SILENT_S)
        return response


def _log_lines(stream: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The data of each ``log`` event in a stream of events."""
    event = b""
    for line in stream:
        if line.startswith(b"event:"):
            event = line[6:].strip()
        elif line.startswith(b"data:") and event == b"log":
            yield json.loads(line[5:])
