"""The provider of the chaos loops: outlives every kill, keeps a book of what it charged, and signs its answers.

The signature is the beginning of the digest that the book has of the same request, so that an answer in a store, or a
sample in a dataset, can be joined with the charge that paid for it.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import fork_server
from openai_server import Answer, Body, OpenAIServer, brain

MARK_LENGTH = 16
_SIGNED = re.compile(rf"^\(([0-9a-f]{{{MARK_LENGTH}}})\) ")


def signed(body: Body) -> Answer:
    """The test server's usual answer, signed."""
    answer = brain(body)
    mark = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:MARK_LENGTH]
    return replace(answer, text=f"({mark}) {answer.text}")


def mark_of(text: str | None) -> str | None:
    """The signature that a text begins with."""
    found = _SIGNED.match(text or "")
    return found[1] if found else None


def charges(book: Path, offset: int) -> tuple[list[str], int]:
    """Signatures of what was charged after an offset of the book, and the offset after them."""
    if not book.exists():
        return [], 0
    with book.open("rb") as file:
        file.seek(offset)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    return [json.loads(line)["sha256"][:MARK_LENGTH] for line in whole.splitlines()], offset + len(whole)


def settle(url: str) -> None:
    """Return when the provider has dealt with what dead clients left in its sockets; on a busy machine it lags behind.

    Connections are accepted in order: the first answer says that all earlier ones were, the second that what lay in
    them was read, the third that it was played.
    """
    for _ in range(3):
        with urllib.request.urlopen(f"{url}/models", timeout=60) as response:
            response.read()


@contextmanager
def provider(book: Path) -> Iterator[str]:
    """The provider as a process; yields its base URL."""
    with fork_server.start(("--book", book), module="chaos_provider", is_heard=False) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


async def _serve(book: Path) -> None:
    def answer(body: Body) -> Answer:
        # The book is enough; a long run must not pile up bodies here.
        server.requests.clear()
        server.charged.clear()
        return signed(body)

    async with OpenAIServer(answer, book=book) as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve until killed; the first line on stdout is the URL."""
    parser = argparse.ArgumentParser(description="test server that signs its answers")
    parser.add_argument("--book", type=Path, required=True)
    asyncio.run(_serve(parser.parse_args().book))
