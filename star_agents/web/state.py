"""What is going on, the two switches, and whether the daemon is alive and ready.

`/livez` answers while the event loop turns and asks nobody else. `/readyz` names each condition; with `?verbose` as
lines of text, as Kubernetes writes them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from star_agents.errors import UsageError
from star_agents.observe.status import PairCost, State
from star_agents.records import PAIRS
from star_agents.web import replies
from star_agents.web.backend import BACKEND
from star_agents.web.problems import answer
from star_agents.web.schemas import LogsQuery, Nothing

_NOTHING = PairCost(candidates=0, wins=0, usd=0.0, candidates_of_unknown_cost=0, usd_per_win=None)


async def get_status(request: web.Request, _: Nothing) -> web.Response:
    """Everything in numbers."""
    return answer(await request.app[BACKEND].status())


async def get_agents(request: web.Request, _: Nothing) -> web.Response:
    """How each agent is doing."""
    return answer(replies.Agents(agents=(await request.app[BACKEND].status()).agents))


async def get_pairs(request: web.Request, _: Nothing) -> web.Response:
    """Each pair's probability, what it did for the finished seeds, and for how much."""
    status = await request.app[BACKEND].status()
    names = dict.fromkeys((*status.pairs, *status.pair_costs))
    pairs = {name: _pair(status.pairs.get(name), status.pair_costs.get(name, _NOTHING)) for name in names}
    return answer(replies.Pairs(pairs=pairs))


def _pair(probability: float | None, cost: PairCost) -> replies.Pair:
    return replies.Pair(probability=probability, **vars(cost))


async def get_curve(request: web.Request, _: Nothing) -> web.Response:
    """Every pair's probability over time."""
    return answer(await request.app[BACKEND].curve(PAIRS) or replies.Curve(points=(), marks=()))


async def get_pool_curve(request: web.Request, _: Nothing) -> web.Response:
    """The probability of every arm of a pool over time."""
    pool = request.match_info["pool"]
    curve = await request.app[BACKEND].curve(pool)
    if curve is None:
        raise web.HTTPNotFound(text="there is no pool of that name; GET /v1/status lists them under `pools`")
    return answer(curve)


async def get_turns(request: web.Request, _: Nothing) -> web.Response:
    """What a pool turned to, or how seeds ended by a column."""
    found = await request.app[BACKEND].turns(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound(text="nothing is told of that name; GET /v1/status lists what is under `turns`")
    return answer(found)


async def get_leaderboard(request: web.Request, _: Nothing) -> web.Response:
    """Who is how strong in an arena."""
    return answer(await request.app[BACKEND].leaderboard())


async def get_rounds(request: web.Request, _: Nothing) -> web.Response:
    """Rows, losses and ratings, step by step."""
    return answer(await request.app[BACKEND].rounds())


async def get_evaluation(request: web.Request, _: Nothing) -> web.Response:
    """Scores on a benchmark."""
    return answer(await request.app[BACKEND].evaluation())


async def get_evaluated_question(request: web.Request, _: Nothing) -> web.Response:
    """Every answer to a question, with the judge's reasons."""
    found = await request.app[BACKEND].evaluated_question(request.match_info["id"])
    if found is None:
        raise web.HTTPNotFound(text="no answer to a question of that id; GET /v1/evaluation lists them")
    return answer(found)


async def get_logs(request: web.Request, query: LogsQuery) -> web.Response:
    """The newest lines of the log."""
    return answer(replies.LogLines(lines=request.app[BACKEND].logs(**query.model_dump())))


async def post_pause(request: web.Request, _: Nothing) -> web.Response:
    """Take no further seed; those in hand are finished."""
    return await _switched(request.app[BACKEND].pause)


async def post_resume(request: web.Request, _: Nothing) -> web.Response:
    """Take seeds again."""
    return await _switched(request.app[BACKEND].resume)


async def _switched(switch: Callable[[], Awaitable[State]]) -> web.Response:
    try:
        return answer(replies.Switched(state=await switch()))
    except UsageError as error:
        raise web.HTTPConflict(text=str(error)) from None


async def livez(_: web.Request, __: Nothing) -> web.Response:
    """Alive."""
    return answer(replies.Live(live=True))


async def readyz(request: web.Request, _: Nothing) -> web.Response:
    """Ready, or which condition is missing."""
    conditions = await request.app[BACKEND].readiness()
    is_ready = all(conditions.values())
    status = 200 if is_ready else 503
    held = request.app[BACKEND].held_because()
    if "verbose" not in request.query:
        return answer({**conditions, **({"reason": held} if held else {})}, status)
    lines = [f"[{'+' if holds else '-'}]{name} {'ok' if holds else 'failed'}" for name, holds in conditions.items()]
    lines += [f"reason: {held}"] if held else []
    text = "\n".join([*lines, f"readyz check {'passed' if is_ready else 'failed'}", ""])
    return web.Response(text=text, status=status)


async def metrics(request: web.Request, _: Nothing) -> web.Response:
    """For Prometheus."""
    body, kind = await request.app[BACKEND].metrics(request.headers.get("Accept", ""))
    return web.Response(body=body, headers={"Content-Type": kind})
