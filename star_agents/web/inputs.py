"""What a client sends: bodies and query parameters, each with its limits, read into plain data.

A body is read in pieces under a limit of size and of time; JSON lines become rows as they arrive.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from star_agents.limits.json_structure import SMALL_BYTES, JsonBounds, JsonMeter, TooMuchJson
from star_agents.limits.turns import Turns
from star_agents.web.documents import RowLimits, TooDeep, TooLong, parse_rows, parse_value
from star_agents.web.limits import LIMITS, MIB, Limits
from star_agents.web.windows import NotJson, NotUtf8

M = TypeVar("M", bound=BaseModel)
RowCheck = Callable[[Any, int], None]
"""Hears of every row with its number from 1, and may raise."""

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
    """The body as one JSON document, which is no longer than a row may be.

    Raises:
        web.HTTPException: 400 saying where it is not JSON, 408 when it stops coming, 413 when it is too long.
    """
    limits = request.app[LIMITS]
    body = await read_whole(request, lambda piece: None, limits.row_bytes, limits.row)
    with _told(body, limits):
        return await parse_value(body, 1, _row_limits(limits))


async def read_rows(request: web.Request, hear: Callable[[bytes], object], check: RowCheck) -> list[Any]:
    """The rows of a body that is one document; ``hear`` is handed its pieces, ``check`` every row.

    Raises:
        web.HTTPException: 400 saying where it is not JSON, 408 when it stops coming, 413 when it, or a row of it, is
            too long or holds too much.
    """
    limits = request.app[LIMITS]
    body = await read_whole(request, hear, limits.document_bytes, limits.document)

    async def check_row(row: Any, number: int, begin: int, end: int) -> None:
        if end - begin > SMALL_BYTES:
            await _measure_row(memoryview(body)[begin:end], f"row {number}", limits)
        check(row, number)

    with _told(body, limits):
        return await parse_rows(body, _row_limits(limits), check_row)


async def read_whole(request: web.Request, hear: Callable[[bytes], object], most: int, bounds: JsonBounds) -> bytearray:
    """The body of one document, measured as it arrives; ``hear`` is handed its pieces.

    Raises:
        web.HTTPException: 408 when it stops coming, 413 when it is too long or holds too much.
    """
    limits, body, turns = request.app[LIMITS], bytearray(), Turns()
    meter = JsonMeter(bounds)
    async for piece in pieces(request, most):
        hear(piece)
        body += piece
        await _feed(meter, piece, len(body), limits, turns)
    return body


async def _feed(meter: JsonMeter, piece: bytes, size: int, limits: Limits, turns: Turns) -> None:
    """Measure a piece of a body; 413 where it holds more than it may."""
    try:
        for start in range(0, len(piece), SMALL_BYTES):
            meter.feed(piece[start : start + SMALL_BYTES])
            await turns.give_way()
    except TooMuchJson as error:
        raise too_long(limits.document_bytes, size, limits, f"{error}; ") from None


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


class Line(NamedTuple):
    """A line of a body of lines."""

    text: bytes
    number: int
    """From 1; blank ones count."""
    begin: int
    """Bytes of the body before it."""


async def lines(request: web.Request, hear: Callable[[bytes], object]) -> AsyncIterator[Line]:
    """The body's lines that are not blank, as they arrive; ``hear`` is handed the bytes as they came.

    They end at newlines alone: a JSON text may hold U+2028 and its kin as they are.
    """
    limits, turns = request.app[LIMITS], Turns()
    number, begin, size, meter = 1, 0, 0, JsonMeter(limits.lines)
    begun, blank = bytearray(), 0
    async for piece in pieces(request, limits.lines_bytes):
        hear(piece)
        size += len(piece)
        await _feed(meter, piece, size, limits, turns)
        *ends, rest = piece.split(b"\n")
        for end in ends:
            await turns.give_way()
            line = bytes(begun + end)
            begun.clear()
            if line.strip():
                yield Line(line, number, begin)
            elif (blank := blank + 1) > limits.blank_lines:
                raise too_long(limits.lines_bytes, size, limits, f"more than {limits.blank_lines:,} blank lines; ")
            number += 1
            begin += len(line) + 1
        begun += rest
        if len(begun) > limits.row_bytes:
            raise _row_too_long(f"row {number}", len(begun), limits)
    if begun.strip():
        yield Line(bytes(begun), number, begin)


async def parsed_line(line: Line, limits: Limits) -> Any:
    """One of many lines as plain data."""
    if len(line.text) > limits.row_bytes:
        raise _row_too_long(f"row {line.number}", len(line.text), limits)
    with _told(line.text, limits, begin=line.begin):
        if len(line.text) > SMALL_BYTES:
            await _measure_row(memoryview(line.text), f"row {line.number}", limits)
        return await parse_value(line.text, line.number, _row_limits(limits))


def _row_limits(limits: Limits) -> RowLimits:
    return RowLimits(depth=limits.depth, size=limits.row_bytes, members=limits.row.elements)


async def _measure_row(row: memoryview, which: str, limits: Limits) -> None:
    meter, turns = JsonMeter(limits.row), Turns()
    try:
        for start in range(0, len(row), SMALL_BYTES):
            meter.feed(bytes(row[start : start + SMALL_BYTES]))
            await turns.give_way()
    except TooMuchJson as error:
        raise TooMuchJson(f"{which}: {error}") from None


@contextlib.contextmanager
def _told(text: bytes | bytearray, limits: Limits, begin: int = 0) -> Iterator[None]:
    """Say to the client what is wrong with a text that begins after so many bytes of the body."""
    try:
        yield
    except NotJson as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    except TooDeep as error:
        told = f"the JSON at line {error} is nested too deeply: more than {limits.depth} levels"
        raise web.HTTPBadRequest(text=told) from None
    except TooLong as error:
        raise _row_too_long(str(error), error.size, limits) from None
    except TooMuchJson as error:
        told = f"{error}; leave out what is no text, or split it into several rows"
        raise web.HTTPRequestEntityTooLarge(limits.row_bytes, len(text), text=told) from None
    except NotUtf8 as error:
        raise _not_utf8(begin + error.position, text) from None


def _row_too_long(which: str, size: int, limits: Limits) -> web.HTTPException:
    most = f"{limits.row_bytes:,} bytes"
    text = f"{which} has {size:,} bytes or more, and may have {most}; shorten it, or split it into several rows"
    return web.HTTPRequestEntityTooLarge(max_size=limits.row_bytes, actual_size=size, text=text)


def _not_utf8(position: int, body: bytes | bytearray) -> web.HTTPBadRequest:
    told = next((f"; {told}" for mark, told in _NOT_UTF8 if position < len(mark) and body.startswith(mark)), "")
    return web.HTTPBadRequest(text=f"the body is not UTF-8: byte {position}{told}")
