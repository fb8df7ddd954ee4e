"""Jobs of a recipe side by side: one that fails is a value, and its siblings go on, since their calls are paid for."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TypeVar

import anyio

from star_agents.bench.cancellation import raise_if_cancelled
from star_agents.errors import (
    AgentError,
    AgentRateLimited,
    AgentUnavailable,
    BudgetExhausted,
    ReplyUnreadable,
    StarAgentsError,
)
from star_agents.recipes.protocol import Gathered
from star_agents.records import Failure

T = TypeVar("T")


async def gather(jobs: Sequence[Awaitable[T]], *, is_last_try: bool) -> Gathered[T]:
    """Run jobs at once; results and failures in their order.

    Args:
        jobs: What to await.
        is_last_try: The seed was put back too often: agents that are down are a failure like any other.

    Raises:
        AgentError: agents are down, or everybody's budget is spent: the seed waits for better times.
        StarAgentsError: nothing can go on, such as a scorer that is lost.
        BaseException: a fault of the recipe in one of them. All of these only once every job has ended.
    """
    results: dict[int, T | Failure] = {}
    errors: list[StarAgentsError] = []
    faults: list[BaseException] = []

    async def run(place: int, job: Awaitable[T]) -> None:
        try:
            results[place] = await job
        except (AgentError, ReplyUnreadable) as error:
            results[place] = failure_of(error)
            if _puts_back(error) and not is_last_try:
                errors.append(error)
        except StarAgentsError as error:
            errors.append(error)
        except BaseException as error:
            raise_if_cancelled(error)
            faults.append(error)

    async with anyio.create_task_group() as tasks:
        for place, job in enumerate(jobs):
            tasks.start_soon(run, place, job)
    if first := [*errors, *faults][:1]:
        raise first[0]
    return Gathered(tuple(results[place] for place in range(len(jobs))))


def failure_of(error: AgentError | ReplyUnreadable) -> Failure:
    """An error as the failure of a trial."""
    if isinstance(error, ReplyUnreadable):
        return error.failure
    if isinstance(error, BudgetExhausted):
        return Failure(kind="budget", detail=str(error))
    return Failure(kind="down" if _is_outage(error) else "call", detail=str(error))


def _puts_back(error: AgentError | ReplyUnreadable) -> bool:
    return error.agent is None if isinstance(error, BudgetExhausted) else _is_outage(error)


def _is_outage(error: Exception) -> bool:
    return isinstance(error, (AgentUnavailable, AgentRateLimited)) and error.is_outage
