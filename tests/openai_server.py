"""A local server that speaks OpenAI's protocol and Ollama's on real sockets, scripted by the test.

Inside a test::

    async with OpenAIServer(lambda body: Answer(text="4")) as server:
        ...  # server.url, server.requests, server.charged, server.peak

On its own, so that it outlives a killed client (every charged request is one JSON line in the book)::

    python tests/openai_server.py --port 0 --book charges.jsonl
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import inspect
import itertools
import json
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from aiohttp import web

Body = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A charged reply. Token counts default to the number of words."""

    text: str = ""
    finish_reason: str = "stop"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the message, such as ``reasoning_content``."""
    others: tuple[str, ...] = ()
    """Texts of the choices after the first; where there are fewer than ``n`` asks for, ``text`` again."""
    gives_n: bool = True
    """False: one choice, whatever ``n`` asks for."""
    usage: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the usage, such as ``prompt_tokens_details``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """An HTTP error in OpenAI's form; nothing is charged."""

    status: int = 500
    message: str = "the test server was told to fail"
    code: str | None = None
    retry_after: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Hang:
    """Say nothing until ``release`` is set or the client goes away; then the answer."""

    release: asyncio.Event
    then: Answer = Answer(text="late")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """Close the connection without a reply."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Garbage:
    """Status 200 and a body that is not what was asked for."""

    body: bytes = b"<html>upstream is tired</html>"
    content_type: str = "text/html"


@dataclass(frozen=True, kw_only=True, slots=True)
class Raw:
    """A reply byte for byte, such as one that was recorded; nothing is charged."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    says_length: bool = True
    """False: the body comes in chunks, without its length being told first."""


Move = Answer | Fault | Hang | Cut | Garbage | Raw
Handler = Callable[[Body], Move | Awaitable[Move]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What one request brought."""

    path: str
    body: Body
    authorization: str
    peer: int
    """The client's port, so one number for each connection."""


class OpenAIServer:
    """Serves OpenAI's chat, embeddings and models under ``/v1``, Ollama's chat and generate; records requests."""

    def __init__(
        self,
        handler: Handler | None = None,
        *,
        port: int = 0,
        book: Path | None = None,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self._host = host
        self.handler: Handler = handler or brain
        """May be replaced at any time."""
        self.requests: list[Request] = []
        """In order of arrival, the failed ones included."""
        self.charged: list[Body] = []
        """Bodies of the requests that were answered, which is what a provider bills."""
        self.sent_as_embedding = ""
        """JSON, and more than JSON, that stands for every vector instead of its numbers."""
        self.in_flight = 0
        self.peak = 0
        """Most requests in flight at once."""
        self._port = port
        self._book = book
        self._tls = tls
        self._changed = asyncio.Condition()
        self._ids = itertools.count()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """What goes into ``api_base``."""
        return f"{self.root}/v1"

    @property
    def root(self) -> str:
        """The same for Ollama, which has no ``/v1``."""
        return f"http{'s' if self._tls else ''}://{self._host}:{self._port}"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/api/chat", self._chat)
        app.router.add_post("/api/generate", self._chat)
        app.router.add_post("/v1/embeddings", self._embeddings)
        app.router.add_get("/v1/models", self._models)
        # Without handler_cancellation a client that hangs up would stay "in flight" until its handler ends by itself.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, ssl_context=self._tls)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def until(self, fact: Callable[[Self], bool], timeout: float = 60) -> None:
        """Wait for a fact, such as ``lambda s: s.in_flight == 0``; ``TimeoutError`` where it never comes."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: fact(self))

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await self._arrive(request)
        try:
            return await self._play(request, body)
        finally:
            await self._move(-1)

    async def _embeddings(self, request: web.Request) -> web.StreamResponse:
        body = await self._arrive(request)
        try:
            texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
            rows = [{"object": "embedding", "index": i, "embedding": vector(text)} for i, text in enumerate(texts)]
            tokens = sum(len(text.split()) for text in texts)
            self._charge(body)
            usage = {"prompt_tokens": tokens, "total_tokens": tokens}
            told = {"object": "list", "data": rows, "model": body["model"], "usage": usage}
            if not self.sent_as_embedding:
                return web.json_response(told)
            text = json.dumps({**told, "data": [{**row, "embedding": "?"} for row in rows]})
            return web.Response(text=text.replace('"?"', self.sent_as_embedding), content_type="application/json")
        finally:
            await self._move(-1)

    async def _models(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"object": "list", "data": [{"id": "test", "object": "model", "owned_by": "tests"}]})

    async def _arrive(self, request: web.Request) -> Body:
        body: Body = await request.json()
        peer = request.transport.get_extra_info("peername")[1] if request.transport else 0
        authorization = request.headers.get("Authorization", "")
        self.requests.append(Request(path=request.path, body=body, authorization=authorization, peer=peer))
        await self._move(+1)
        return body

    async def _move(self, step: int) -> None:
        self.in_flight += step
        self.peak = max(self.peak, self.in_flight)
        async with self._changed:
            self._changed.notify_all()

    async def _play(self, request: web.Request, body: Body) -> web.StreamResponse:
        move = self.handler(body)
        if inspect.isawaitable(move):
            move = await move
        if isinstance(move, Hang):
            await move.release.wait()
            move = move.then
        match move:
            case Fault():
                error = {"message": move.message, "type": "test", "param": None, "code": move.code}
                headers = {"Retry-After": move.retry_after} if move.retry_after is not None else {}
                return web.json_response({"error": error}, status=move.status, headers=headers)
            case Cut():
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            case Garbage():
                return web.Response(body=move.body, content_type=move.content_type)
            case Raw():
                return await self._raw(request, move)
        self._charge(body)
        tell = {"/api/chat": self._ollama, "/api/generate": self._generate}.get(request.path, self._completion)
        return web.json_response(tell(body, move))

    async def _raw(self, request: web.Request, move: Raw) -> web.StreamResponse:
        headers = {"Content-Type": move.content_type, **move.headers}
        if move.says_length:
            return web.Response(status=move.status, body=move.body, headers=headers)
        response = web.StreamResponse(status=move.status, headers=headers)
        await response.prepare(request)
        await response.write(move.body)
        await response.write_eof()
        return response

    def _charge(self, body: Body) -> None:
        self.charged.append(body)
        if self._book is not None:
            digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
            with self._book.open("a") as book:
                book.write(json.dumps({"sha256": digest, "model": body.get("model")}) + "\n")

    def _completion(self, body: Body, answer: Answer) -> dict[str, Any]:
        count = body.get("n", 1) if answer.gives_n else 1
        texts = [answer.text, *answer.others, *[answer.text] * count][:count]
        prompt, completion = _tokens(body, answer, texts)
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": text, **answer.extra},
                "finish_reason": answer.finish_reason,
            }
            for index, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        return {
            "id": f"chatcmpl-{next(self._ids)}",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": choices,
            "usage": {**usage, **answer.usage},
        }

    def _ollama(self, body: Body, answer: Answer) -> dict[str, Any]:
        prompt, completion = _tokens(body, answer, [answer.text])
        return {
            "model": body["model"],
            "created_at": "2026-01-01T00:00:00Z",
            "message": {"role": "assistant", "content": answer.text, **answer.extra},
            "done": True,
            "done_reason": answer.finish_reason,
            "prompt_eval_count": prompt,
            "eval_count": completion,
        }

    def _generate(self, body: Body, answer: Answer) -> dict[str, Any]:
        told = self._ollama({**body, "messages": [{"content": body["prompt"]}]}, answer)
        return {**told, "response": told.pop("message")["content"], **answer.extra}


def _tokens(body: Body, answer: Answer, texts: list[str]) -> tuple[int, int]:
    prompt, completion = answer.prompt_tokens, answer.completion_tokens
    if prompt is None:
        prompt = sum(len(str(message["content"]).split()) for message in body["messages"])
    if completion is None:
        completion = sum(len(text.split()) for text in texts)
    return prompt, completion


def brain(body: Body) -> Answer:
    """Answer any prompt of the product sensibly: the same body always gets the same answer."""
    prompt = "\n".join(str(message["content"]) for message in body["messages"])
    last = str(body["messages"][-1]["content"])
    if code := re.search(r'\{"code": "([^"]+)", "verdict": "A"\}', prompt):
        return Answer(text=_judgement(prompt, code[1]))
    if last.rstrip().endswith("[Final Verdict]:"):
        return Answer(text="Both were read with care.\n[A]")
    if rewrite := re.search(r"<instruction>\n(.*)\n</instruction>", last, re.DOTALL):
        return Answer(text=f"{rewrite[1]} Give your reasons.")
    model, mark = body.get("model", ""), hashlib.sha256(prompt.encode()).hexdigest()[:8]
    words = " ".join(last.split()[:24])
    return Answer(text=f"Model {model} was asked: {words}. Its answer, by way of reasoning, is {mark}.")


def _judgement(prompt: str, code: str) -> str:
    """Prefer the answer with the greater hash, so that exchanging the answers exchanges the verdict."""
    a, b = (
        hashlib.sha256(found[1].encode()).digest() if found else b""
        for found in (re.search(rf"<answer {name} {code}>\n(.*?)\n</answer", prompt, re.DOTALL) for name in "AB")
    )
    verdict = "tie" if a == b else "A" if a > b else "B"
    return f"The answers were weighed.\n{json.dumps({'code': code, 'verdict': verdict})}"


def vector(text: str) -> list[float]:
    """Eight numbers in [0, 1) that depend on the text alone."""
    return [byte / 256 for byte in hashlib.sha256(text.encode()).digest()[:8]]


async def _serve(port: int, book: Path | None) -> None:
    async with OpenAIServer(port=port, book=book) as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve until killed; the first line on stdout is the URL."""
    parser = argparse.ArgumentParser(description="OpenAI-compatible test server")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--book", type=Path, help="file that gets one JSON line for each charged request")
    options = parser.parse_args()
    asyncio.run(_serve(options.port, options.book))


if __name__ == "__main__":
    main()
