"""How access tokens are fetched from servers that trickle, fail or repeat what they were sent."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from aiohttp import web

from star_agents.agents.transports.credentials import CredentialsRefused, CredentialsUnavailable
from star_agents.agents.transports.token_http import exchange, token_by_form

Handler = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def token_server(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/token"
    await runner.cleanup()


@contextmanager
def trickling(begins: bytes) -> Iterator[str]:
    """A server that says this, and then a letter now and then until nobody listens any more."""
    listening, is_over = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve() -> None:
        with listening.accept()[0] as client:
            client.recv(1 << 16)
            client.sendall(begins)
            while not is_over.wait(0.02):
                try:
                    client.sendall(b"a")
                except OSError:
                    return

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/token"
    is_over.set()
    thread.join()
    listening.close()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("begins", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"])
def test_a_reply_that_trickles_in_is_given_up_at_the_deadline_be_it_head_or_body(begins: bytes) -> None:
    with trickling(begins) as url, pytest.raises(CredentialsUnavailable, match=r"did not end within 0\.3 s"):
        exchange("POST", url, headers={}, body=b"", deadline_s=0.3)


@pytest.mark.parametrize("name", ["client_secret", "refresh_token", "assertion", "subject_token"])
async def test_a_secret_that_a_token_server_repeats_is_struck_out(name: str) -> None:
    async def repeats(request: web.Request) -> web.Response:
        sent = (await request.post())[name]
        assert isinstance(sent, str)
        return web.json_response({"error": "invalid_client", "error_description": f"no {sent}"}, status=401)

    async with token_server(repeats) as url:
        with pytest.raises(CredentialsRefused, match=r"invalid_client: no \*\*\*$"):
            await asyncio.to_thread(token_by_form, url, {"client_id": "a-client", name: "the+secret/canary="})


async def test_a_bearer_that_a_token_server_repeats_is_struck_out() -> None:
    async def repeats(request: web.Request) -> web.Response:
        return web.Response(text=f"no {request.headers['Authorization'].removeprefix('Bearer ')}", status=403)

    async with token_server(repeats) as url:
        headers = {"Authorization": "Bearer the-source-canary"}
        reply = await asyncio.to_thread(exchange, "POST", url, headers=headers, body=b"{}")
    assert reply.data == b"no ***"


@pytest.mark.parametrize("error", ["temporarily_unavailable", "server_error", {"code": 1}])
async def test_a_failure_that_passes_is_tried_again_though_its_status_says_no(error: Any) -> None:
    async def fails(_: web.Request) -> web.Response:
        return web.json_response({"error": error}, status=400)

    async with token_server(fails) as url:
        with pytest.raises(CredentialsUnavailable if isinstance(error, str) else CredentialsRefused):
            await asyncio.to_thread(token_by_form, url, {})
