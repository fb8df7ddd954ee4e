"""The HTTP door put together: routes, who may come in, and the server that carries them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Middleware

from star_agents import __version__
from star_agents.errors import UsageError
from star_agents.web.backend import BACKEND, Backend
from star_agents.web.connections import Listener
from star_agents.web.dataset import DOWNLOADS
from star_agents.web.feed import FEED, Feed
from star_agents.web.guard import add_headers, guard, is_loopback
from star_agents.web.inputs import read_query
from star_agents.web.limits import LIMITS, Limits
from star_agents.web.openapi import DOCUMENT, document, plain_path
from star_agents.web.problems import note_begin, problem_details
from star_agents.web.route import Route
from star_agents.web.routes import ROUTES
from star_agents.web.schemas import Nothing
from star_agents.web.seeds import KEYED
from star_agents.web.session import TOKEN


@asynccontextmanager
async def serve_http(
    backend: Backend,
    *,
    host: str,
    port: int,
    token: str,
    allowed_hosts: Sequence[str],
    limits: Limits | None = None,
) -> AsyncIterator[str]:
    """Listen while the context is open; yields the base URL.

    Raises:
        UsageError: beyond loopback without a token, or the address cannot be bound.
    """
    limits = limits or Limits()

    def make(first: Middleware) -> web.Application:
        return make_app(backend, host=host, token=token, allowed_hosts=allowed_hosts, limits=limits, first=first)

    async with listening(make, host=host, port=port, token=token, limits=limits) as url:
        yield url


@asynccontextmanager
async def listening(
    make: Callable[[Middleware], web.Application], *, host: str, port: int, token: str, limits: Limits
) -> AsyncIterator[str]:
    """Serve what ``make`` makes of its outermost middleware; yields the base URL. Raises as ``serve_http`` does."""
    if not is_loopback(host) and not token:
        raise UsageError(f"{host} is reachable from other machines: a token is needed")
    listener = Listener(limits)
    async with listener.listen(make(listener.middleware()), host, port) as url:
        yield url


def make_app(
    backend: Backend,
    *,
    host: str,
    token: str,
    allowed_hosts: Sequence[str],
    limits: Limits,
    first: Middleware,
) -> web.Application:
    """Every route behind every check; ``first`` is the outermost middleware."""
    app = guarded_app(ROUTES, host=host, token=token, allowed_hosts=allowed_hosts, limits=limits, first=first)
    app[BACKEND] = backend
    app[KEYED] = asyncio.Lock()
    app[FEED] = Feed(backend, limits.streams)
    app.on_shutdown.append(_end_streams)
    app.cleanup_ctx.append(_feed_streams)
    return app


def guarded_app(
    routes: tuple[Route, ...],
    *,
    host: str,
    token: str,
    allowed_hosts: Sequence[str],
    limits: Limits,
    first: Middleware,
) -> web.Application:
    """A table of routes behind every check."""
    open_paths = {plain_path(route.path) for route in routes if route.is_open}
    app = web.Application(middlewares=[first, problem_details, guard(host, token, allowed_hosts, open_paths)])
    app[LIMITS] = limits
    app[TOKEN] = token
    app[DOWNLOADS] = asyncio.Semaphore(limits.downloads)
    app[DOCUMENT] = lambda: document(routes, __version__)
    app.on_response_prepare.extend((add_headers, note_begin))
    for route in routes:
        app.router.add_route(route.method, route.path, _checked(route))
        if route.method == "GET" and route.media != ("text/event-stream",):
            app.router.add_route("HEAD", route.path, _checked(route))
    return app


def _checked(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Hand the checked query to the handler."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await route.handler(request, Nothing() if route.is_open else read_query(request, route.query))

    return handle


async def _feed_streams(app: web.Application) -> AsyncIterator[None]:
    feeding = asyncio.create_task(app[FEED].run())
    yield
    feeding.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await feeding


async def _end_streams(app: web.Application) -> None:
    app[FEED].close()
