"""A provider to measure against: OpenAI's chat protocol, and Anthropic's, on plain asyncio; one file, no dependency.

    python tools/bench/fake_provider.py --port 0        # the first line on stdout is the port

Every path that ends in ``/chat/completions`` is a chat endpoint, so ``/a/v1`` and ``/b/v1`` can stand for two servers;
one that ends in ``/messages`` gets the same answers in Anthropic's form, one to a request, and faults in OpenAI's.
The same path and body always get the same text; two paths get different ones. A prompt of our referee is answered with
its own code and the verdict A. ``n`` is honoured.

``POST /admin/reset`` with ``Settings`` as JSON starts a new count under new settings; ``GET /admin/stats`` gives the
count. Times are seconds of the monotonic clock, which all processes of a Linux machine share.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import socket
import ssl
import struct
import time
import zlib
from dataclasses import asdict, dataclass, field
from typing import Any

FAULTS = ("429", "500", "503", "reset", "stall", "cut", "garbage", "refusal")
CHAT = b"/chat/completions"
MESSAGES = b"/messages"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
MODEL = re.compile(rb'(?<!\\)"model"\s*:\s*"([^"]*)"')
CHOICES = re.compile(rb'(?<!\\)"n"\s*:\s*(\d+)')
CODE = re.compile(rb'\{\\"code\\": \\"([0-9a-f]+)\\", \\"verdict\\": \\"A\\"\}')
WORDS = b" because a measured answer is to be about as long as an answer is, it goes on in this manner for a while," * 6
REASONS = {200: b"OK", 400: b"Bad Request", 404: b"Not Found", 411: b"Length Required", 429: b"Too Many Requests"}
CHARACTERS_PER_TOKEN = 4


@dataclass(kw_only=True)
class Settings:
    """How the provider behaves until the next reset."""

    latency_s: float = 0.0
    faults: dict[str, float] = field(default_factory=dict)
    """Share of the requests that get each of ``FAULTS``, drawn at random."""
    retry_after_s: float | None = None
    """Goes with every 429."""
    capacity: int | None = None
    """More than this at once are 429, as with a provider that really has a limit."""
    hang: int = 0
    """Number of the one request, counted from 1, that is never answered."""
    seed: int = 0


@dataclass(kw_only=True)
class Stats:
    """What happened since the last reset."""

    arrived: int = 0
    answered: int = 0
    """With a whole completion, or one that was cut."""
    choices: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    hung_up: int = 0
    """Clients that went away before their answer."""
    in_flight: int = 0
    in_flight_peak: int = 0
    connections: int = 0
    """Open now; the one that asks is among them."""
    connections_peak: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    """Of answered requests, which is what a provider bills."""
    first_arrival: float | None = None
    last_answer: float | None = None


class Provider:
    """Settings, count and dice, shared by all connections."""

    def __init__(self) -> None:
        self.open = 0
        self.reset(Settings())

    def reset(self, settings: Settings) -> None:
        """Count anew; requests in flight are forgotten."""
        unknown = settings.faults.keys() - set(FAULTS)
        if unknown:
            raise ValueError(f"unknown faults {sorted(unknown)}; there are {FAULTS}")
        self.settings = settings
        self.stats = Stats(connections=self.open, connections_peak=self.open)
        self._random = random.Random(settings.seed)

    def arrive(self) -> str:
        """Count a request; returns the fault that it gets, or nothing."""
        stats = self.stats
        stats.arrived += 1
        stats.in_flight += 1
        stats.in_flight_peak = max(stats.in_flight_peak, stats.in_flight)
        if stats.first_arrival is None:
            stats.first_arrival = time.monotonic()
        fault = self._draw(stats.arrived)
        if fault:
            stats.faults[fault] = stats.faults.get(fault, 0) + 1
        return fault

    def _draw(self, number: int) -> str:
        if number == self.settings.hang:
            return "stall"
        if self.settings.capacity is not None and self.stats.in_flight > self.settings.capacity:
            return "429"
        if self.settings.faults:
            point = self._random.random()
            for fault, share in self.settings.faults.items():
                point -= share
                if point < 0:
                    return fault
        return ""

    def answer(self, path: bytes, body: bytes) -> bytes:
        """The JSON of a completion."""
        stats = self.stats
        model, wanted, code = MODEL.search(body), CHOICES.search(body), CODE.search(body)
        if path.endswith(MESSAGES):
            return self._message(path, body, model[1] if model else b"", code)
        number = int(wanted[1]) if wanted else 1
        mark = zlib.crc32(body, zlib.crc32(path))
        choices = b",".join(
            b'{"index":%d,"message":{"role":"assistant","content":"%b"},"finish_reason":"stop"}'
            % (index, _judgement(code[1]) if code else b"Answer %08x.%d:%b" % (mark, index, WORDS))
            for index in range(number)
        )
        prompt, completion = len(body) // CHARACTERS_PER_TOKEN, len(choices) // CHARACTERS_PER_TOKEN
        stats.answered += 1
        stats.choices += number
        stats.prompt_tokens += prompt
        stats.completion_tokens += completion
        stats.last_answer = time.monotonic()
        return (
            b'{"id":"chatcmpl-%d","object":"chat.completion","created":1,"model":"%b","choices":[%b],'
            b'"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}'
            % (stats.answered, model[1] if model else b"", choices, prompt, completion, prompt + completion)
        )

    def _message(self, path: bytes, body: bytes, model: bytes, code: re.Match[bytes] | None) -> bytes:
        """The same in Anthropic's form."""
        stats, mark = self.stats, zlib.crc32(body, zlib.crc32(path))
        text = _judgement(code[1]) if code else b"Answer %08x.0:%b" % (mark, WORDS)
        prompt, completion = len(body) // CHARACTERS_PER_TOKEN, len(text) // CHARACTERS_PER_TOKEN
        stats.answered += 1
        stats.choices += 1
        stats.prompt_tokens += prompt
        stats.completion_tokens += completion
        stats.last_answer = time.monotonic()
        return (
            b'{"id":"msg_%d","type":"message","role":"assistant","model":"%b","stop_reason":"end_turn",'
            b'"stop_sequence":null,"content":[{"type":"text","text":"%b"}],'
            b'"usage":{"input_tokens":%d,"output_tokens":%d}}' % (stats.answered, model, text, prompt, completion)
        )


class Connection(asyncio.Protocol):
    """One kept-alive HTTP/1.1 connection; a request is read when the one before it has its reply."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._stats = provider.stats
        self._buffer = b""
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._provider.open += 1
        stats = self._provider.stats
        stats.connections = self._provider.open
        stats.connections_peak = max(stats.connections_peak, stats.connections)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the request in flight, where there is one."""
        self._provider.open -= 1
        self._provider.stats.connections = self._provider.open
        if self._busy:
            self._end()
            self._stats.hung_up += 1
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Collect a request."""
        self._buffer += data
        if not self._busy:
            self._next()

    def _next(self) -> None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end]
        length = LENGTH.search(head)
        whole = end + 4 + (int(length[1]) if length else 0)
        if len(self._buffer) < whole:
            return
        body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
        path = head.split(b" ", 2)[1]
        if path.endswith((CHAT, MESSAGES)):
            self._chat(path, body) if length else self._send(411, b"{}")
        elif path == b"/admin/stats":
            self._send(200, json.dumps(asdict(self._provider.stats)).encode())
        elif path == b"/admin/reset":
            self._provider.reset(Settings(**json.loads(body)))
            self._send(200, b"{}")
        elif path.endswith(b"/models"):
            self._send(200, b'{"object":"list","data":[{"id":"gpt-4o-mini","object":"model","owned_by":"bench"}]}')
        else:
            self._send(404, b"{}")

    def _chat(self, path: bytes, body: bytes) -> None:
        self._busy = True
        self._stats = self._provider.stats
        fault = self._provider.arrive()
        settings = self._provider.settings
        # A rejection costs a provider nothing, so it comes at once.
        latency = 0.0 if fault == "429" else settings.latency_s
        if fault == "stall":
            return
        if latency:
            self._timer = asyncio.get_running_loop().call_later(latency, self._reply, fault, path, body)
        else:
            self._reply(fault, path, body)

    def _reply(self, fault: str, path: bytes, body: bytes) -> None:
        self._timer = None
        self._end()
        match fault:
            case "":
                self._send(200, self._provider.answer(path, body))
            case "429":
                after = self._provider.settings.retry_after_s
                header = b"" if after is None else b"Retry-After: %g\r\n" % after
                self._send(429, _error("Rate limit reached", "rate_limit_exceeded"), header)
            case "refusal":
                self._send(400, _error("The response was filtered by the content policy", "content_filter"))
            case "500" | "503":
                self._send(int(fault), _error("The server is tired", "server_error"))
            case "garbage":
                self._send(200, b"<html>upstream is tired</html>", kind=b"text/html")
            case "cut":
                whole = _http(200, self._provider.answer(path, body), b"", b"application/json")
                self._transport.write(whole[: len(whole) // 2])
                self._transport.close()
            case "reset":
                sock = self._transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self._transport.abort()
        if self._buffer:
            self._next()

    def _end(self) -> None:
        self._busy = False
        self._stats.in_flight -= 1

    def _send(self, status: int, body: bytes, headers: bytes = b"", kind: bytes = b"application/json") -> None:
        self._transport.write(_http(status, body, headers, kind))


def _http(status: int, body: bytes, headers: bytes, kind: bytes) -> bytes:
    reason = REASONS.get(status, b"Server Error")
    return b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b\r\n%b" % (
        status,
        reason,
        kind,
        len(body),
        headers,
        body,
    )


def _error(message: str, code: str) -> bytes:
    error: dict[str, Any] = {"message": message, "type": code, "param": None, "code": code}
    return json.dumps({"error": error}).encode()


def _judgement(code: bytes) -> bytes:
    return b'Both answers were weighed.\\n{\\"code\\": \\"%b\\", \\"verdict\\": \\"A\\"}' % code


async def serve(port: int, tls: ssl.SSLContext | None = None) -> None:
    """Serve on loopback until killed."""
    provider = Provider()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(provider), "127.0.0.1", port, backlog=4096, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", help="file with a certificate and its key: serve https")
    given = parser.parse_args()
    tls = None
    if given.tls:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(given.tls)
    asyncio.run(serve(given.port, tls))


if __name__ == "__main__":
    main()
