"""The rows of a folder by HTTP: looked for, read one by one, reviewed, and taken away as a file."""

from __future__ import annotations

from aiohttp import web
from pydantic import ValidationError

from star_agents.errors import StoreLocked
from star_agents.observe.browsing import BrowsedDetail
from star_agents.web.browsing.backend import BROWSED
from star_agents.web.browsing.schemas import GivenReview, RowsQuery, SelectionQuery
from star_agents.web.dataset import MEDIA_TYPES, send_file
from star_agents.web.inputs import read_document
from star_agents.web.problems import answer
from star_agents.web.schemas import LARGEST_SEQ, Nothing


async def get_facts(request: web.Request, _: Nothing) -> web.Response:
    """What can be looked for."""
    return answer(await request.app[BROWSED].facts())


async def get_rows(request: web.Request, query: RowsQuery) -> web.Response:
    """A page of rows."""
    return answer(await request.app[BROWSED].page(query))


async def get_row(request: web.Request, _: Nothing) -> web.Response:
    """A row, its reviews and its seed's story."""
    return answer(_found(await request.app[BROWSED].detail(*_place(request))))


async def post_review(request: web.Request, _: Nothing) -> web.Response:
    """Keep what a person says of a row."""
    body = await read_document(request)
    try:
        given = GivenReview.model_validate(body)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'the body'}: {one['msg']}" for one in error.errors())
        raise web.HTTPBadRequest(text=told) from None
    try:
        return answer(_found(await request.app[BROWSED].review(*_place(request), given.verdict, given.texts)))
    except StoreLocked as error:
        raise web.HTTPConflict(text=f"rows are reviewed once nobody works on the folder: {error}") from None


async def get_selection(request: web.Request, query: SelectionQuery) -> web.StreamResponse:
    """The rows that are looked for, as a file."""
    name = f"selection.{query.format}.{query.file}"
    return await send_file(request, request.app[BROWSED].selection(query), name, MEDIA_TYPES[query.file])


def _place(request: web.Request) -> tuple[int, int]:
    seq, ord_ = int(request.match_info["seq"]), int(request.match_info["ord"])
    if seq > LARGEST_SEQ:
        raise web.HTTPNotFound(text="there is no such row")
    return seq, ord_


def _found(detail: BrowsedDetail | None) -> BrowsedDetail:
    if detail is None:
        raise web.HTTPNotFound(text="there is no such row")
    return detail
