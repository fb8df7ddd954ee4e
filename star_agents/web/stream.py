"""`GET /v1/events`: one stream per page, by server-sent events.

- ``outcome``: its number is the event's id, its data as in /v1/outcomes. After a break a browser goes on behind the
  last one that it has.
- ``status``: as /v1/status; at once, then once a second.
- ``log``, with ``?logs=1``: a line of the log.
- ``dropped``: ``{"dropped": n}``, so many lines of the log were too many for this reader.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from star_agents.web.backend import BACKEND, LogReader
from star_agents.web.feed import FEED, TURN_S, Feed, frame
from star_agents.web.limits import LIMITS
from star_agents.web.schemas import LARGEST_SEQ, EventsQuery

PING_S = 15.0
RETRY_MS = 2000
"""After which a browser comes back."""


class _Stream(EventSourceResponse):
    """Writes events that are made already."""

    async def put(self, events: bytes) -> None:
        """Wait until they are on their way: a slow reader holds up itself alone, and a stalled one comes back."""
        try:
            async with asyncio.timeout(self._send_timeout):
                await self.write(events)
        except TimeoutError:
            self._abort_transport()
            raise ConnectionAbortedError("a reader of events takes nothing") from None


async def get_events(request: web.Request, query: EventsQuery) -> web.StreamResponse:
    """Tell what happens until the page goes or the daemon has drained."""
    feed = request.app[FEED]
    with feed.reader():
        cursor = _cursor(request, query)
        async with _log(request, query) as lines:
            return await _tell(request, feed, cursor, lines)


def _log(request: web.Request, query: EventsQuery) -> AbstractAsyncContextManager[LogReader | None]:
    """The log from now on, where it is asked for: before the headers go out, so that whoever reads what was logged once
    the stream is open has every line."""
    return request.app[BACKEND].follow_logs(query.level) if query.logs else nullcontext()


async def _tell(request: web.Request, feed: Feed, cursor: int, lines: LogReader | None) -> web.StreamResponse:
    stream = _Stream(sep="\n", ping_interval=PING_S, send_timeout=request.app[LIMITS].stalled_s)
    await stream.prepare(request)
    async with stream:
        try:
            # An id alone is no event, but a browser remembers it: so it can go on even before the first outcome.
            await stream.put(b"id: %d\nretry: %d\n\n" % (cursor, RETRY_MS))
            async with asyncio.TaskGroup() as telling:
                logs = telling.create_task(_tell_logs(stream, lines)) if lines is not None else None
                await _tell_outcomes(stream, feed, cursor)
                if logs is not None:
                    logs.cancel()
        except* ConnectionError:
            pass  # The reader went.
    return stream


def _cursor(request: web.Request, query: EventsQuery) -> int:
    """Where to begin. A browser that comes back sends the same URL as at first: its header knows better."""
    latest = request.app[BACKEND].latest_seq()
    last = request.headers.get("Last-Event-ID", "")
    if last.isascii() and last.isdigit() and len(last) <= len(str(LARGEST_SEQ)):
        return min(int(last), latest)
    return latest if query.after is None else min(query.after, latest)


async def _tell_outcomes(stream: _Stream, feed: Feed, cursor: int) -> None:
    told = b""
    while not feed.is_closed:
        events, cursor = await feed.after(cursor)
        if feed.status is not told:
            events.append(told := feed.status)
        if events:
            await stream.put(b"".join(events))
        else:
            await feed.next_turn()


async def _tell_logs(stream: _Stream, reader: LogReader) -> None:
    dropped = 0
    while lines := await reader.batch():
        events = [frame("log", b'{"n":%d,' % line.n + line.json[1:]) for line in lines]
        if reader.dropped > dropped:
            events.append(frame("dropped", b'{"dropped":%d}' % (reader.dropped - dropped)))
            dropped = reader.dropped
        await stream.put(b"".join(events))
        await asyncio.sleep(TURN_S)
