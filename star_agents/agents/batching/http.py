"""Requests about batches: small ones with their replies, files that go out from disk, results line by line."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import aiohttp

from star_agents.agents.http_failure import HttpFailure
from star_agents.agents.replies.body import LARGEST, RefusedReply, read_reply, refuse_redirect
from star_agents.agents.transports.http import trusted
from star_agents.agents.transports.json_body import decode, encode

_CONNECT_S = 15.0
_SILENCE_S = 120.0
"""Longest time in which nothing comes; how long a whole transfer takes is nobody's to say."""
_PIECE = 1 << 16
LONGEST_LINE = 8 << 20
"""Bytes of a result, of which each holds one reply."""


class BatchHttp:
    """One pool of connections for all batches; opened with the first request.

    Every method raises HttpFailure for an error of the server's, RefusedReply for a reply that passes a limit, and
    aiohttp.ClientError where the server was not reached.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def aclose(self) -> None:
        """Close every connection; a later request opens a new pool."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def json(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        body: Mapping[str, Any] | None = None,
        data: aiohttp.FormData | IO[bytes] | None = None,
    ) -> dict[str, Any]:
        """Send, and read the object that comes back. Raises ValueError or TypeError where it is none."""
        sent: Any = data if body is None else encode(body)
        kind = {"Content-Type": "application/json"} if not isinstance(sent, aiohttp.FormData) and sent else {}
        async with self._open().request(
            method, url, data=sent, headers={**headers, **kind, "Accept-Encoding": "gzip"}, allow_redirects=False
        ) as response:
            refuse_redirect(response.status, response.headers)
            reply = await read_reply(response.content.iter_any(), response.headers, LARGEST)
            if response.status >= 400:
                raise HttpFailure(response.status, reply.decode("utf-8", "replace"), response.headers)
        read = decode(reply)
        if not isinstance(read, dict):
            raise TypeError(f"the reply is no object but {type(read).__name__}")
        return read

    async def headers_of_reply(
        self, url: str, headers: Mapping[str, str], body: Mapping[str, Any]
    ) -> Mapping[str, str]:
        """POST, and say what stands in the reply's headers."""
        kind = {"Content-Type": "application/json"}
        async with self._open().post(
            url, data=encode(body), headers={**headers, **kind}, allow_redirects=False
        ) as response:
            refuse_redirect(response.status, response.headers)
            reply = await read_reply(response.content.iter_any(), response.headers, LARGEST)
            if response.status >= 400:
                raise HttpFailure(response.status, reply.decode("utf-8", "replace"), response.headers)
            return response.headers

    async def lines(self, url: str, headers: Mapping[str, str]) -> AsyncGenerator[bytes]:
        """The lines behind an address, blank ones left out. Of a line longer than ``LONGEST_LINE`` there come
        pieces, which nobody can read."""
        async with self._open().get(
            url, headers={**headers, "Accept-Encoding": "identity"}, allow_redirects=False
        ) as response:
            refuse_redirect(response.status, response.headers)
            if response.status >= 400:
                reply = await read_reply(response.content.iter_any(), response.headers, LARGEST)
                raise HttpFailure(response.status, reply.decode("utf-8", "replace"), response.headers)
            if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
                raise RefusedReply("the results are packed, which was not asked for")
            rest = b""
            async for piece in response.content.iter_chunked(_PIECE):
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    if line.strip():
                        yield line
                rest = rest[:LONGEST_LINE]
            if rest.strip():
                yield rest

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=16, ssl=trusted(os.environ)),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S),
                auto_decompress=False,
                trust_env=True,
            )
        return self._session


def id_of(read: Mapping[str, Any]) -> str:
    """The id that a provider gave to something, as it may stand in an address. Raises ValueError or LookupError."""
    found = read["id"]
    if not isinstance(found, str) or not found.translate(_OF_IDS).isalnum():
        raise ValueError("the provider gave an id that cannot stand in an address")
    return found


_OF_IDS = str.maketrans("", "", "-_.")


@contextmanager
def gone_is_deleted() -> Iterator[None]:
    """What is to be deleted and is not there was deleted before."""
    try:
        yield
    except HttpFailure as failure:
        if failure.status_code != 404:
            raise
