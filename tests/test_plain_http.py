"""Our own connections to servers without TLS: what goes out on them, when one is used again, and what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
import yarl

from star_agents.agents.transports.plain_http import NotConnected, PlainHttpPool, is_plain

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
Serve = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Heard:
    """What a server that speaks bytes was sent."""

    def __init__(self, url: str) -> None:
        self.url = yarl.URL(f"{url}/v1/chat?a=%2F", encoded=True)
        self.requests: list[bytes] = []
        self.connections = 0
        self.ended = 0
        self.changed = asyncio.Condition()

    async def until_ended(self, connections: int) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: self.ended >= connections)


@asynccontextmanager
async def served(serve: Serve) -> AsyncIterator[Heard]:
    """A server that answers each request, whose body has the length that it says, by whatever ``serve`` writes."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                heard.requests.append(head + await reader.readexactly(length))
                await serve(heard.requests[-1], writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            async with heard.changed:
                heard.ended += 1
                heard.changed.notify_all()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    heard = Heard(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        yield heard


@pytest.fixture
async def pool() -> AsyncIterator[PlainHttpPool]:
    pool = PlainHttpPool(largest=10_000)
    yield pool
    await pool.aclose()


async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(REPLY)


async def post(pool: PlainHttpPool, heard: Heard, body: bytes = b"{}", **headers: str) -> bytes:
    return (await pool.send("POST", heard.url, headers, body)).body


async def test_a_request_goes_out_as_it_stands_with_what_http_asks_for(pool: PlainHttpPool) -> None:
    async with served(answer) as heard:
        assert await post(pool, heard, b'{"a": 1}', Authorization="Bearer k", Accept="application/json") == b"{}"
    head, _, body = heard.requests[0].partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    assert (first, body) == ("POST /v1/chat?a=%2F HTTP/1.1", b'{"a": 1}')
    assert sorted(lines) == [
        "Accept-Encoding: gzip, deflate",
        "Accept: application/json",
        "Authorization: Bearer k",
        "Content-Length: 8",
        f"Host: 127.0.0.1:{heard.url.port}",
        "User-Agent: star-agents",
    ]


@pytest.mark.parametrize("value", ["a\r\nX: b", "a\nb", "a\rb", "a\0b"])
async def test_a_header_that_would_be_two_is_sent_to_nobody(pool: PlainHttpPool, value: str) -> None:
    async with served(answer) as heard:
        with pytest.raises(ValueError, match="end of a line"):
            await post(pool, heard, Authorization=value)
        assert heard.connections == 0


async def test_one_request_after_another_uses_one_connection_and_two_at_once_two(pool: PlainHttpPool) -> None:
    async with served(answer) as heard:
        for _ in range(3):
            await post(pool, heard)
        assert heard.connections == 1
        await asyncio.gather(post(pool, heard), post(pool, heard))
        assert (heard.connections, len(heard.requests)) == (2, 5)


async def test_what_a_server_sends_behind_a_reply_is_never_the_next_ones(pool: PlainHttpPool) -> None:
    async def answer_twice(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(REPLY + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")

    async with served(answer_twice) as heard:
        assert [await post(pool, heard) for _ in range(3)] == [b"{}"] * 3
        assert heard.connections == 3


async def test_what_a_server_sends_while_nobody_asks_ends_the_connection(pool: PlainHttpPool) -> None:
    async with served(answer) as heard:
        writers: list[asyncio.StreamWriter] = []

        async def answer_and_keep(request: bytes, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            writer.write(REPLY)

        async with served(answer_and_keep) as talks:
            assert await post(pool, talks) == b"{}"
            writers[0].write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
            await talks.until_ended(1)
            assert await post(pool, talks) == b"{}"
            assert talks.connections == 2
        assert await post(pool, heard) == b"{}"


async def test_a_server_that_says_that_it_hangs_up_is_asked_over_another_connection(pool: PlainHttpPool) -> None:
    async def answer_and_hang_up(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(REPLY.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    async with served(answer_and_hang_up) as heard:
        assert [await post(pool, heard) for _ in range(3)] == [b"{}"] * 3
        await heard.until_ended(3)
        assert (heard.connections, pool.idle) == (3, 0)


async def test_an_answer_before_the_request_has_left_whole_ends_the_connection(pool: PlainHttpPool) -> None:
    answered = asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Long\r\nContent-Length: 0\r\n\r\n")
        await answered.wait()
        writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=1024)
    async with server:
        url = yarl.URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        reply = await pool.send("POST", url, {}, b" " * (32 << 20))
        assert (reply.status, pool.idle) == (413, 0)
        answered.set()


async def test_nothing_is_sent_a_second_time_where_a_server_hangs_up_without_a_reply(pool: PlainHttpPool) -> None:
    async def hang_up(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with served(hang_up) as heard:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await post(pool, heard)
        assert len(heard.requests) == 1


async def test_whoever_stops_waiting_leaves_no_connection(pool: PlainHttpPool) -> None:
    arrived = asyncio.Event()

    async def never(request: bytes, writer: asyncio.StreamWriter) -> None:
        arrived.set()

    async with served(never) as heard:
        waiting = asyncio.create_task(post(pool, heard))
        await arrived.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert pool.idle == 0
        await heard.until_ended(1)


async def test_closing_ends_every_connection(pool: PlainHttpPool) -> None:
    async with served(answer) as heard:
        await asyncio.gather(*(post(pool, heard) for _ in range(3)))
        assert pool.idle == 3
        await pool.aclose()
        await heard.until_ended(3)
        assert pool.idle == 0


async def test_a_server_that_is_not_there_is_named_and_was_sent_nothing(pool: PlainHttpPool) -> None:
    async with served(answer) as heard:
        pass
    with pytest.raises(NotConnected, match=rf"cannot connect to 127\.0\.0\.1:{heard.url.port}: "):
        await post(pool, heard)


@pytest.mark.parametrize(
    ("url", "is_ours"),
    [
        ("http://localhost:8000/v1", True),
        ("http://[::1]:8000/v1", True),
        ("https://api.openai.com/v1", False),
        ("http://user:password@gateway/v1", False),
    ],
)
def test_servers_behind_tls_or_a_password_in_the_address_are_not_reached_this_way(url: str, is_ours: bool) -> None:
    assert is_plain(yarl.URL(url)) is is_ours
