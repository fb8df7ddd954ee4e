"""The page's own files. They hold no data and need no token."""

from __future__ import annotations

import hashlib
from pathlib import Path

from aiohttp import hdrs, web

from star_agents.web.schemas import Nothing

PAGE = Path(__file__).with_name("page")
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""What is served; a file with another ending is not."""


async def get_page(request: web.Request, _: Nothing) -> web.Response:
    """The page."""
    return _file(request, PAGE, "index.html")


async def get_browse_page(request: web.Request, _: Nothing) -> web.Response:
    """The page of `browse`."""
    return _file(request, PAGE, "browse.html")


async def get_asset(request: web.Request, _: Nothing) -> web.Response:
    """One of the page's files."""
    return _file(request, PAGE, request.match_info["path"])


def _file(request: web.Request, root: Path, name: str) -> web.Response:
    """A file below ``root``, whatever the name tries; a browser keeps it and asks whether it is still the same."""
    kind = MEDIA_TYPES.get(Path(name).suffix)
    try:
        path = (root / name).resolve()
        if kind is None or not path.is_relative_to(root.resolve()):
            raise web.HTTPNotFound(text="the page has no such file")
        body = path.read_bytes()
    except (OSError, ValueError):  # none there, a folder, or a name that no file system takes
        raise web.HTTPNotFound(text="the page has no such file") from None
    tag = hashlib.sha256(body).hexdigest()[:32]
    headers = {hdrs.ETAG: f'"{tag}"', hdrs.CACHE_CONTROL: "no-cache", hdrs.CONTENT_TYPE: kind}
    if any(known.value in (tag, "*") for known in request.if_none_match or ()):
        del headers[hdrs.CONTENT_TYPE]
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers=headers)
