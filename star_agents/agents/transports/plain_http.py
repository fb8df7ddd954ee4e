"""Sends over connections of our own to servers that are reached by plain ``http`` and by no proxy: vLLM, Ollama, TGI,
llama.cpp, LM Studio and their like. An exchange costs a quarter of the CPU of one by aiohttp's client.

A connection has one exchange at a time, and is used again where the server keeps it, nothing came behind the reply, and
the request was sent whole. Whatever ends otherwise ends its connection. Nothing is sent a second time.
"""

from __future__ import annotations

import asyncio
import socket
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import aiohttp
import yarl

from star_agents.agents.replies.body import ENCODINGS, LARGEST, checked
from star_agents.agents.transports.http_reply import HttpReplyReader

CONNECT_S = 15.0
"""Longest wait for a connection. The rest of a call has one deadline, which is the caller's."""
KEEP_ALIVE_S = 4.0
"""Seconds that an idle connection is kept: less than the 5 s of uvicorn, under which vLLM and others run. A connection
that the server closes just as a request goes out on it would be a failed call."""
_NEXT_ADDRESS_S = 0.25
"""After which the next address of a host is tried beside the first (RFC 8305)."""
_OUR_OWN = {"Accept": "*/*", "User-Agent": "star-agents"}
"""Where the request says nothing else."""
_SET_HERE = frozenset({"host", "content-length", "transfer-encoding", "accept-encoding"})


class NotConnected(ConnectionError):
    """There is no connection to a server, so nothing was sent."""


class PlainReply(NamedTuple):
    """A whole reply."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Origin(NamedTuple):
    host: str
    port: int


def is_plain(url: yarl.URL) -> bool:
    """Whether a server is reached without TLS, and without a password in its address."""
    return url.scheme == "http" and bool(url.raw_host) and not url.raw_user and not url.raw_password


class PlainHttpPool:
    """The connections of this process. Used from one event loop.

    Args:
        largest: Bytes of a reply beyond which it is refused.
    """

    def __init__(self, *, largest: int = LARGEST) -> None:
        self._largest = largest
        self._idle: defaultdict[_Origin, list[_Connection]] = defaultdict(list)
        """The one that was used last stands last, and is used next."""
        self._sweep: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        return sum(map(len, self._idle.values()))

    async def send(self, method: str, url: yarl.URL, headers: Mapping[str, str], body: bytes) -> PlainReply:
        """Send once, without a retry.

        Raises:
            NotConnected: The server was not reached.
            HttpFailure: It points elsewhere.
            ValueError: The reply is no HTTP, passes a limit, or a header of the request is none.
            aiohttp.ClientError, OSError: The server hung up.
        """
        head = _head(method, url, headers, len(body))
        assert url.raw_host is not None, "is_plain has looked"
        origin = _Origin(url.raw_host, url.port or 80)
        connection = self._take_idle(origin) or await _connect(origin)
        reader, is_left = HttpReplyReader(self._largest), False
        try:
            await connection.exchange(head + body, reader)
            is_left = reader.leaves_connection and connection.has_sent_all
        finally:
            if is_left:
                self._keep(origin, connection)
            else:
                connection.abort()
        return PlainReply(reader.status, reader.headers, await checked(reader.body()))

    async def aclose(self) -> None:
        """Close every connection. Nothing may be in flight; a later request opens new ones."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for connections in self._idle.values():
            for one in connections:
                one.abort()
        self._idle.clear()
        await asyncio.sleep(0)  # Their sockets are closed in the next turn of the event loop.

    def _take_idle(self, origin: _Origin) -> _Connection | None:
        connections, now = self._idle[origin], asyncio.get_running_loop().time()
        while connections:
            one = connections.pop()
            if one.is_open and now < one.idle_since + KEEP_ALIVE_S:
                return one
            one.abort()
        return None

    def _keep(self, origin: _Origin, connection: _Connection) -> None:
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle[origin].append(connection)
        if self._sweep is None:
            self._sweep = loop.call_later(KEEP_ALIVE_S, self._close_old)

    def _close_old(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = loop.time() - KEEP_ALIVE_S
        for origin, connections in list(self._idle.items()):
            for one in connections:
                if one.idle_since <= oldest:
                    one.abort()
            self._idle[origin] = [one for one in connections if one.is_open]
            if not self._idle[origin]:
                del self._idle[origin]
        self._sweep = loop.call_later(KEEP_ALIVE_S / 4, self._close_old) if self._idle else None


class _Connection(asyncio.Protocol):
    """One connection, which has one exchange at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._reader: HttpReplyReader | None = None
        self._ended: asyncio.Future[None] | None = None
        self.idle_since = 0.0
        """Seconds of the event loop's clock."""

    @property
    def is_open(self) -> bool:
        """Whether a request may go out on it."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def has_sent_all(self) -> bool:
        """Whether the request has left whole: a server may answer before."""
        return self._transport is not None and not self._transport.get_write_buffer_size()

    async def exchange(self, request: bytes, reader: HttpReplyReader) -> None:
        """Send a request and read its reply; raises what ``HttpReplyReader`` does, or why the connection ended."""
        if self._transport is None:
            raise aiohttp.ServerDisconnectedError("the server hung up before the request was sent")
        self._reader, self._ended = reader, asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            await self._ended
        finally:
            self._reader = self._ended = None

    def abort(self) -> None:
        """Close it at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        """Some of the reply, or what nobody asked for, which ends the connection."""
        if self._reader is None:
            self.abort()
            return
        try:
            self._reader.feed(data)
        except Exception as error:
            self._end(error)
            self.abort()
        else:
            if self._reader.is_whole:
                self._end(None)

    def connection_lost(self, error: Exception | None) -> None:
        """It has ended; a reply without a length has ended with it."""
        self._transport = None
        if self._reader is None:
            return
        try:
            self._reader.end()
        except aiohttp.ClientError as cut:
            self._end(error or cut)
        else:
            self._end(error)

    def _end(self, error: Exception | None) -> None:
        if self._ended is None or self._ended.done():
            return
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)


async def _connect(origin: _Origin) -> _Connection:
    loop, host = asyncio.get_running_loop(), origin.host
    has_one_address = ":" in host or host.replace(".", "").isdigit()
    try:
        async with asyncio.timeout(CONNECT_S):
            _, connection = await loop.create_connection(
                _Connection, *origin, happy_eyeballs_delay=None if has_one_address else _NEXT_ADDRESS_S
            )
    except OSError as error:  # A TimeoutError is one.
        why = error.strerror or str(error) or f"not within {CONNECT_S:.0f} s"
        raise NotConnected(f"cannot connect to {host}:{origin.port}: {why}") from error
    return connection


def _head(method: str, url: yarl.URL, headers: Mapping[str, str], length: int) -> bytes:
    """A request up to its body. ValueError where a header would be two."""
    lines = [f"{method} {url.raw_path_qs} HTTP/1.1", f"Host: {url.host_port_subcomponent}"]
    named = set[str]()
    for name, value in headers.items():
        named.add(lowered := name.lower())
        if lowered not in _SET_HERE:
            lines.append(f"{name}: {value}")
    lines.append(f"Accept-Encoding: {ENCODINGS}")
    lines += [f"{name}: {value}" for name, value in _OUR_OWN.items() if name.lower() not in named]
    if length or method != "GET":
        lines.append(f"Content-Length: {length}")
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1 or "\0" in text:
        raise ValueError("a header of the request holds the end of a line")
    return f"{text}\r\n\r\n".encode()
