"""Jobs side by side of which none can be done without."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import TypeVar

from star_agents.errors import BudgetExhausted
from star_agents.recipes.protocol import Gathered, Workbench

T = TypeVar("T")


async def gather_within_budget(bench: Workbench, jobs: Iterable[Awaitable[T]]) -> Gathered[T]:
    """As ``bench.gather``, but the seed waits where one agent's budget is spent, too: it is raised, or a day is over.

    Raises:
        BudgetExhausted: once every job has ended.
        AgentError: as ``bench.gather``.
    """
    spent: list[BudgetExhausted] = []

    async def run(job: Awaitable[T]) -> T:
        try:
            return await job
        except BudgetExhausted as error:
            spent.append(error)
            raise

    found = await bench.gather(*(run(job) for job in jobs))
    if spent:
        raise spent[0]
    return found
