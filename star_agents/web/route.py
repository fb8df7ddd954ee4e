"""What is said about a route, in one value."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from star_agents.web.schemas import Nothing, Query

Handler = Callable[[web.Request, Any], Awaitable[web.StreamResponse]]
"""Is handed the request and its checked query."""
JSON = "application/json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """One method of one path."""

    method: str
    path: str
    handler: Handler
    summary: str
    status: int = 200
    """Of an answer that is no problem."""
    answer: Any = None
    """Model of what comes back as JSON."""
    media: tuple[str, ...] = (JSON,)
    """What kinds of content come back; none: an answer without a body."""
    errors: tuple[int, ...] = ()
    """Problems of its own, besides those that every route may answer."""
    also_in: tuple[int, ...] = ()
    """Statuses of ``errors`` under which the answer itself may come."""
    query: type[Query] = Nothing
    body: Any = None
    """Model of what is sent."""
    lines: bool = False
    """JSON lines are taken too."""
    files: tuple[str, ...] = ()
    """Content types of files that are taken too."""
    headers: tuple[str, ...] = ()
    """Headers that mean something here."""
    is_open: bool = False
    """No token is asked for, and foreign parameters are ignored: it holds no data."""
