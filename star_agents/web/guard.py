"""Who may come in: Host allow-list always, a token where there is one, nothing from other sites.

Binding to loopback does not keep a browser out: a page of any site can be made to resolve to 127.0.0.1. The Host header
gives such a page away. What a request may do is decided by the route that it matched, never by how its URL is spelt.
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Collection, Sequence

from aiohttp import web
from aiohttp.typedefs import Middleware

from star_agents.web.problems import Handler
from star_agents.web.session import has_session, is_bearer

_HOST = re.compile(r"(?:\[([0-9a-f.]*:[0-9a-f:.]*)\]|([a-z0-9._-]+))(?::[0-9]{1,5})?")
_SAFE = ("GET", "HEAD")
_OURS = ("same-origin", "none")
"""Of Sec-Fetch-Site: the page itself, or the address bar. ``same-site`` is another port of the same machine."""

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'; require-trusted-types-for 'script'; trusted-types 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "star_agents",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""On every answer. Trusted types make the browser itself refuse to read any text as markup or script."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """What every answer says to browsers; a signal handler, so that no answer goes without."""
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")


def guard(host: str, token: str, allowed_hosts: Sequence[str], open_paths: Collection[str]) -> Middleware:
    """Make the middleware that checks every request before its handler runs.

    Args:
        host: Where the server listens; it may be addressed so.
        token: Asked for where it is not empty.
        allowed_hosts: Further names under which the server may be addressed.
        open_paths: Routes that hold no data and need no token.
    """
    allowed = {"localhost", "127.0.0.1", "::1", host.lower(), *(name.lower() for name in allowed_hosts)}

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        # Two places may name the host: the header, and a request line that holds a whole URL.
        if not {_host_name(request.headers.get("Host", "")), _host_name(request.host)} <= allowed:
            raise web.HTTPMisdirectedRequest(text="this Host is not served here; add it to server.allowed_hosts")
        resource = request.match_info.route.resource
        is_open = resource is not None and resource.canonical in open_paths
        _refuse_other_sites(request, is_open)
        if token and not is_open and not is_bearer(request, token):
            _check_session(request, token)
        return await handler(request)

    return check


def _host_name(host: str) -> str:
    """The name without its port; empty for what is no host."""
    found = _HOST.fullmatch(host.lower())
    return (found[1] or found[2]) if found else ""


def _refuse_other_sites(request: web.Request, is_open: bool) -> None:
    if request.method not in _SAFE:
        if not _is_ours(request):
            raise web.HTTPForbidden(text="writes from other sites are refused")
    elif not is_open and not _is_ours(request) and request.headers.get("Sec-Fetch-Mode") != "navigate":
        raise web.HTTPForbidden(text="other sites may not read from here")


def _is_ours(request: web.Request) -> bool:
    """Whether no header says that another site's page sent this."""
    if request.headers.get("Sec-Fetch-Site", "none") not in _OURS:
        return False
    origin = request.headers.get("Origin")
    return origin is None or origin.partition("://")[2].lower() == request.headers.get("Host", "").lower()


def _check_session(request: web.Request, token: str) -> None:
    """A cookie is sent by the browser, whoever made it send: so a write must also say that our page wants it."""
    if not has_session(request, token, time.time()):
        detail = "send the token as: Authorization: Bearer ...; or open the link that `serve` printed"
        raise web.HTTPUnauthorized(text=detail, headers={"WWW-Authenticate": "Bearer"})
    says_ours = request.headers.get("Sec-Fetch-Site") == "same-origin" or "Origin" in request.headers
    if request.method not in _SAFE and not says_ours:
        raise web.HTTPForbidden(text="a write with a session must come from the page itself")
