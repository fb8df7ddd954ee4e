"""Who may come in: Host allow-list always, token beyond loopback, no cross-site writes.

Binding to loopback does not keep a browser out: a page of any site can be made to resolve to 127.0.0.1. The Host header
gives such a page away.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_OPEN_PATHS = ("/livez", "/healthz", "/readyz")
"""Health answers need no token; they say nothing about data."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def guard(host: str, token: str, allowed_hosts: Sequence[str]) -> Any:
    """Make the middleware that checks every request before its handler runs."""
    allowed = {"localhost", "127.0.0.1", "::1", host.lower(), *(name.lower() for name in allowed_hosts)}

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _host_name(request) not in allowed:
            raise web.HTTPMisdirectedRequest(text="this Host is not served here; add it to server.allowed_hosts")
        if request.method not in ("GET", "HEAD") and _is_cross_site(request):
            raise web.HTTPForbidden(text="writes from other sites are refused")
        if token and request.path not in _OPEN_PATHS:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), token.encode()):
                raise web.HTTPUnauthorized(text="send the token as: Authorization: Bearer ...")
        return await handler(request)

    return check


def _host_name(request: web.Request) -> str:
    host = request.headers.get("Host", "").lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_cross_site(request: web.Request) -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        return True
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2].lower() != request.headers.get("Host", "").lower()
