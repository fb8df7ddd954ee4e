"""Outcomes page by page, and one of them with everything behind it."""

from __future__ import annotations

from aiohttp import web

from star_agents.web import replies
from star_agents.web.backend import BACKEND
from star_agents.web.problems import answer
from star_agents.web.schemas import LARGEST_SEQ, Nothing, OutcomesQuery


async def get_outcomes(request: web.Request, query: OutcomesQuery) -> web.Response:
    """A page of outcomes and the cursor of the next one.

    ``next_before`` is null on the last page. ``next_after`` is always there: what comes later can be asked for with it.
    """
    if query.before is not None and query.after is not None:
        raise web.HTTPBadRequest(text="give `before` or `after`, not both")
    page = await request.app[BACKEND].outcomes(**query.model_dump())
    if query.after is not None:
        return answer(replies.LaterOutcomes(outcomes=page, next_after=page[-1].seq if page else query.after))
    next_before = page[-1].seq if len(page) == query.limit else None
    return answer(replies.OutcomePage(outcomes=page, next_before=next_before))


async def get_outcome(request: web.Request, _: Nothing) -> web.Response:
    """The seed of one outcome, and every candidate side by side."""
    seq = int(request.match_info["seq"])
    story = await request.app[BACKEND].outcome(seq) if seq <= LARGEST_SEQ else None
    if story is None:
        raise web.HTTPNotFound(text=f"there is no outcome {seq}")
    return answer(story)
