"""LiteLLM's HTTP, held to the limits of our own way: size packed and unpacked, structure, no redirect.

LiteLLM 1.106 has no limit and follows redirects with what was posted. It gives each of its async clients (the OpenAI
SDK's, Azure's, and ``AsyncHTTPHandler``, which every other provider goes through) a transport from one place,
``AsyncHTTPHandler.create_async_transport``; its sync ones take ``litellm.sync_transport``. Guards stand in both
places. They read the body themselves, so that what LiteLLM sees is whole, unpacked and measured. A suite of misbehaving
servers runs against every way, so a release that gets its transports elsewhere fails it.

A guard's refusal is wrapped by whatever lies between here and the caller, beyond recognition in part; so it is also
noted (``reply_body.telling_refusals``).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterable, Iterable
from functools import cached_property
from types import ModuleType
from typing import Any

import anyio.to_thread
import httpx

from star_agents.agents.http_failure import LONGEST_ERROR, HttpFailure
from star_agents.agents.replies import for_litellm
from star_agents.agents.replies.body import (
    ENCODINGS,
    RefusedReply,
    note_refusal,
    read_reply,
    read_reply_sync,
    refuse_redirect,
)
from star_agents.agents.replies.reading import error_in
from star_agents.agents.transports import litellm_capture
from star_agents.agents.transports.http import trusted
from star_agents.agents.transports.json_body import decode, encode
from star_agents.limits.json_structure import SMALL_BYTES


def install(litellm: ModuleType) -> None:
    """Put the guards where LiteLLM gets its transports; twice is once."""
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler  # noqa: PLC0415  loads LiteLLM
    from litellm.llms.huggingface import common_utils as huggingface  # noqa: PLC0415
    from litellm.llms.ollama import common_utils as ollama  # noqa: PLC0415
    from openai._models import FinalRequestOptions  # noqa: PLC0415  loads the SDK

    if isinstance(getattr(litellm, "sync_transport", None), SyncGuard):
        return

    def create(ssl_context: Any = None, ssl_verify: Any = None, shared_session: Any = None) -> Guard:
        # Always aiohttp's, which reads proxies from the environment itself; httpx's would leave that to its client.
        inner = AsyncHTTPHandler.create_aiohttp_transport(
            ssl_context=ssl_context, ssl_verify=ssl_verify, shared_session=shared_session
        )
        return Guard(inner)

    for name in ("create_async_transport", "_create_async_transport"):
        setattr(AsyncHTTPHandler, name, staticmethod(create))
    # LiteLLM hands `max_retries` on for some providers alone; for the others the SDK would send, and have paid, thrice.
    setattr(FinalRequestOptions, "get_max_retries", lambda self, max_retries: 0)  # noqa: B010  not ours to declare
    guard = SyncGuard()
    setattr(litellm, "sync_transport", guard)  # noqa: B010  LiteLLM reads it and declares it nowhere
    # These two ask by `httpx.get`: which models an Ollama has, and which servers have a model of Hugging Face.
    for module in (huggingface, ollama):
        setattr(module, "httpx", _guarded_httpx(guard))  # noqa: B010


def _guarded_httpx(guard: SyncGuard) -> ModuleType:
    """The module ``httpx`` with a ``get`` that goes through the guard."""
    guarded = ModuleType("httpx")
    vars(guarded).update(vars(httpx))

    def get(url: str, **options: Any) -> httpx.Response:
        with httpx.Client(transport=guard) as client:
            return client.get(url, **options)

    setattr(guarded, "get", get)  # noqa: B010
    return guarded


class Guard(httpx.AsyncBaseTransport):
    """Reads replies in bounds for LiteLLM's async clients.

    Args:
        inner: Sends.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send, and read the whole reply; raises HttpFailure for a redirect and RefusedReply beyond a limit."""
        _refuse_while_capturing(request)
        _prepare(request)
        response = await self._inner.handle_async_request(request)
        try:
            refuse_redirect(response.status_code, response.headers)
            assert isinstance(response.stream, AsyncIterable)
            body = await read_reply(response.stream, response.headers)
            if len(body) <= SMALL_BYTES:
                body = _readable(request, response, body)
            else:
                body = await anyio.to_thread.run_sync(_readable, request, response, body)
        except (HttpFailure, RefusedReply) as refusal:
            note_refusal(refusal)
            raise
        finally:
            await response.aclose()
        return _whole(response, body)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


class SyncGuard(httpx.BaseTransport):
    """Reads replies in bounds for LiteLLM's sync clients, in threads alone.

    On a running event loop it refuses to send: for a model that it does not know, LiteLLM asks Ollama's ``/api/show``
    right there, and a server that keeps it waiting holds up every call and page. LiteLLM does without the answer.
    """

    @cached_property
    def _inner(self) -> httpx.Client:
        # A client, since a bare transport knows no proxy of the environment.
        return httpx.Client(follow_redirects=False, verify=trusted(os.environ))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send, and read the whole reply; raises as ``Guard`` does, and ConnectError on an event loop."""
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop()
            raise httpx.ConnectError("a request that would hold up the event loop is not sent", request=request)
        _refuse_while_capturing(request)
        _prepare(request)
        response = self._inner.send(request, stream=True, follow_redirects=False)
        try:
            refuse_redirect(response.status_code, response.headers)
            assert isinstance(response.stream, Iterable)
            body = _readable(request, response, read_reply_sync(response.stream, response.headers))
        except (HttpFailure, RefusedReply) as refusal:
            note_refusal(refusal)
            raise
        finally:
            response.close()
        return _whole(response, body)

    def close(self) -> None:
        """Nothing: every sync client of LiteLLM shares this one, and closes it at its own end."""


def _refuse_while_capturing(request: httpx.Request) -> None:
    """Only how LiteLLM would send is wanted; what it fetches for that (tokens) makes the call one for LiteLLM whole."""
    if litellm_capture.is_capturing():
        raise httpx.ConnectError("nothing is sent while a call is only translated", request=request)


def _prepare(request: httpx.Request) -> None:
    """As it is to go out.

    User and password of the address are in ``Authorization`` by now, and aiohttp refuses to send both.
    """
    for_litellm.forget()
    request.headers["Accept-Encoding"] = ENCODINGS
    request.url = request.url.copy_with(username=None, password=None)


def _readable(request: httpx.Request, response: httpx.Response, body: bytes) -> bytes:
    """A body that LiteLLM reads right, and loses no time on.

    It takes some errors with status 200, and what is no reply at all, for empty answers (``ollama/``), raises over
    counts that cannot be, and searches what an error says for secrets with patterns that take ten seconds for a
    megabyte.

    Raises:
        HttpFailure: The reply is an error, though its status is none.
        RefusedReply: It is long, and no JSON object, or not what Ollama replies.
    """
    if response.status_code >= 400:
        return body[:LONGEST_ERROR]
    try:
        read = decode(body)
    except ValueError as error:
        if len(body) <= LONGEST_ERROR:
            return body
        raise RefusedReply(f"the reply is no JSON: {error}") from None
    if not isinstance(read, dict):
        if len(body) <= LONGEST_ERROR:
            return body
        raise RefusedReply(f"the reply is no object but {type(read).__name__}")
    if (failure := error_in(read, response.headers)) is not None:
        raise failure
    if request.url.path.endswith("/api/generate") and "response" not in read:
        raise RefusedReply("the reply has no `response`")
    mended = for_litellm.note(read, body)
    return body if mended is None else encode(mended)


def _whole(response: httpx.Response, body: bytes) -> httpx.Response:
    """The reply with its body unpacked; what the headers say of the body as it came no longer holds."""
    told = ("content-encoding", "content-length", "transfer-encoding")
    headers = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in told]
    return httpx.Response(response.status_code, headers=headers, content=body, extensions=response.extensions)
