"""A reply's body as it comes in, whichever way it was sent: counted, unpacked and measured, and never held beyond that.

What a provider sends is not trusted to be as long as it says, as short as it is packed, or as cheap to read as it is
long: a megabyte of gzip may hold a gigabyte, and sixteen of ``[]`` a gigabyte of objects. A redirect is refused here
too: it would carry prompts and keys to whatever host it names.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Final

import anyio.to_thread

from star_agents.agents.http_failure import HttpFailure
from star_agents.limits.json_structure import SMALL_BYTES, JsonBounds, TooMuchJson, measure
from star_agents.text.redaction import redactor

LARGEST: Final = 32 << 20
"""Bytes of a reply, packed and unpacked: 16 answers of half a million tokens each."""
BOUNDS: Final = JsonBounds(depth=128, containers=500_000, keys=1_000_000, elements=4_000_000)
"""Of a reply. The most that honest ones have: lists and objects with log probabilities, elements with embeddings."""
ENCODINGS: Final = "gzip, deflate"
"""What is asked for, as ``Accept-Encoding``: what can be unpacked in bounds with Python alone."""
_READ_OF_A_PLACE: Final = 8_000
_PIECE: Final = 1 << 20


_refusals: ContextVar[list[Exception] | None] = ContextVar("refusals", default=None)


class RefusedReply(ValueError):
    """A reply that is not taken in: it is too long, too much to read, or packed in a way nobody asked for."""


class ReplyBody:
    """Takes a body piece by piece.

    Args:
        encoding: Of the ``Content-Encoding`` header.
        largest: Bytes, packed and unpacked.
    """

    def __init__(self, encoding: str, largest: int) -> None:
        self._largest = largest
        self._packed = 0
        self._body = bytearray()
        self._encoding = encoding.strip().lower()
        if self._encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise RefusedReply(f"the reply is packed as {encoding[:80]!r}, and {ENCODINGS} is what was asked for")
        self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32) if self._encoding not in ("", "identity") else None

    def feed(self, piece: bytes) -> None:
        """Take the next piece.

        Raises:
            RefusedReply: The body is longer than it may be, or not packed as it says.
        """
        self._packed += len(piece)
        if self._packed > self._largest:
            raise self._too_long()
        if self._unpacker is None:
            self._body += piece
        else:
            self._unpack(piece)

    def end(self) -> bytes:
        """The whole body, unpacked.

        Raises:
            RefusedReply: It ends in the middle of what is packed.
        """
        if self._unpacker is not None and self._packed and not self._unpacker.eof:
            raise RefusedReply("the reply ends before what is packed in it does")
        return bytes(self._body)

    def _unpack(self, piece: bytes) -> None:
        assert self._unpacker is not None
        try:
            while piece and not self._unpacker.eof:
                # One byte more than fits is enough to know.
                room = min(_PIECE, self._largest - len(self._body) + 1)
                self._body += self._unpacker.decompress(piece, room)
                piece = self._unpacker.unconsumed_tail
                if len(self._body) > self._largest:
                    raise self._too_long()
        except zlib.error as error:
            if not self._is_raw_deflate():
                raise RefusedReply(f"the reply is not packed as it says: {error}") from None
            self._unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
            self._unpack(piece)

    def _is_raw_deflate(self) -> bool:
        """Whether this may be deflate without the header that HTTP asks for; some servers leave it out."""
        is_first = not self._body and self._encoding == "deflate"
        self._encoding = ""
        return is_first

    def _too_long(self) -> RefusedReply:
        return RefusedReply(f"the reply is longer than {self._largest} bytes")


def refuse_redirect(status: int, headers: Mapping[str, str]) -> None:
    """Raise HttpFailure where a reply points elsewhere: neither prompts nor keys follow it."""
    if 300 <= status < 400:
        place = redactor.known((headers.get("Location") or "nowhere")[:_READ_OF_A_PLACE])
        raise HttpFailure(status, f"it redirects to {place[:500]}", headers)


async def read_reply(pieces: AsyncIterable[bytes], headers: Mapping[str, str], largest: int = LARGEST) -> bytes:
    """The body that comes in pieces, unpacked, whose structure may be parsed without harm.

    Raises:
        RefusedReply: It passes a limit, or cannot be unpacked.
    """
    body = ReplyBody(headers.get("Content-Encoding", ""), largest)
    async for piece in pieces:
        body.feed(piece)
    whole = body.end()
    if len(whole) <= SMALL_BYTES:
        check_structure(whole)
    else:
        await anyio.to_thread.run_sync(check_structure, whole)
    return whole


def read_reply_sync(pieces: Iterable[bytes], headers: Mapping[str, str], largest: int = LARGEST) -> bytes:
    """``read_reply`` for a thread of its own."""
    body = ReplyBody(headers.get("Content-Encoding", ""), largest)
    for piece in pieces:
        body.feed(piece)
    whole = body.end()
    check_structure(whole)
    return whole


def check_structure(body: bytes) -> None:
    """Raise RefusedReply where reading the body as JSON would cost more than it may."""
    try:
        measure(body, BOUNDS)
    except TooMuchJson as error:
        raise RefusedReply(f"the reply is too much to read: {error}") from None


@contextlib.contextmanager
def telling_refusals() -> Iterator[None]:
    """Raise what was refused within instead of what the libraries between here and there made of it.

    The OpenAI SDK says "Connection error." of whatever a transport raises.
    """
    refused: list[Exception] = []
    token = _refusals.set(refused)
    try:
        yield
    except Exception:
        if not refused:
            raise
    else:
        return
    finally:
        _refusals.reset(token)
    raise refused[-1]


def note_refusal(refusal: Exception) -> None:
    """Tell the ``telling_refusals`` around this, if there is one, in whichever task or thread it stands."""
    refused = _refusals.get()
    if refused is not None:
        refused.append(refusal)
