"""Provider of batches for the tests, on loopback: an account behind OpenAI's protocol, Azure's, Mistral's,
Gemini's and Anthropic's."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from batch_account import Account, Faults
from batch_gemini import GeminiProtocol
from batch_protocols import OpenAIProtocol, anthropic_routes
from batch_protocols_alike import AzureProtocol, MistralProtocol


class Server:
    """The account behind an address, under every protocol.

    Args:
        account: What is behind it.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self.keys_seen: set[str] = set()
        self.app = web.Application(client_max_size=1 << 30, middlewares=[self._faulty])
        self.azure = AzureProtocol(account)
        self.app.add_routes([*OpenAIProtocol(account).routes("/v1"), *anthropic_routes(account)])
        self.app.add_routes([*self.azure.routes("/azure"), *MistralProtocol(account).routes("/mistral/v1")])
        self.app.add_routes(GeminiProtocol(account).routes("/gemini"))
        self.app.router.add_get("/book", self._tell)

    @web.middleware
    async def _faulty(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.keys_seen.add(request.headers.get("Authorization") or request.headers.get("x-api-key") or "")
        if request.path != "/book" and self.account.happens("http"):
            status = self.account.chance.choice((429, 500, 503))
            return web.json_response({"error": {"message": "not now"}}, status=status)
        response: web.StreamResponse = await handler(request)
        return response

    async def _tell(self, request: web.Request) -> web.Response:
        account = self.account
        told = {"charged": account.charged, "lost": account.lost, "alone": account.alone, "happened": account.happened}
        left = {"files": len(account.files), "batches": len(account.batches)}
        return web.json_response({**told, **left})


@asynccontextmanager
async def serving(account: Account) -> AsyncIterator[tuple[str, Server]]:
    """The address of an account's server, and the server."""
    server = Server(account)
    runner = web.AppRunner(server.app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    try:
        yield f"http://127.0.0.1:{port}", server
    finally:
        await runner.cleanup()


def charges_in(book: Path) -> Iterator[dict[str, Any]]:
    """What a book says."""
    for line in book.read_text().splitlines():
        yield json.loads(line)


async def _serve(faults: Faults, seed: int, book: Path) -> None:
    async with serving(Account(faults, seed, book)) as (url, _):
        print(url, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve until killed; the first line on stdout is the URL."""
    parser = argparse.ArgumentParser(description="provider of batches that goes wrong as it is told")
    parser.add_argument("--book", type=Path, required=True)
    parser.add_argument("--faults", type=json.loads, default={})
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args()
    asyncio.run(_serve(Faults(**told.faults), told.seed, told.book))
