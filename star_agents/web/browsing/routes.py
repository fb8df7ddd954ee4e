"""The table of routes of `browse`, beside that of `serve` (``web.routes``)."""

from __future__ import annotations

from typing import Any

from star_agents.observe.browsing import BrowsedDetail, BrowsedFacts, BrowsedPage
from star_agents.web.browsing import handlers, schemas
from star_agents.web.dataset import MEDIA_TYPES
from star_agents.web.openapi import get_document
from star_agents.web.page_files import get_browse_page
from star_agents.web.route import Route
from star_agents.web.routes import ROUTES

_ROW = "/v1/browse/rows/{seq:[0-9]{1,19}}/{ord:-1|[0-9]{1,9}}"
_SHARED = ("/v1/session", "/livez", "/assets/{path:.*}")
BROWSE_ROUTES = (
    Route(
        method="GET",
        path="/v1/browse",
        handler=handlers.get_facts,
        summary="What can be looked for in the folder, and who reviews.",
        answer=BrowsedFacts,
        errors=(503,),
    ),
    Route(
        method="GET",
        path="/v1/browse/rows",
        handler=handlers.get_rows,
        summary="Rows that are looked for, page by page, in bounded time.",
        answer=BrowsedPage,
        query=schemas.RowsQuery,
        errors=(503,),
    ),
    Route(
        method="GET",
        path=_ROW,
        handler=handlers.get_row,
        summary="One row, what was said of it, and the whole story of its seed.",
        answer=BrowsedDetail,
        errors=(404, 503),
    ),
    Route(
        method="POST",
        path=f"{_ROW}/review",
        handler=handlers.post_review,
        summary="Accept, reject or edit a row, or take that back; the row itself stays as it is.",
        answer=BrowsedDetail,
        body=schemas.GivenReview,
        errors=(404, 408, 409, 413, 503),
    ),
    Route(
        method="GET",
        path="/v1/browse/selection",
        handler=handlers.get_selection,
        summary="The rows that are looked for as a file, in the order of outcomes, streamed.",
        media=tuple(MEDIA_TYPES.values()),
        query=schemas.SelectionQuery,
        errors=(503,),
    ),
    Route(
        method="GET",
        path="/v1/openapi.json",
        handler=get_document,
        summary="This document.",
        answer=dict[str, Any],
    ),
    Route(
        method="GET",
        path="/",
        handler=get_browse_page,
        summary="The page.",
        media=("text/html",),
        errors=(404,),
        is_open=True,
    ),
    *(route for route in ROUTES if route.path in _SHARED),
)
