"""Routes, and the server that carries them.

`POST /v1/seeds` takes one row, a list of rows, ``{"seeds": [...]}`` or JSON lines, in any seed format; all or nothing.
With an `Idempotency-Key` header the same request may be sent again after a lost answer: it gets the recorded one. While
the daemon drains, the answer is 503 with `Retry-After`. `GET /v1/status` tells what is going on; `GET /v1/quarantine`
lists the seeds that were set aside, `POST /v1/quarantine/release` queues them again. `/livez` answers while the loop
turns, `/readyz` names each condition. Errors are problem details (RFC 9457).
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import json
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from aiohttp import web

from star_agents.errors import SeedFileError, StoreError, UsageError
from star_agents.web.guard import guard, is_loopback

MAX_BODY_BYTES = 64 << 20
PROBLEMS_SHOWN = 100
LONGEST_KEY = 200
QUARANTINED_SHOWN = 1000
_LINES = ("application/x-ndjson", "application/jsonl")


class Backend(Protocol):
    """What the routes ask of the daemon."""

    async def add_rows(
        self, rows: Sequence[Mapping[str, Any]], source: str, request: tuple[str, str] | None
    ) -> Mapping[str, Any]:
        """Take rows in durably, all or none; returns ``{"new": int, "duplicates": int}``.

        ``request`` is the key and digest of a request that may come again; it is recorded with what is returned, in
        the same transaction.

        Raises:
            SeedFileError: with every bad row.
        """
        ...

    async def recall_request(self, key: str) -> tuple[str, str] | None:
        """Digest and answer, as JSON, of the request that was taken in under this key."""
        ...

    def retry_after(self) -> float | None:
        """Seconds after which to try again, where no seeds are taken at the moment."""
        ...

    async def status(self) -> Mapping[str, Any]:
        """Plain data about everything."""
        ...

    async def quarantine(self, limit: int) -> Sequence[Mapping[str, Any]]:
        """The seeds that were set aside, as plain data."""
        ...

    async def release_quarantined(self, seed_ids: Sequence[str] | None) -> int:
        """Queue these (``None``: all) again; returns how many.

        Raises:
            UsageError: when one of them is not set aside.
        """
        ...

    async def readiness(self) -> Mapping[str, bool]:
        """Each condition by name."""
        ...


BACKEND: web.AppKey[Backend] = web.AppKey("backend", Backend)
KEYED: web.AppKey[asyncio.Lock] = web.AppKey("keyed", asyncio.Lock)
"""One request with a key at a time, so that two of the same cannot both be the first."""


@asynccontextmanager
async def serve_http(
    backend: Backend, *, host: str, port: int, token: str, allowed_hosts: Sequence[str]
) -> AsyncIterator[str]:
    """Listen while the context is open; yields the base URL.

    Raises:
        UsageError: beyond loopback without a token, or the address cannot be bound.
    """
    if not is_loopback(host) and not token:
        raise UsageError(
            f"server.host {host} is reachable from other machines: set server.token to os.environ/NAME and put a "
            "secret into that variable"
        )
    runner = web.AppRunner(_app(backend, host, token, allowed_hosts), access_log=None, shutdown_timeout=5.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise UsageError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from None
        yield f"http://{_in_url(host)}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _in_url(host: str) -> str:
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host


def _app(backend: Backend, host: str, token: str, allowed_hosts: Sequence[str]) -> web.Application:
    app = web.Application(
        client_max_size=MAX_BODY_BYTES, middlewares=[_problem_details, guard(host, token, allowed_hosts)]
    )
    app[BACKEND] = backend
    app[KEYED] = asyncio.Lock()
    app.router.add_post("/v1/seeds", _post_seeds)
    app.router.add_get("/v1/status", _get_status)
    app.router.add_get("/v1/quarantine", _get_quarantine)
    app.router.add_post("/v1/quarantine/release", _post_release)
    app.router.add_get("/livez", _livez)
    app.router.add_get("/healthz", _livez)
    app.router.add_get("/readyz", _readyz)
    return app


# Errors


@web.middleware
async def _problem_details(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        response: web.StreamResponse = await handler(request)
    except SeedFileError as error:
        problems = [_as_json(problem) for problem in error.problems[:PROBLEMS_SHOWN]]
        detail = f"{len(error.problems)} problem(s); no seed was taken in"
        return _problem(400, "bad seeds", detail, problems=problems)
    except StoreError as error:
        return _problem(503, "store unavailable", str(error))
    except UsageError as error:
        return _problem(400, "bad request", str(error))
    except web.HTTPException as error:
        kept = {name: error.headers[name] for name in ("Allow", "Retry-After") if name in error.headers}
        return _problem(error.status, error.reason, error.text or "", kept)
    return response


def _problem(
    status: int, title: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
) -> web.Response:
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return web.json_response(body, status=status, content_type="application/problem+json", headers=headers)


def _as_json(problem: Any) -> dict[str, str]:
    return {"where": problem.where, "field": problem.field, "message": problem.message, "fix": problem.fix}


# Seeds


async def _post_seeds(request: web.Request) -> web.Response:
    backend = request.app[BACKEND]
    if (seconds := backend.retry_after()) is not None:
        again = {"Retry-After": str(max(1, math.ceil(seconds)))}
        raise web.HTTPServiceUnavailable(text="the daemon drains and takes no seeds; send them again", headers=again)
    text = await _text(request)
    rows = _rows(text, request.content_type)
    source = request.query.get("source", "POST /v1/seeds")[:200].encode("utf-8", "backslashreplace").decode()
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return web.json_response(dict(await backend.add_rows(rows, source, None)), status=202)
    _check_key(key)
    digest = hashlib.sha256("\n".join((source, request.content_type, text)).encode()).hexdigest()
    async with request.app[KEYED]:
        known = await backend.recall_request(key)
        if known is None:
            return web.json_response(dict(await backend.add_rows(rows, source, (key, digest))), status=202)
    if known[0] != digest:
        detail = f"the Idempotency-Key {key!r} came with another request before; send a new key with a new request"
        raise web.HTTPUnprocessableEntity(text=detail)
    return web.json_response(text=known[1], status=202, headers={"Idempotency-Replayed": "true"})


def _check_key(key: str) -> None:
    if not 0 < len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise web.HTTPBadRequest(text=f"an Idempotency-Key is 1 to {LONGEST_KEY} printable ASCII characters")


async def _text(request: web.Request) -> str:
    """The body; JSON is UTF-8, whatever the header says."""
    try:
        return (await request.read()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise web.HTTPBadRequest(text=f"the body is not UTF-8: byte {error.start}") from None
    except web.RequestPayloadError:
        raise web.HTTPBadRequest(text="the body is not what its Content-Encoding or length says") from None


def _rows(text: str, content_type: str) -> list[Mapping[str, Any]]:
    if content_type in _LINES:
        # Not splitlines(): a JSON text may hold U+2028 and its kin as they are.
        lines = enumerate(text.split("\n"), 1)
        items = [(number, _json(line, number)) for number, line in lines if line.strip()]
    else:
        data = _json(text, 1)
        if isinstance(data, dict) and isinstance(data.get("seeds"), list):
            data = data["seeds"]
        items = list(enumerate(data if isinstance(data, list) else [data], 1))
    if not items:
        raise web.HTTPBadRequest(text="no seeds in the request")
    return [_object(item, number) for number, item in items]


def _json(text: str, line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {line + error.lineno - 1}, column {error.colno}"
        raise web.HTTPBadRequest(text=f"not valid JSON: {error.msg} at {where}") from None
    except RecursionError:
        raise web.HTTPBadRequest(text="the JSON is nested too deeply") from None
    except ValueError as error:
        # Python's own limit: a number of thousands of digits.
        raise web.HTTPBadRequest(text=f"not usable JSON, at or after line {line}: {error}") from None


def _object(item: Any, number: int) -> Mapping[str, Any]:
    if not isinstance(item, dict):
        raise web.HTTPBadRequest(text=f"row {number} is not a JSON object but {type(item).__name__}")
    return item


# Quarantine


async def _get_quarantine(request: web.Request) -> web.Response:
    return web.json_response({"seeds": [dict(row) for row in await request.app[BACKEND].quarantine(QUARANTINED_SHOWN)]})


async def _post_release(request: web.Request) -> web.Response:
    asked = _json(await _text(request), 1)
    ids = asked.get("seeds") if isinstance(asked, dict) else None
    if asked == {"all": True}:
        ids = None
    elif not isinstance(ids, list) or not ids or not all(isinstance(one, str) for one in ids) or len(asked) > 1:
        raise web.HTTPBadRequest(text='send {"seeds": ["ID", ...]} or {"all": true}')
    return web.json_response({"released": await request.app[BACKEND].release_quarantined(ids)})


# State


async def _get_status(request: web.Request) -> web.Response:
    return web.json_response(dict(await request.app[BACKEND].status()))


async def _livez(_: web.Request) -> web.Response:
    return web.json_response({"live": True})


async def _readyz(request: web.Request) -> web.Response:
    conditions = await request.app[BACKEND].readiness()
    return web.json_response(dict(conditions), status=200 if all(conditions.values()) else 503)
