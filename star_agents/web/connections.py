"""The listening socket, and what it lets wait: so many connections, and each so long for its first request.

aiohttp limits the size of a request's head but not the time it may take; a client that says nothing would be waited for
for ever.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from star_agents.errors import UsageError
from star_agents.web.limits import Limits
from star_agents.web.problems import Handler


class Listener:
    """Takes connections in; ``middleware`` tells it which of them have asked something."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._silent: dict[Any, asyncio.TimerHandle] = {}

    @asynccontextmanager
    async def listen(self, app: web.Application, host: str, port: int) -> AsyncIterator[str]:
        """Serve ``app`` while the context is open; yields the base URL.

        Raises:
            UsageError: the address cannot be bound.
        """
        limits = self._limits
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=limits.closing_s, keepalive_timeout=limits.idle_s)
        await runner.setup()
        try:
            loop = asyncio.get_running_loop()
            try:
                server = await loop.create_server(lambda: self._connect(runner), host, port, backlog=128)
            except OSError as error:
                raise UsageError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from None
            try:
                yield f"http://{_in_url(host)}:{server.sockets[0].getsockname()[1]}"
            finally:
                server.close()
        finally:
            await runner.cleanup()

    def middleware(self) -> Middleware:
        """Whoever has asked something is no longer silent."""

        @web.middleware
        async def heard(request: web.Request, handler: Handler) -> web.StreamResponse:
            if (timer := self._silent.pop(request.protocol, None)) is not None:
                timer.cancel()
            return await handler(request)

        return heard

    def _connect(self, runner: web.AppRunner) -> asyncio.BaseProtocol:
        server = runner.server
        if server is None or len(server.connections) >= self._limits.connections:
            return _HangUp()
        protocol = server()
        self._silent[protocol] = asyncio.get_running_loop().call_later(self._limits.head_s, self._let_go, protocol)
        return protocol

    def _let_go(self, protocol: Any) -> None:
        del self._silent[protocol]
        protocol.force_close()


class _HangUp(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


def _in_url(host: str) -> str:
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host
