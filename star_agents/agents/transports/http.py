"""The seam between a prepared request and its raw reply, and the pool of connections of this process behind it.

Before it a call becomes a method, an address, headers and bytes; after it a status, headers and bytes become an answer.
Both types are plain data, so a sender may stand in another process. Whoever sends holds to the same limits: one bounded
body, no redirect, ``Accept-Encoding`` as ``replies.body`` can unpack it.
"""

from __future__ import annotations

import os
import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
import certifi
import yarl

from star_agents.agents.replies.body import ENCODINGS, LARGEST, read_reply, refuse_redirect

_CONNECT_S = 15.0
"""Longest wait for a connection. The rest of a call has one deadline, which is the caller's."""
_KEEP_ALIVE_S = 4.0
"""Seconds that an idle connection is kept: less than the 5 s of uvicorn, under which vLLM and others run. A connection
that the server closes just as a request goes out on it would be a failed call."""
SKIPS_VERIFICATION = "false"
"""What the user sets ``SSL_VERIFY`` to, in any case, to have no certificate checked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpRequest:
    """What goes out, ready but for ``Accept-Encoding``. It may hold a key in any field, so no ``repr`` shows one."""

    url: str = field(repr=False)
    """Already percent-encoded: it is sent as it stands, since a signature may cover it."""
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    method: str = "POST"
    timeout_s: float
    """Seconds for all of it. In this process the caller's own deadline stands around the call; a sender elsewhere has
    to keep it."""
    proxy: str | None = field(default=None, repr=False)
    """``http://`` or ``https://``; it may hold a password."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpReply:
    """What came back, whatever its status below 300 or from 400 up."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Names without regard to case, where they are looked up."""
    body: bytes = field(repr=False)
    """Unpacked, and within the limits of ``replies.body``."""


class HttpSender(Protocol):
    """Whoever sends a prepared request."""

    async def send(self, request: HttpRequest) -> HttpReply:
        """Send once, without a retry.

        Raises:
            HttpFailure: The server points elsewhere.
            RefusedReply: The reply passes a limit.
            aiohttp.ClientError: The server was not reached, or hung up.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection. Nothing may be in flight; a later request opens a new pool."""
        ...


class HttpPool:
    """Sends over one pool of connections of this process.

    Args:
        largest: Bytes of a reply beyond which it is refused.
    """

    def __init__(self, *, largest: int = LARGEST) -> None:
        self._largest = largest
        self._session: aiohttp.ClientSession | None = None
        self._trusted: ssl.SSLContext | bool | None = None

    async def send(self, request: HttpRequest) -> HttpReply:
        """As ``HttpSender.send``."""
        session = self._session or self._open()
        if self._trusted is None and request.url.startswith("https:"):
            self._trusted = trusted(os.environ)
        async with session.request(
            request.method,
            yarl.URL(request.url, encoded=True),
            data=request.body,
            headers={**request.headers, "Accept-Encoding": ENCODINGS},
            proxy=request.proxy,
            ssl=True if self._trusted is None else self._trusted,
            allow_redirects=False,
        ) as response:
            refuse_redirect(response.status, response.headers)
            body = await read_reply(response.content.iter_any(), response.headers, self._largest)
            return HttpReply(status=response.status, headers=response.headers, body=body)

    async def aclose(self) -> None:
        """As ``HttpSender.aclose``."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
            auto_decompress=False,  # read_reply does it, in bounds
        )
        return self._session


def trusted(environ: Mapping[str, str]) -> ssl.SSLContext | bool:
    """The certificates that LiteLLM trusts too: of ``SSL_VERIFY`` or ``SSL_CERT_FILE``, else certifi's.

    ``False``, any certificate at all, where ``SSL_VERIFY`` is ``false``; ``tls_check`` tells.
    """
    verify = environ.get("SSL_VERIFY", "")
    if verify.lower() == SKIPS_VERIFICATION:
        return False
    files = (path for path in (verify, environ.get("SSL_CERT_FILE", "")) if path and Path(path).exists())
    return ssl.create_default_context(cafile=next(files, certifi.where()))


def proxy_for(url: str) -> str | None:
    """What ``HTTP_PROXY`` and its like say for an address; ``None``: it is reached without one."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")
