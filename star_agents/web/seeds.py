"""Seeds come in, one seed's story, and seeds that were set aside.

`POST /v1/seeds` takes one row, a list of rows, ``{"seeds": [...]}`` or JSON lines, in any seed format; all or nothing.
A body with the content type of a document (PDF, Word, HTML, Markdown) is one, where the first recipe takes documents;
its name is the end of `?source=`. With an `Idempotency-Key` header the same request may be sent again after a lost
answer: it gets the recorded one.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from aiohttp import web

from star_agents.web import replies
from star_agents.web.backend import BACKEND, Backend
from star_agents.web.inputs import lines, parsed_line, pieces, read_document, read_rows, too_long
from star_agents.web.limits import LIMITS
from star_agents.web.problems import answer
from star_agents.web.schemas import Nothing, SeedsQuery

LONGEST_KEY = 200
LONGEST_ID = 200
QUARANTINED_SHOWN = 1000
LINES = ("application/x-ndjson", "application/jsonl")
DOCUMENTS = {
    "application/pdf": ".pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "text/html": ".html",
    "application/xhtml+xml": ".xhtml",
    "text/markdown": ".md",
}
"""Content types of documents, to the ends of their files' names."""
_UNSAFE = re.compile(r"[^\w.-]+")
_LONGEST_NAME = 100
"""Bytes; a file's name may have 255."""

KEYED: web.AppKey[asyncio.Lock] = web.AppKey("keyed", asyncio.Lock)
"""One request with a key at a time, so that two of the same cannot both be the first."""


class _Sent(NamedTuple):
    rows: list[Mapping[str, Any]]
    digest: str
    """Of source, type and body: what makes a request the same as another."""
    document: bytes = b""
    """In the place of rows."""
    name: str = ""
    """Of the document's file."""


async def post_seeds(request: web.Request, query: SeedsQuery) -> web.Response:
    """Take seeds in."""
    backend = request.app[BACKEND]
    if (refused := await backend.not_now()) is not None:
        again = {"Retry-After": str(max(1, math.ceil(refused.retry_after_s)))}
        kind = web.HTTPTooManyRequests if refused.status == 429 else web.HTTPServiceUnavailable
        raise kind(text=refused.detail, headers=again)
    key = _key(request)
    source = query.source.encode("utf-8", "backslashreplace").decode()
    sent = await _read(request, source)
    if key is None:
        return answer(await _take(backend, sent, source, None), 202)
    async with request.app[KEYED]:
        known = await backend.recall_request(key)
        if known is None:
            return answer(await _take(backend, sent, source, (key, sent.digest)), 202)
    if known[0] != sent.digest:
        detail = f"the Idempotency-Key {key!r} came with another request before; send a new key with a new request"
        raise web.HTTPUnprocessableEntity(text=detail)
    return web.json_response(text=known[1], status=202, headers={"Idempotency-Replayed": "true"})


async def _take(backend: Backend, sent: _Sent, source: str, request: tuple[str, str] | None) -> replies.Taken:
    if sent.name:
        return await backend.add_document(sent.document, sent.name, source, request)
    return await backend.add_rows(sent.rows, source, request)


def _key(request: web.Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise web.HTTPBadRequest(text=f"an Idempotency-Key is 1 to {LONGEST_KEY} printable ASCII characters")
    return key


async def _read(request: web.Request, source: str) -> _Sent:
    digest = hashlib.sha256(f"{source}\n{request.content_type}\n".encode())
    limits, count = request.app[LIMITS], 0
    if (suffix := DOCUMENTS.get(request.content_type)) is not None:
        return await _read_file(request, source, suffix, digest.update, digest.hexdigest)

    def check(row: Any, number: int) -> None:
        nonlocal count
        count += 1
        if count > limits.rows:
            raise too_long(limits.rows, count, limits)
        if not isinstance(row, dict):
            raise web.HTTPBadRequest(text=f"row {number} is not a JSON object but {type(row).__name__}")

    rows: list[Mapping[str, Any]] = []
    if request.content_type in LINES:
        async for line in lines(request, digest.update):
            rows.append(await parsed_line(line, limits))
            check(rows[-1], line.number)
    else:
        rows = await read_rows(request, digest.update, check)
    if not rows:
        raise web.HTTPBadRequest(text="no seeds in the request")
    return _Sent(rows, digest.hexdigest())


async def _read_file(
    request: web.Request, source: str, suffix: str, hear: Callable[[bytes], object], digest: Callable[[], str]
) -> _Sent:
    """A body that is one document, as long as one of rows may be."""
    body = bytearray()
    async for piece in pieces(request, request.app[LIMITS].document_bytes):
        hear(piece)
        body += piece
    if not body:
        raise web.HTTPBadRequest(text="no document in the request")
    safe = _UNSAFE.sub("_", source.rpartition("/")[2])
    last = safe.encode()[-_LONGEST_NAME:].decode(errors="ignore").lstrip("._-")
    name = last if last.lower().endswith(suffix) and last != suffix else f"{digest()[:12]}{suffix}"
    return _Sent([], digest(), bytes(body), name)


async def get_seed(request: web.Request, _: Nothing) -> web.Response:
    """One seed with its whole story."""
    seed_id = request.match_info["id"]
    story = await request.app[BACKEND].story(seed_id) if len(seed_id) <= LONGEST_ID else None
    if story is None:
        raise web.HTTPNotFound(text="there is no seed of this id")
    return answer(story)


async def get_quarantine(request: web.Request, _: Nothing) -> web.Response:
    """The seeds that were set aside."""
    return answer(replies.Quarantine(seeds=await request.app[BACKEND].quarantine(QUARANTINED_SHOWN)))


async def post_release(request: web.Request, _: Nothing) -> web.Response:
    """Queue seeds that were set aside again."""
    asked = await read_document(request)
    ids = asked.get("seeds") if isinstance(asked, dict) else None
    if asked == {"all": True}:
        ids = None
    elif not isinstance(ids, list) or not ids or not all(isinstance(one, str) for one in ids) or len(asked) > 1:
        raise web.HTTPBadRequest(text='send {"seeds": ["ID", ...]} or {"all": true}')
    return answer(replies.Released(released=await request.app[BACKEND].release_quarantined(ids)))
