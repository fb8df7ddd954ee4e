"""The dataset as a download, streamed: however large it is and however slow the reader, memory stays the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import hdrs, web

from star_agents.web.backend import BACKEND
from star_agents.web.limits import LIMITS, Limits
from star_agents.web.schemas import DatasetQuery

MEDIA_TYPES = {
    "jsonl": "application/x-ndjson",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
}
DOWNLOADS: web.AppKey[asyncio.Semaphore] = web.AppKey("downloads", asyncio.Semaphore)


async def get_dataset(request: web.Request, query: DatasetQuery) -> web.StreamResponse:
    """One file. What cannot be sent to its end is cut off, and never looks whole."""
    name = f"{query.which if query.which == 'rejected' else query.format}.{query.file}"
    return await send_file(request, request.app[BACKEND].dataset(**query.model_dump()), name, MEDIA_TYPES[query.file])


async def send_file(
    request: web.Request, made: AsyncGenerator[bytes, None], name: str, media: str
) -> web.StreamResponse:
    """A download in pieces."""
    downloads, limits = request.app[DOWNLOADS], request.app[LIMITS]
    if downloads.locked():
        text = f"{limits.downloads} downloads are under way; try again when one has ended"
        raise web.HTTPServiceUnavailable(text=text, headers={"Retry-After": "10"})
    async with downloads, aclosing(made) as pieces:
        first = await anext(pieces, b"")  # What goes wrong before the first piece is still answered in words.
        headers = {"Content-Disposition": f'attachment; filename="star_agents-{name}"'}
        response = web.StreamResponse(headers=headers)
        response.content_type = media
        await response.prepare(request)
        if request.method == hdrs.METH_HEAD:
            return response
        await _write(response, first, limits)
        async for piece in pieces:
            await _write(response, piece, limits)
        await response.write_eof()
    return response


async def _write(response: web.StreamResponse, piece: bytes, limits: Limits) -> None:
    try:
        async with asyncio.timeout(limits.stalled_s):
            await response.write(piece)
    except TimeoutError:
        raise ConnectionAbortedError("the reader of a download takes nothing") from None
