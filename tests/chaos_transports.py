"""Servers that misbehave in every way that HTTP has room for, on every way a prompt can go.

Each reply comes to an answer that is right or to one of our own failures, within the call's deadline, whatever was
sent; it costs no more memory than a reply may; the prompt goes to no other host, and nowhere twice.
"""

from __future__ import annotations

import asyncio
import json
import random
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from transport_ways import PROMPT, TEXT, WAYS, ask, honest

from star_agents.agents.replies.body import LARGEST
from star_agents.agents.translate import translate
from star_agents.agents.transports import litellm_env
from star_agents.errors import AgentError

_LATE_S = 30.0
"""How far beyond the deadline a call may end on a busy machine."""
_MOST_MEMORY = 12 * LARGEST
"""What one reply may add to the process: the body, what it is parsed into, and LiteLLM's copies of it."""
_PIECE = b" " * (1 << 20)
_END = b"\r\n\r\n"


@dataclass(slots=True)
class TransportReport:
    """What came of a number of replies."""

    kinds: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    most_memory: int = 0
    """Bytes that the hungriest reply added."""
    violations: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class Misdeed:
    """What a server sends for one request, before it hangs up."""

    pieces: tuple[bytes, ...]
    endless: bytes = b""
    """Sent after them until the client hangs up."""
    pause_s: float = 0.0
    """Between pieces."""
    deadline_s: float = 20.0
    """Of the call."""
    is_good: bool | None = False
    """Whether it holds an answer that has to be taken; ``None``: it may be."""


@dataclass
class Server:
    """Plays one misdeed at a time to whoever comes."""

    misdeed: Misdeed = field(default_factory=lambda: Misdeed(pieces=()))
    asked: list[bytes] = field(default_factory=list)
    url: str = ""

    async def play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        misdeed = self.misdeed
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(_END)
            sizes = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            body = await reader.readexactly(int(sizes[0].partition(b":")[2])) if sizes else b""
            self.asked.append(head + body)
            for piece in self._pieces(misdeed):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(misdeed.pause_s)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    def _pieces(self, misdeed: Misdeed) -> Iterator[bytes]:
        yield from misdeed.pieces
        while misdeed.endless and self.misdeed is misdeed:
            yield misdeed.endless


async def misbehave(*, rounds: int, seed: int) -> TransportReport:
    """Ask so often, each time answered in another way."""
    report, draw = TransportReport(), random.Random(seed)
    server, elsewhere = Server(), Server()
    listening = [await asyncio.start_server(one.play, "127.0.0.1", 0) for one in (server, elsewhere)]
    for one, listener in zip((server, elsewhere), listening, strict=True):
        one.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    for way in WAYS:  # what is loaded at first does not count
        server.misdeed = _honest(draw, way, "")
        await ask(server.url, way)
    try:
        for number in range(rounds):
            way = list(WAYS)[number % len(WAYS)]
            kind = draw.choice(list(KINDS))
            server.misdeed = KINDS[kind](draw, way, elsewhere.url)
            server.asked.clear()
            report.kinds[kind] += 1
            await _ask(server, way, f"{kind} on {way}", report)
            if any(PROMPT.encode() in one for one in elsewhere.asked):
                report.violations.append(f"a prompt went to another host ({kind} on {way})")
            elsewhere.asked.clear()
    finally:
        server.misdeed = Misdeed(pieces=())
        for listener in listening:
            listener.close()
        await litellm_env.close_connections()
    return report


async def _ask(server: Server, way: str, said: str, report: TransportReport) -> None:
    answer, failure = None, None
    before, loop = _memory_now(), asyncio.get_running_loop()
    began = loop.time()
    try:
        with anyio.fail_after(server.misdeed.deadline_s):
            answer = await ask(server.url, way)
    except Exception as error:
        failure = translate(error, agent="it", model="m")
    if loop.time() - began > server.misdeed.deadline_s + _LATE_S:
        report.violations.append(f"the deadline was passed by more than {_LATE_S:.0f} s ({said})")
    grown = _most_memory() - before
    report.most_memory = max(report.most_memory, grown)
    report.answers += answer is not None
    if grown > _MOST_MEMORY:
        report.violations.append(f"a reply took {grown >> 20} MiB ({said})")
    if len(server.asked) > 1:
        report.violations.append(f"a prompt was sent {len(server.asked)} times ({said})")
    if answer is None and not isinstance(failure, AgentError):
        report.violations.append(f"it came to nothing of ours ({said}): {failure!r}")
    elif answer is None and server.misdeed.is_good:
        report.violations.append(f"a good answer was lost ({said}): {failure}")
    elif answer is not None and (server.misdeed.is_good is False or [one.text for one in answer.choices] != [TEXT]):
        report.violations.append(f"an answer was taken that is none ({said})")


def _memory_now() -> int:
    """Resident bytes of this process, from which the peak is counted anew."""
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    return _status("VmRSS:")


def _most_memory() -> int:
    return _status("VmHWM:")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))


# What a server may do.


def _head(status: str = "200 OK", *lines: str, length: int | None = None) -> bytes:
    told = [f"HTTP/1.1 {status}", "Content-Type: application/json", "Connection: close", *lines]
    if length is not None:
        told.append(f"Content-Length: {length}")
    return "\r\n".join(told).encode() + _END


def _good(way: str) -> bytes:
    return json.dumps(honest(way)).encode()


def _honest(draw: random.Random, way: str, elsewhere: str) -> Misdeed:
    return Misdeed(pieces=(_head(length=len(_good(way))), _good(way)), is_good=True)


def _too_long(draw: random.Random, way: str, elsewhere: str) -> Misdeed:
    status = draw.choice(["200 OK", "400 Bad", "500 Bad"])
    return Misdeed(pieces=(_head(status), b"{"), endless=_PIECE)


def _packed(draw: random.Random, way: str, elsewhere: str) -> Misdeed:
    """A gigabyte for each megabyte, or nothing at all: blocks of deflate that stand for themselves."""
    packer = zlib.compressobj(9, wbits=31)
    start = packer.compress(b"{") + packer.flush(zlib.Z_FULL_FLUSH)
    full = packer.compress(_PIECE) + packer.flush(zlib.Z_FULL_FLUSH)
    empty = b"\x00\x00\x00\xff\xff" * 200_000
    return Misdeed(pieces=(_head("200 OK", "Content-Encoding: gzip"), start), endless=draw.choice([full * 100, empty]))


def _wrongly_packed(draw: random.Random, way: str, elsewhere: str) -> Misdeed:
    encoding = draw.choice(["gzip", "deflate", "br", "zstd", "gzip, gzip", "compress", "x" * 5_000])
    return Misdeed(pieces=(_head("200 OK", f"Content-Encoding: {encoding}", length=len(_good(way))), _good(way)))


def _redirect(draw: random.Random, way: str, elsewhere: str) -> Misdeed:
    status = draw.choice(["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent", "300 Many"])
    return Misdeed(pieces=(_head(status, f"Location: {elsewhere}/v1/chat/completions", length=0),))


def _in_pieces(draw: random.Random, way: str, elsewhere: str) -> Misdeed:
    whole = _head(length=len(_good(way))) + _good(way)
    cuts = sorted(draw.sample(range(1, len(whole)), 8))
    pieces = tuple(whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True))
    return Misdeed(pieces=pieces, pause_s=draw.choice([0.0, 0.001]), is_good=True)


def _cut(draw: random.Random, way: str, elsewhere: str) -> Misdeed:
    whole = _head(length=len(_good(way))) + _good(way)
    return Misdeed(pieces=(whole[: draw.randrange(len(whole))],))


def _wrong_length(draw: random.Random, way: str, elsewhere: str) -> Misdeed:
    good = _good(way)
    longer, shorter = str(len(good) + draw.randint(1, 9)), str(draw.randrange(1, len(good)))
    length = draw.choice([longer, shorter, "-5", "many", "9" * 30])
    return Misdeed(pieces=(_head("200 OK", f"Content-Length: {length}"), good))


def _broken_chunks(draw: random.Random, way: str, elsewhere: str) -> Misdeed:
    sizes = [b"ZZ\r\n", b"-1\r\n", b"f" * 40 + b"\r\n", b"\r\n", b"5;" + b"x" * 100_000 + b"\r\n"]
    return Misdeed(pieces=(_head("200 OK", "Transfer-Encoding: chunked"), draw.choice(sizes), _good(way)))


def _huge_headers(draw: random.Random, way: str, elsewhere: str) -> Misdeed:
    one, many, name = ["X: " + "y" * (1 << 20)], [f"X-{n}: {'y' * 4_000}" for n in range(300)], ["y" * 200_000 + ": x"]
    head = _head("200 OK", *draw.choice([one, many, name]), length=len(_good(way)))
    return Misdeed(pieces=(head, _good(way)), is_good=None)


def _headers_without_end(draw: random.Random, way: str, elsewhere: str) -> Misdeed:
    line = draw.choice([b"X: y\r\n", b"y" * (1 << 10)])
    return Misdeed(pieces=(b"HTTP/1.1 200 OK\r\n",), endless=line * 100)


def _no_http(draw: random.Random, way: str, elsewhere: str) -> Misdeed:
    told = [b"", draw.randbytes(300), b"HTTP/9.9 200 OK\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 0 No\r\n\r\n"]
    told += [b"SSH-2.0-x\r\n", b"\r\n" * 50, b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"]
    return Misdeed(pieces=(draw.choice(told),))


def _error(draw: random.Random, way: str, elsewhere: str) -> Misdeed:
    status = draw.choice(
        ["400 Bad", "401 No", "404 No", "408 Late", "409 No", "429 Slow", "500 No", "503 No", "599 No"]
    )
    body = json.dumps({"error": {"message": draw.choice(["no", "[" * 3_000, "x" * (1 << 20)])}}).encode()
    waits = [[], ["Retry-After: 1e9"], ["Retry-After: -1"], ["Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"]]
    return Misdeed(pieces=(_head(status, *draw.choice(waits), length=len(body)), body))


def _no_answer(draw: random.Random, way: str, elsewhere: str) -> Misdeed:
    bodies = [b"", b"null", b"[]", b'"text"', b"7", b"<html>", b"\xff\xfe", b"[" * 9_000, b'{"choices": []}']
    bodies += [b'{"choices": null}', b'{"choices": [7]}', b'{"error": "no"}', b"[" + b"[]," * 600_000 + b"[]]"]
    body = draw.choice(bodies)
    return Misdeed(pieces=(_head(length=len(body)), body))


def _trickle(draw: random.Random, way: str, elsewhere: str) -> Misdeed:
    start = draw.choice([b"", b"HTTP/1.1 200 OK\r\nX: ", _head(), _head() + b"{"])
    return Misdeed(pieces=(start,), endless=b" ", pause_s=0.01, deadline_s=0.2)


def _broken_usage(draw: random.Random, way: str, elsewhere: str) -> Misdeed:
    wrong = ['"many"', "1e30", "1e999", "NaN", "-7", "2.5", "true", "[]", "{}", "[5]", "9" * 5_000, str(2**63)]
    counts = draw.choice([("?", 4), (9, "?"), ("?", "?")])
    body = json.dumps(honest(way, *counts)).replace('"?"', draw.choice(wrong)).encode()
    return Misdeed(pieces=(_head(length=len(body)), body), is_good=True)


KINDS: dict[str, Callable[[random.Random, str, str], Misdeed]] = {
    "honest": _honest,
    "in pieces": _in_pieces,
    "broken usage": _broken_usage,
    "without end": _too_long,
    "packed without end": _packed,
    "wrongly packed": _wrongly_packed,
    "redirects": _redirect,
    "cut": _cut,
    "of another length": _wrong_length,
    "broken chunks": _broken_chunks,
    "huge headers": _huge_headers,
    "headers without end": _headers_without_end,
    "no HTTP": _no_http,
    "errors": _error,
    "no answers": _no_answer,
    "trickles": _trickle,
}
"""By name: what a server may do on a way, with the address of the host that should hear nothing."""
