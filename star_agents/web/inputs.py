"""What a client sends: bodies and query parameters, each with its limits, read into plain data.

A body is read in pieces under a limit of size and of time; JSON lines become rows as they arrive.
"""

from __future__ import annotations

import asyncio
import codecs
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, TypeVar

import anyio.to_thread
from aiohttp import web
from pydantic import BaseModel, ValidationError

from star_agents.limits.json_structure import SMALL_BYTES, JsonMeter, TooMuchJson, measure
from star_agents.web.limits import LIMITS, MIB, Limits

M = TypeVar("M", bound=BaseModel)

_NOT_UTF8 = (
    (b"\x1f\x8b", "it is gzip: say so with the header Content-Encoding: gzip"),
    (b"\x28\xb5\x2f\xfd", "it is Zstandard: unpack it first, or send it with `add`"),
    (b"\xff\xfe", "it is UTF-16 or UTF-32: send it as UTF-8"),
    (b"\xfe\xff", "it is UTF-16: send it as UTF-8"),
)
"""What a body begins with that is no UTF-8, and what to do about it."""


def read_query(request: web.Request, model: type[M]) -> M:
    """The query parameters as ``model`` names them.

    Raises:
        web.HTTPBadRequest: naming every parameter that is unknown, missing, given twice or out of bounds.
    """
    given = request.query
    twice = sorted({name for name in given if len(given.getall(name)) > 1})
    if twice:
        raise web.HTTPBadRequest(text=f"given more than once: {', '.join(map(repr, twice))}")
    try:
        return model.model_validate_strings(dict(given))
    except ValidationError as error:
        raise web.HTTPBadRequest(text="; ".join(map(_parameter_problem, error.errors()))) from None


def _parameter_problem(error: Mapping[str, Any]) -> str:
    name = ".".join(map(str, error["loc"])) or "the query"
    if error["type"] == "extra_forbidden":
        return f"{name!r} is no parameter of this route"
    return f"{name}: {error['msg']}"


async def read_document(request: web.Request) -> Any:
    """The body as one JSON document.

    Raises:
        web.HTTPException: 400 saying where it is not JSON, 408 when it stops coming, 413 when it is too long.
    """
    body = await read_whole(request, lambda piece: None)
    return await parsed_aside(body, 1, request.app[LIMITS].depth)


async def read_whole(request: web.Request, hear: Callable[[bytes], object]) -> bytes:
    """The body of one document, measured as it arrives; ``hear`` is handed its pieces.

    Raises:
        web.HTTPException: 408 when it stops coming, 413 when it is too long or holds too much.
    """
    limits, body = request.app[LIMITS], bytearray()
    meter = JsonMeter(limits.document)
    async for piece in pieces(request, limits.document_bytes):
        hear(piece)
        body += piece
        feed(meter, piece, len(body), limits)
    return bytes(body)


def feed(meter: JsonMeter, piece: bytes, size: int, limits: Limits) -> None:
    """Measure a piece of a body; 413 where it holds more than it may."""
    try:
        meter.feed(piece)
    except TooMuchJson as error:
        raise too_long(limits.document_bytes, size, limits, f"{error}; ") from None


async def parsed_aside(body: bytes, line: int, depth: int) -> Any:
    """``parsed`` of bytes, in a thread unless they are few; their structure has been measured."""
    if len(body) <= SMALL_BYTES:
        return parsed(decoded(body), line, depth)
    return await anyio.to_thread.run_sync(lambda: parsed(decoded(body), line, depth))


async def pieces(request: web.Request, limit: int) -> AsyncIterator[bytes]:
    """The body as it arrives, decompressed, up to ``limit`` bytes."""
    size, limits, clock = 0, request.app[LIMITS], asyncio.get_running_loop().time
    last = clock() + limits.body_s
    while True:
        try:
            async with asyncio.timeout_at(min(clock() + limits.piece_s, last)):
                piece = await request.content.readany()
        except TimeoutError:
            waited = f"{limits.piece_s:g} s for its next piece or {limits.body_s:g} s for the whole"
            raise web.HTTPRequestTimeout(text=f"the body did not come within {waited}") from None
        except web.RequestPayloadError:
            raise web.HTTPBadRequest(text="the body is not what its Content-Encoding or length says") from None
        if not piece:
            return
        size += len(piece)
        if size > limit:
            raise too_long(limit, size, limits)
        yield piece


def too_long(limit: int, size: int, limits: Limits, why: str = "") -> web.HTTPException:
    """What is answered to more than there may be, with what to do."""
    most = f"up to {limits.lines_bytes // MIB} MiB and {limits.rows:,} rows"
    text = f"{why}too much in one request; send several, or JSON lines (Content-Type: application/x-ndjson), {most}"
    return web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=size, text=text)


async def lines(request: web.Request, hear: Callable[[bytes], object]) -> AsyncIterator[tuple[int, str]]:
    """The body's lines that are not blank, numbered from 1, as they arrive; ``hear`` is handed the bytes as they came.

    They end at newlines alone: a JSON text may hold U+2028 and its kin as they are.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    limits = request.app[LIMITS]
    number, size, meter = 0, 0, JsonMeter(limits.lines)
    begun: list[str] = []

    def text_of(piece: bytes, is_last: bool = False) -> str:
        try:
            return decoder.decode(piece, is_last)
        except UnicodeDecodeError as error:
            raise _not_utf8(size - len(error.object) + error.start, error.object) from None

    async for piece in pieces(request, limits.lines_bytes):
        hear(piece)
        size += len(piece)
        feed(meter, piece, size, limits)
        *ends, rest = text_of(piece).split("\n")
        for end in ends:
            line = "".join([*begun, end])
            begun.clear()
            number += 1
            if line.strip():
                yield number, line
        begun.append(rest)
        if sum(map(len, begun)) > limits.document_bytes:
            raise too_long(limits.document_bytes, size, limits)
    line = "".join([*begun, text_of(b"", is_last=True)])
    if line.strip():
        yield number + 1, line


def decoded(body: bytes) -> str:
    """A whole body as text; JSON is UTF-8, whatever the header says."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf8(error.start, body) from None


def _not_utf8(position: int, body: bytes) -> web.HTTPBadRequest:
    told = next((f"; {told}" for mark, told in _NOT_UTF8 if position < len(mark) and body.startswith(mark)), "")
    return web.HTTPBadRequest(text=f"the body is not UTF-8: byte {position}{told}")


def parsed(text: str, line: int, depth: int) -> Any:
    """JSON as plain data, at most so deep; ``line`` is where the text begins."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {line + error.lineno - 1}, column {error.colno}"
        raise web.HTTPBadRequest(text=f"not valid JSON: {error.msg} at {where}") from None
    except RecursionError:
        raise _too_deep(line, depth) from None
    except ValueError as error:
        # Python's own limit: a number of thousands of digits.
        raise web.HTTPBadRequest(text=f"not usable JSON, at or after line {line}: {error}") from None
    if is_deeper(data, depth):
        raise _too_deep(line, depth)
    return data


async def parsed_line(text: str, line: int, limits: Limits) -> Any:
    """``parsed`` of one of many lines; a long one is measured by itself and parsed in a thread."""
    if len(text) <= SMALL_BYTES:
        return parsed(text, line, limits.depth)

    def aside() -> Any:
        measure(text.encode(), limits.document)
        return parsed(text, line, limits.depth)

    try:
        return await anyio.to_thread.run_sync(aside)
    except TooMuchJson as error:
        raise too_long(limits.document_bytes, len(text), limits, f"line {line}: {error}; ") from None


def _too_deep(line: int, depth: int) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=f"the JSON at line {line} is nested too deeply: more than {depth} levels")


def is_deeper(data: Any, levels: int) -> bool:
    """Whether there are more than so many lists and objects within each other."""
    level = [data] if isinstance(data, (dict, list)) else []
    while level and levels:
        level = [one for outer in level for one in _within(outer) if isinstance(one, (dict, list))]
        levels -= 1
    return bool(level)


def _within(outer: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return outer.values() if isinstance(outer, dict) else outer
