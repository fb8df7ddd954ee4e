"""How a client shows that it may come in: the token itself (scripts), or a cookie that it was given for it (the page).

The cookie holds no token but a signature made with it, and when it ends. It is as good after a restart as before, so a
page that was away comes back by itself; a new token ends every session.
"""

from __future__ import annotations

import hashlib
import hmac
import time

from aiohttp import web

from star_agents.web.schemas import Nothing

COOKIE = "star_agents_session"
SESSION_S = 30 * 24 * 3600
TOKEN: web.AppKey[str] = web.AppKey("token", str)
"""Empty where none is asked for."""


def is_bearer(request: web.Request, token: str) -> bool:
    """Whether the request carries the token."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and _is_same(given.strip(), token)


def has_session(request: web.Request, token: str, now: float) -> bool:
    """Whether the request carries a cookie that was signed with this token and has not ended."""
    ends, _, signature = request.cookies.get(COOKIE, "").partition(".")
    if not (ends.isascii() and ends.isdigit() and len(ends) <= 12 and now < int(ends)):
        return False
    return _is_same(signature, _sign(token, ends))


def _is_same(given: str, right: str) -> bool:
    """Compare in a time that says nothing about how much of it is right."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), right.encode())


def _sign(token: str, ends: str) -> str:
    return hmac.digest(token.encode(), f"star_agents session until {ends}".encode(), hashlib.sha256).hex()


async def post_session(request: web.Request, _: Nothing) -> web.Response:
    """Give a cookie to who sent the token."""
    response = web.Response(status=204)
    if token := request.app[TOKEN]:
        if not is_bearer(request, token):
            raise web.HTTPUnauthorized(text="a session is begun with the token: Authorization: Bearer ...")
        ends = str(int(time.time()) + SESSION_S)
        value = f"{ends}.{_sign(token, ends)}"
        response.set_cookie(
            COOKIE, value, max_age=SESSION_S, httponly=True, samesite="Strict", path="/", secure=request.secure
        )
    return response


async def delete_session(request: web.Request, _: Nothing) -> web.Response:
    """Take the cookie back."""
    response = web.Response(status=204)
    response.del_cookie(COOKIE, httponly=True, samesite="Strict", path="/", secure=request.secure)
    return response
