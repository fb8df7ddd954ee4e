"""Answers: plain data as JSON, and every error as a problem document (RFC 9457)."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from aiohttp import web

from star_agents.errors import SeedFileError, StoreError, UsageError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PROBLEMS_SHOWN = 100
_KEPT = ("Allow", "Retry-After", "WWW-Authenticate")
_DETAILS = {
    404: "there is nothing here; GET /v1/openapi.json lists what there is",
    405: "this method is not served here; the header Allow names those that are",
}
"""For what the router itself refuses."""
_BEGUN: web.RequestKey[bool] = web.RequestKey("answer begun", bool)
_log = logging.getLogger("star_agents.web")


def to_json(data: Any) -> bytes:
    """Plain data, or the values of dataclasses, as JSON on one line."""
    try:
        return orjson.dumps(data)
    except TypeError:  # half a surrogate pair in what a provider or a client said
        return json.dumps(data, separators=(",", ":"), default=vars).encode()


def answer(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Plain data as a JSON answer."""
    return web.Response(body=to_json(data), status=status, headers=headers, content_type="application/json")


def problem(
    status: int, title: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
) -> web.Response:
    """A problem document; ``more`` are members of its own."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return web.Response(body=to_json(body), status=status, headers=headers, content_type="application/problem+json")


@web.middleware
async def problem_details(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what a handler raises into a problem document; outside of every other check.

    An answer that has begun cannot become another: then the connection is cut, and nobody takes half for the whole.
    """
    try:
        return await handler(request)
    except ConnectionError:
        raise  # The client went.
    except Exception as error:
        if request.get(_BEGUN):
            _log.exception("an answer broke off: %s %s", request.method, request.path)
            raise ConnectionAbortedError("an answer broke off") from error
        return _told(error, request)


async def note_begin(request: web.Request, _: web.StreamResponse) -> None:
    """Remember that an answer has begun; a signal handler."""
    request[_BEGUN] = True


def _told(error: Exception, request: web.Request) -> web.Response:
    match error:
        case SeedFileError():
            problems = error.problems[:PROBLEMS_SHOWN]
            detail = f"{len(error.problems)} problem(s); no seed was taken in"
            return problem(400, "bad seeds", detail, problems=problems)
        case StoreError():
            return problem(503, "store unavailable", str(error))
        case UsageError():
            return problem(400, "bad request", str(error))
        case web.HTTPException():
            kept = {name: error.headers[name] for name in _KEPT if name in error.headers}
            is_plain = error.text == f"{error.status}: {error.reason}"
            detail = _DETAILS.get(error.status, "") if is_plain else error.text or ""
            return problem(error.status, error.reason, detail, kept)
        case _:
            _log.error("a request failed: %s %s", request.method, request.path, exc_info=error)
            return problem(500, "internal error", "a fault in star_agents; its log says more")
