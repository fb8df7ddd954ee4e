"""One reply of HTTP/1.1 from the bytes of its connection: where it ends, what is no reply, and what may follow it."""

from __future__ import annotations

import gc
import weakref

import aiohttp
import pytest

from star_agents.agents.http_failure import HttpFailure
from star_agents.agents.replies.body import RefusedReply
from star_agents.agents.transports.http_reply import LONGEST_HEAD, HttpReplyReader, NotHttp

WITH_A_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-length: 5\r\n\r\nhello"
IN_CHUNKS = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nhe\r\n3;name=value\r\nllo\r\n0\r\nTrailer: of it\r\n\r\n"
)
WHOLE = {
    "with a length": (WITH_A_LENGTH, b"hello", True),
    "in chunks": (IN_CHUNKS, b"hello", True),
    "in upper-case chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\nA\r\nhello you.\r\n0\r\n\r\n",
        b"hello you.",
        True,
    ),
    "after what was said before": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 \r\nLink: a\r\n\r\n" + WITH_A_LENGTH,
        b"hello",
        True,
    ),
    "behind an empty line": (b"\r\n" + WITH_A_LENGTH, b"hello", True),
    "without a body": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "of no length": (b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n", b"", True),
    "without a reason": (b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
    "with lines that end alike": (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", b"hello", True),
    "one length said twice": (WITH_A_LENGTH.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n"), b"hello", True),
    "of a server that hangs up": (
        WITH_A_LENGTH.replace(b"\r\n\r\n", b"\r\nConnection: Keep-Alive, Close\r\n\r\n"),
        b"hello",
        False,
    ),
    "of HTTP/1.0": (WITH_A_LENGTH.replace(b"1.1", b"1.0"), b"hello", False),
    "of HTTP/1.0 that stays": (
        WITH_A_LENGTH.replace(b"1.1", b"1.0").replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n"),
        b"hello",
        True,
    ),
}


@pytest.mark.parametrize("is_in_pieces", [False, True])
@pytest.mark.parametrize("kind", WHOLE)
def test_a_reply_ends_where_it_says_however_it_comes_in_and_leaves_the_connection_or_does_not(
    kind: str, is_in_pieces: bool
) -> None:
    sent, body, stays = WHOLE[kind]
    reader = HttpReplyReader()
    for at in range(len(sent)) if is_in_pieces else (0,):
        assert not reader.is_whole
        reader.feed(sent[at : at + 1] if is_in_pieces else sent)
    assert (reader.is_whole, reader.body(), reader.leaves_connection) == (True, body, stays)


def test_headers_are_found_without_regard_to_case_and_keep_what_they_say() -> None:
    reader = HttpReplyReader()
    reader.feed("HTTP/1.1 429 Slow\r\nRetry-After:  7 \r\nX-Name: Zoë\r\nContent-Length: 0\r\n\r\n".encode())
    assert (reader.status, reader.headers["retry-after"], reader.headers["x-name"]) == (429, "7", "Zoë")


def test_a_body_without_a_length_ends_with_its_connection_and_leaves_none() -> None:
    reader = HttpReplyReader()
    reader.feed(b"HTTP/1.1 200 OK\r\n\r\nhel")
    reader.feed(b"lo")
    assert not reader.is_whole
    reader.end()
    assert (reader.is_whole, reader.body(), reader.leaves_connection) == (True, b"hello", False)


@pytest.mark.parametrize("sent", [WITH_A_LENGTH, IN_CHUNKS])
def test_what_comes_behind_a_reply_is_no_part_of_it_and_leaves_no_connection(sent: bytes) -> None:
    reader = HttpReplyReader()
    reader.feed(sent + b"HTTP/1.1 200 OK\r\n")
    assert (reader.is_whole, reader.body(), reader.leaves_connection) == (True, b"hello", False)


@pytest.mark.parametrize("sent", [WITH_A_LENGTH, IN_CHUNKS])
def test_a_connection_that_ends_before_its_reply_is_cut_wherever_that_is(sent: bytes) -> None:
    silent = HttpReplyReader()
    with pytest.raises(aiohttp.ServerDisconnectedError):
        silent.end()
    for end in range(1, len(sent)):
        reader = HttpReplyReader()
        reader.feed(sent[:end])
        with pytest.raises(aiohttp.ClientPayloadError):
            reader.end()


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "no status line"),
        (b"HTTP/2 200 OK\r\n\r\n", "no status line"),
        (b"HTTP/1.1 999 Odd\r\n\r\n", "no status line"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "another protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "no number"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", "no number"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "no number"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: \xd9\xa5\r\n\r\n", "no number"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "two ways"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "coded as 'gzip, chunked'"),
        (b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n", "no header"),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n", "no header"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "no header"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "no length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "no length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n", "longer than it says"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 2000, "does not end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * LONGEST_HEAD, "behind|follows"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * LONGEST_HEAD, "head is longer"),
    ],
)
def test_what_is_not_plainly_a_reply_is_refused(sent: bytes, why: str) -> None:
    with pytest.raises(NotHttp, match=why):
        HttpReplyReader().feed(sent)


def test_a_redirect_is_refused_before_its_body_is_there() -> None:
    with pytest.raises(HttpFailure, match="it redirects to http://elsewhere/"):
        HttpReplyReader().feed(b"HTTP/1.1 307 Moved\r\nLocation: http://elsewhere/\r\nContent-Length: 5\r\n\r\n")


def test_a_body_longer_than_it_may_be_is_refused_while_it_comes_in() -> None:
    reader = HttpReplyReader(largest=10)
    reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789")
    with pytest.raises(RefusedReply, match="longer than 10 bytes"):
        reader.feed(b"0")


def test_a_reply_that_is_let_go_leaves_memory_at_once() -> None:
    gc.disable()
    try:
        for sent in (WITH_A_LENGTH, IN_CHUNKS):
            reader = HttpReplyReader()
            reader.feed(sent)
            gone = weakref.ref(reader)
            del reader
            assert gone() is None
    finally:
        gc.enable()
