"""Pages that only read: many event streams at once, in a process of their own. Prints what they got as JSON.

Written on the bare protocol, so that a hundred readers cost less than the daemon that feeds them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import sys
from functools import partial
from urllib.parse import urlsplit

ID = re.compile(rb"\nid: (\d+)\nevent: outcome\n")
KEPT = 128
"""Bytes that are looked at again with what comes next: an event may be cut anywhere."""
PATIENCE_S = 30.0
"""For a reader that lags."""


class Reader(asyncio.Protocol):
    """One stream from the newest outcome on."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._tail = b"\n"
        self._until: int | None = None
        self.outcomes = 0
        self.gaps = 0
        """Outcomes that it did not get although a later one came."""
        self.last = 0
        self.is_done = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the events."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(f"GET /v1/events HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        """Count. Every event of the daemon is on lines of its own, in chunks that may be cut anywhere."""
        text = self._tail + data
        end = 0
        for found in ID.finditer(text):
            seq, end = int(found[1]), found.end()
            self.gaps += seq - self.last - 1 if self.last else 0
            self.last = seq
            self.outcomes += 1
        self._tail = text[max(end, len(text) - KEPT) :]
        self.read_until(self._until)

    def read_until(self, seq: int | None) -> None:
        """Be done once this outcome has come."""
        self._until = seq
        if seq is not None and self.last >= seq:
            self.is_done.set()


async def read(url: str, count: int) -> list[Reader]:
    """Open the streams, say so on standard output, and read until each has the outcome that standard input names."""
    place = urlsplit(url)
    loop, readers = asyncio.get_running_loop(), [Reader(place.netloc) for _ in range(count)]
    for reader in readers:
        await loop.create_connection(partial(_same, reader), place.hostname or "", place.port or 80)
    print("open", flush=True)
    last = int(await loop.run_in_executor(None, sys.stdin.readline) or 0)
    for reader in readers:
        reader.read_until(last)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(reader.is_done.wait() for reader in readers))
    return readers


def _same(reader: Reader) -> Reader:
    return reader


def main() -> None:
    """Read and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--count", type=int, required=True)
    given = parser.parse_args()
    readers = asyncio.run(read(given.url, given.count))
    print(json.dumps({"outcomes": [one.outcomes for one in readers], "gaps": [one.gaps for one in readers]}))


if __name__ == "__main__":
    main()
