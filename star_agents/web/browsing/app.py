"""The HTTP door of `browse`, behind the checks of `serve`'s."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Middleware

from star_agents.web.app import guarded_app, listening
from star_agents.web.browsing.backend import BROWSED, Browsed
from star_agents.web.browsing.routes import BROWSE_ROUTES
from star_agents.web.limits import Limits


@asynccontextmanager
async def serve_browsing(
    browsed: Browsed, *, host: str, port: int, token: str, allowed_hosts: Sequence[str]
) -> AsyncIterator[str]:
    """Listen while the context is open; yields the base URL.

    Raises:
        UsageError: beyond loopback without a token, or the address cannot be bound.
    """
    limits = Limits()

    def make(first: Middleware) -> web.Application:
        app = guarded_app(
            BROWSE_ROUTES, host=host, token=token, allowed_hosts=allowed_hosts, limits=limits, first=first
        )
        app[BROWSED] = browsed
        return app

    async with listening(make, host=host, port=port, token=token, limits=limits) as url:
        yield url
