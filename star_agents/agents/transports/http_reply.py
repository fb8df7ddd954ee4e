"""One reply of HTTP/1.1, read from the bytes of its connection as they come (RFC 9112). Pure: no socket, no clock.

What is not plainly a reply is refused: where it could be read in two ways, the next one on the connection could be,
too. The body is bounded and unpacked as it comes in (``replies.body``), a redirect refused as soon as its head is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import aiohttp
from multidict import CIMultiDict

from star_agents.agents.replies.body import LARGEST, ReplyBody, refuse_redirect

LONGEST_HEAD: Final = 64 << 10
"""Bytes of a status line with all its headers; of the trailers behind a body likewise."""
_LONGEST_SIZE: Final = 1 << 10
"""Bytes of the line that says how long a chunk is, with its extensions."""
_STATUS = re.compile(r"HTTP/1\.([01]) ([1-5]\d\d)(?: .*)?")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_DIGITS = re.compile(r"[0-9]{1,18}")
_HEX = re.compile(rb"[0-9A-Fa-f]{1,15}")


class NotHttp(ValueError):
    """What came is no reply of HTTP/1.1; says why."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the reply is no HTTP: {why}")


class HttpReplyReader:
    """Takes the bytes of one reply; ``is_whole`` once it is there.

    Args:
        largest: Bytes of its body beyond which it is refused.
    """

    def __init__(self, largest: int = LARGEST) -> None:
        self._largest = largest
        self._left = bytearray()
        """What came and is not read yet."""
        self._searched = 0
        """Bytes of it in which the end of the head was looked for."""
        self._body: ReplyBody | None = None
        self._read: Callable[[HttpReplyReader], bool] = HttpReplyReader._read_head
        """Reads the next part; False where it has to wait for more. A function and no method of this very reply: one
        that refers to itself would stay in memory until the collector of cycles comes by."""
        self._missing = 0
        """Bytes of the body, or of its chunk, that are to come."""
        self._trailing = 0
        self._has_begun = False
        self._keeps_alive = False
        self.status = 0
        self.headers: CIMultiDict[str] = CIMultiDict()
        self.is_whole = False

    @property
    def leaves_connection(self) -> bool:
        """Whether another request may follow on the connection: the server keeps it, and nothing came behind."""
        return self.is_whole and self._keeps_alive and not self._left

    def body(self) -> bytes:
        """Unpacked. RefusedReply where it ends in the middle of what is packed."""
        return b"" if self._body is None else self._body.end()

    def feed(self, data: bytes) -> None:
        """Take what came.

        Raises:
            NotHttp: It is no reply.
            HttpFailure: It points elsewhere.
            RefusedReply: It passes a limit, or is packed in a way that nobody asked for.
        """
        self._has_begun = True
        self._left += data
        while not self.is_whole and self._read(self):
            pass

    def end(self) -> None:
        """The connection has ended, which is the end of a body without a length.

        Raises:
            aiohttp.ServerDisconnectedError: Nothing came.
            aiohttp.ClientPayloadError: It ends before it is whole.
        """
        if self._read is HttpReplyReader._read_to_the_end:
            self.is_whole = True
        elif not self._has_begun:
            raise aiohttp.ServerDisconnectedError("the server hung up without a reply")
        elif not self.is_whole:
            raise aiohttp.ClientPayloadError("the connection ended before the reply did")

    def _read_head(self) -> bool:
        found = _END_OF_HEAD.search(self._left, self._searched)
        if (len(self._left) if found is None else found.end()) > LONGEST_HEAD:
            raise NotHttp(f"its head is longer than {LONGEST_HEAD:,} bytes")
        if found is None:
            self._searched = max(0, len(self._left) - 3)
            return False
        lines = self._left[: found.start()].decode("utf-8", "surrogateescape").lstrip("\r\n").split("\n")
        del self._left[: found.end()]
        self._searched = 0
        status = _STATUS.fullmatch(lines[0].rstrip("\r"))
        if status is None:
            raise NotHttp("it begins with no status line of HTTP/1.1")
        self.status, self.headers = int(status[2]), _headers(lines[1:])
        if self.status >= 200:
            refuse_redirect(self.status, self.headers)
            self._begin_body(is_of_1_1=status[1] == "1")
        elif self.status == 101:
            raise NotHttp("it goes over to another protocol, which nobody asked for")
        return True  # What is below 200 is said before the reply.

    def _begin_body(self, *, is_of_1_1: bool) -> None:
        """How long the body is, as RFC 9112 says in 6.3."""
        said = [word.strip().lower() for line in self.headers.getall("Connection", ()) for word in line.split(",")]
        self._keeps_alive = "close" not in said and (is_of_1_1 or "keep-alive" in said)
        codings = ",".join(self.headers.getall("Transfer-Encoding", ())).strip().lower()
        lengths = set(self.headers.getall("Content-Length", ()))
        self._body = ReplyBody(self.headers.get("Content-Encoding", ""), self._largest)
        if self.status in (204, 304):
            self.is_whole = True
        elif codings:
            if codings != "chunked" or lengths:
                raise NotHttp("its length is said in two ways" if lengths else f"it is coded as {codings[:40]!r}")
            self._read = HttpReplyReader._read_size
        elif lengths:
            length = lengths.pop().strip()
            if lengths or not _DIGITS.fullmatch(length):
                raise NotHttp("its length is no number")
            self._missing, self._read = int(length), HttpReplyReader._read_length
            self.is_whole = not self._missing
        else:
            self._read, self._keeps_alive = HttpReplyReader._read_to_the_end, False

    def _read_length(self) -> bool:
        self._take(self._missing)
        self.is_whole = not self._missing
        return False

    def _read_to_the_end(self) -> bool:
        self._missing = len(self._left)
        self._take(self._missing)
        return False

    def _take(self, most: int) -> None:
        piece = bytes(self._left[:most])
        del self._left[:most]
        self._missing -= len(piece)
        assert self._body is not None, "the head says how the body is packed"
        self._body.feed(piece)

    def _read_size(self) -> bool:
        line = self._line(_LONGEST_SIZE)
        if line is None:
            return False
        size = line.partition(b";")[0].strip()
        if not _HEX.fullmatch(size):
            raise NotHttp("a chunk of it has no length")
        self._missing = int(size, 16)
        self._read = HttpReplyReader._read_chunk if self._missing else HttpReplyReader._read_trailer
        return True

    def _read_chunk(self) -> bool:
        self._take(self._missing)
        if not self._missing:
            self._read = HttpReplyReader._read_end_of_chunk
        return bool(self._left)

    def _read_end_of_chunk(self) -> bool:
        line = self._line(_LONGEST_SIZE)
        if line:
            raise NotHttp("a chunk of it is longer than it says")
        self._read = HttpReplyReader._read_end_of_chunk if line is None else HttpReplyReader._read_size
        return line is not None

    def _read_trailer(self) -> bool:
        line = self._line(LONGEST_HEAD)
        if line is None:
            return False
        self._trailing += len(line)
        if self._trailing > LONGEST_HEAD:
            raise NotHttp(f"what follows its chunks is longer than {LONGEST_HEAD:,} bytes")
        self.is_whole = not line
        return True

    def _line(self, longest: int) -> bytes | None:
        """The next line, without its end; ``None`` where it is not there yet."""
        end = self._left.find(b"\n", 0, longest)
        if end < 0:
            if len(self._left) >= longest:
                raise NotHttp("a line of it does not end")
            return None
        line = bytes(self._left[:end])
        del self._left[: end + 1]
        return line.removesuffix(b"\r")


def _headers(lines: list[str]) -> CIMultiDict[str]:
    found: CIMultiDict[str] = CIMultiDict()
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name):
            raise NotHttp("a line of its head is no header")
        found.add(name, value.strip())
    return found
