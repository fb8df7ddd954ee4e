"""Routes, and the server that carries them.

`POST /v1/seeds` takes one row, a list of rows, ``{"seeds": [...]}`` or JSON lines, in any seed format; all or nothing.
`GET /v1/status` tells what is going on. `/livez` answers while the loop turns, `/readyz` names each condition.
Errors are problem details (RFC 9457).
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from aiohttp import web

from star_agents.errors import SeedFileError, StoreError, UsageError
from star_agents.web.guard import guard, is_loopback

MAX_BODY_BYTES = 64 << 20
PROBLEMS_SHOWN = 100


class Backend(Protocol):
    """What the routes ask of the daemon."""

    async def add_rows(self, rows: Sequence[Mapping[str, Any]], source: str) -> Mapping[str, Any]:
        """Take rows in durably, all or none; returns ``{"new": int, "duplicates": int}``.

        Raises:
            SeedFileError: with every bad row.
        """
        ...

    async def status(self) -> Mapping[str, Any]:
        """Plain data about everything."""
        ...

    async def readiness(self) -> Mapping[str, bool]:
        """Each condition by name."""
        ...


BACKEND: web.AppKey[Backend] = web.AppKey("backend", Backend)


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
    app.router.add_post("/v1/seeds", _post_seeds)
    app.router.add_get("/v1/status", _get_status)
    app.router.add_get("/livez", _livez)
    app.router.add_get("/healthz", _livez)
    app.router.add_get("/readyz", _readyz)
    return app


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
    except web.HTTPException as error:
        return _problem(error.status, error.reason, error.text or "")
    return response


def _problem(status: int, title: str, detail: str, **more: Any) -> web.Response:
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return web.json_response(body, status=status, content_type="application/problem+json")


def _as_json(problem: Any) -> dict[str, str]:
    return {"where": problem.where, "field": problem.field, "message": problem.message, "fix": problem.fix}


async def _post_seeds(request: web.Request) -> web.Response:
    rows = _rows(await request.text(), request.content_type)
    source = request.query.get("source", "POST /v1/seeds")[:200]
    added = await request.app[BACKEND].add_rows(rows, source)
    return web.json_response(dict(added), status=202)


def _rows(text: str, content_type: str) -> list[Mapping[str, Any]]:
    if content_type in ("application/x-ndjson", "application/jsonl"):
        return [
            _object(_json(line, number), number) for number, line in enumerate(text.splitlines(), 1) if line.strip()
        ]
    data = _json(text, 1)
    if isinstance(data, dict) and isinstance(data.get("seeds"), list):
        data = data["seeds"]
    items = data if isinstance(data, list) else [data]
    if not items:
        raise web.HTTPBadRequest(text="no seeds in the request")
    return [_object(item, number) for number, item in enumerate(items, 1)]


def _json(text: str, line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {line + error.lineno - 1}, column {error.colno}"
        raise web.HTTPBadRequest(text=f"not valid JSON: {error.msg} at {where}") from None
    except RecursionError:
        raise web.HTTPBadRequest(text="the JSON is nested too deeply") from None


def _object(item: Any, number: int) -> Mapping[str, Any]:
    if not isinstance(item, dict):
        raise web.HTTPBadRequest(text=f"row {number} is not a JSON object but {type(item).__name__}")
    return item


async def _get_status(request: web.Request) -> web.Response:
    return web.json_response(dict(await request.app[BACKEND].status()))


async def _livez(_: web.Request) -> web.Response:
    return web.json_response({"live": True})


async def _readyz(request: web.Request) -> web.Response:
    conditions = await request.app[BACKEND].readiness()
    return web.json_response(dict(conditions), status=200 if all(conditions.values()) else 503)
