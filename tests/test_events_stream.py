"""Server-sent events, through real sockets: nothing is missed, nobody is waited for, nothing is held open."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
import pytest
from daemons import PATIENCE_S
from shelf import CANARY, Shelf

from star_agents.web.app import serve_http
from star_agents.web.feed import RING, STATUS_EVERY_S, TURN_S, Feed
from star_agents.web.limits import Limits


class Event(NamedTuple):
    name: str
    id: str
    data: Any


class Page:
    """Reads a stream as a browser does; ``last`` is what it would send back."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.last = ""

    async def __aiter__(self) -> AsyncIterator[Event]:
        fields: dict[str, str] = {}
        async for raw in self.response.content:
            line = raw.decode().rstrip("\n")
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
                continue
            self.last = fields.get("id", self.last)
            if "data" in fields:
                yield Event(fields.get("event", "message"), self.last, json.loads(fields["data"]))
            fields = {}

    async def first(self, name: str) -> Event:
        """The next event of that name."""
        async for event in self:
            if event.name == name:
                return event
        raise AssertionError(f"the stream ended without {name}")

    async def outcomes(self, count: int) -> list[int]:
        """The numbers of the next so many outcomes."""
        found: list[int] = []
        async for event in self:
            if event.name == "outcome":
                assert event.id == str(event.data["seq"])
                found.append(event.data["seq"])
            if len(found) >= count:
                break
        return found


@asynccontextmanager
async def served(shelf: Shelf) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        serve_http(shelf, host="127.0.0.1", port=0, token="", allowed_hosts=()) as url,
        aiohttp.ClientSession(url, connector=connector, read_bufsize=1 << 20) as session,
    ):
        yield session


@asynccontextmanager
async def page(client: aiohttp.ClientSession, query: str = "", **headers: str) -> AsyncIterator[Page]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.get(f"/v1/events{query}", headers=sent) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        yield Page(response)


async def test_a_page_hears_the_status_at_once_and_outcomes_from_now_on() -> None:
    shelf = Shelf()
    shelf.commit(3)
    async with served(shelf) as client, page(client) as one:
        status = await one.first("status")
        assert (status.data["latest_seq"], status.data["version"]) == (3, CANARY)
        assert one.last == "3", "a browser that loses the line now comes back for what follows 3"
        shelf.commit(2)
        assert await one.outcomes(2) == [4, 5]


@pytest.mark.parametrize("missed", [0, 1, RING, 2 * RING + 7])
async def test_a_page_that_was_away_gets_all_that_it_missed_in_order(missed: int) -> None:
    shelf = Shelf()
    shelf.commit(10)
    async with served(shelf) as client:
        async with page(client) as one:
            await one.first("status")
            shelf.commit(1)
            assert await one.outcomes(1) == [11]
            last = one.last
        shelf.commit(missed)
        async with page(client, Last_Event_ID=last) as one:
            assert await one.outcomes(missed) == list(range(12, 12 + missed)) if missed else True
            shelf.commit(1)
            assert await one.outcomes(1) == [12 + missed]


async def test_where_to_begin_is_said_by_the_url_and_better_by_the_browser() -> None:
    shelf = Shelf()
    shelf.commit(5)
    async with served(shelf) as client:
        async with page(client, "?after=0") as one:
            assert await one.outcomes(5) == [1, 2, 3, 4, 5]
        async with page(client, "?after=1", Last_Event_ID="3") as one:
            assert await one.outcomes(2) == [4, 5]
        for unknown in ("", "x", "-1", "9" * 30, "²"):
            async with page(client, "?after=4", Last_Event_ID=unknown) as one:
                assert await one.outcomes(1) == [5], unknown
        for beyond in ({"query": "?after=77"}, {"Last_Event_ID": "77"}):
            async with page(client, **beyond) as one:
                await one.first("status")
                shelf.commit(1)
                assert await one.outcomes(1) == [len(shelf.committed)], "a page of another store hears what is new"


async def test_whatever_comes_and_goes_every_page_has_every_outcome_once_and_in_order() -> None:
    dice = random.Random(6)
    shelf = Shelf()

    async def follow(client: aiohttp.ClientSession, until: int, seen: list[int]) -> None:
        last = "0"
        while not seen or seen[-1] < until:
            async with page(client, Last_Event_ID=last) as one:
                seen += await one.outcomes(min(dice.randint(1, 400), until - len(seen)))
                last = one.last

    async with served(shelf) as client, asyncio.TaskGroup() as following:
        pages: list[list[int]] = [[] for _ in range(4)]
        for seen in pages:
            following.create_task(follow(client, 3000, seen))
        while len(shelf.committed) < 3000:
            shelf.commit(min(dice.choice([1, 50, RING + 1]), 3000 - len(shelf.committed)))
            await asyncio.sleep(0)
    assert all(seen == list(range(1, 3001)) for seen in pages)


async def test_a_page_that_reads_nothing_slows_nobody_and_has_missed_nothing_when_it_reads_again() -> None:
    shelf = Shelf()
    count, text = 3000, "x" * 4000  # Twelve megabytes: more than all buffers on the way.
    async with (
        served(shelf) as client,
        aiohttp.ClientSession(client._base_url, read_bufsize=1 << 12) as lazy,
        page(lazy, "?after=0") as slow,
    ):
        async with page(client, "?after=0") as quick:
            shelf.commit(count, text)
            assert await quick.outcomes(count) == list(range(1, count + 1))
        assert await slow.outcomes(count) == list(range(1, count + 1))


async def test_outcomes_and_status_are_read_once_for_all_pages_and_not_at_all_for_none() -> None:
    shelf = Shelf()
    async with served(shelf) as client:
        shelf.commit(5)
        assert (shelf.asked, shelf.told) == (0, 0)
        began = time.monotonic()
        pages = [await client.get("/v1/events") for _ in range(20)]
        for one in pages:
            await Page(one).first("status")
        for _ in range(4):
            shelf.commit(5)
            for one in pages:
                assert len(await Page(one).outcomes(5)) == 5
        elapsed = time.monotonic() - began
        assert shelf.asked <= elapsed / TURN_S + 2
        assert shelf.told <= elapsed / STATUS_EVERY_S + 2
        for one in pages:
            one.close()


async def test_a_page_that_comes_after_a_time_without_any_is_not_told_the_status_of_then() -> None:
    feed = Feed(Shelf(), 1)
    running = asyncio.create_task(feed.run())
    with feed.reader():
        await feed.next_turn()
        assert b'"latest_seq":0' in feed.status
    with feed.reader():
        assert feed.status == b""
    running.cancel()


async def test_the_log_comes_where_it_is_asked_for_from_a_level_on() -> None:
    shelf = Shelf()
    async with served(shelf) as client, page(client, "?logs=1&level=warning") as one, page(client) as another:
        await one.first("status")
        await another.first("status")
        shelf.log.append(20, b'{"level":"info","event":"state_changed"}')
        shelf.log.append(30, b'{"level":"warning","event":"call_failed"}')
        line = await one.first("log")
        assert line.data == {"n": 2, "level": "warning", "event": "call_failed"}
        shelf.commit(1)
        async for event in another:
            assert event.name != "log"
            if event.name == "outcome":
                break


async def test_who_reads_the_log_too_slowly_is_told_how_much_of_it_was_left_out() -> None:
    shelf = Shelf()
    async with served(shelf) as client, page(client, "?logs=1") as one:
        await one.first("status")
        for number in range(100):
            shelf.log.append(20, b'{"level":"info","event":"e%d"}' % number)
        lines = []
        async for event in one:
            if event.name == "log":
                lines.append(event.data["event"])
            if event.name == "dropped":
                break
        assert lines == [f"e{number}" for number in range(95, 100)]
        assert event.data == {"dropped": 95}


async def test_a_store_that_cannot_be_read_for_a_moment_ends_no_stream() -> None:
    class Failing(Shelf):
        fails = False

        async def outcomes(self, **wanted: Any) -> Any:
            if self.fails:
                self.fails = False
                raise OSError("a moment's trouble")
            return await super().outcomes(**wanted)

    shelf = Failing()
    async with served(shelf) as client, page(client) as one:
        await one.first("status")
        shelf.fails = True
        shelf.commit(2)
        assert await one.outcomes(2) == [1, 2]
        assert not shelf.fails


async def test_streams_end_when_the_server_does_and_hold_nothing_up() -> None:
    shelf = Shelf()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as client:
        limits = Limits(closing_s=10 * PATIENCE_S)
        async with serve_http(shelf, host="127.0.0.1", port=0, token="", allowed_hosts=(), limits=limits) as url:
            pages = [await client.get(f"{url}/v1/events?logs=1") for _ in range(10)]
            for one in pages:
                await Page(one).first("status")
            began = time.monotonic()
        assert time.monotonic() - began < PATIENCE_S, "a stream that the server had to cut would take as long as it may"
        for one in pages:
            assert one.content.at_eof() or b"event: outcome" not in await one.read()


async def test_there_is_a_last_stream_and_room_again_when_one_goes() -> None:
    async with served(Shelf()) as client:
        pages = [await client.get("/v1/events") for _ in range(Limits().streams)]
        assert {one.status for one in pages} == {200}
        async with client.get("/v1/events") as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "5")
        pages[0].close()
        status = 503
        while status == 503:  # Until the server has noticed.
            async with client.get("/v1/events") as response:
                status = response.status
        assert status == 200
        for one in pages:
            one.close()


async def test_a_page_that_vanishes_without_a_word_is_forgotten() -> None:
    shelf = Shelf()
    async with served(shelf) as client:
        url = client._base_url
        assert url is not None
        gone = socket.create_connection(("127.0.0.1", url.port or 0))
        gone.sendall(f"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1:{url.port}\r\n\r\n".encode())
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        gone.close()
        async with page(client) as one:
            await one.first("status")
            shelf.commit(1)
            assert await one.outcomes(1) == [1]


async def test_a_stream_is_asked_for_by_get_alone() -> None:
    async with served(Shelf()) as client:
        for method in ("HEAD", "POST"):
            async with client.request(method, "/v1/events") as response:
                assert (response.status, response.headers["Allow"]) == (405, "GET")
