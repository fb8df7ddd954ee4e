"""The tools that agents.yaml allows, as a bench offers them to the agents that it asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from star_agents.config.models import Config
from star_agents.errors import RecipeError
from star_agents.records import Document
from star_agents.storage.store import Store
from star_agents.tools.functions import function_tool
from star_agents.tools.names import SEARCH_NAME, short_name
from star_agents.tools.running import RunnableTool
from star_agents.tools.sandbox import python_tool
from star_agents.tools.search import search_tool

_LOOKED_EVERY_S = 30.0
"""For documents that have come since: a look passes over every seed that has come since the last one."""
_AT_ONCE = 64


class Toolbox:
    """Makes each tool when it is first asked for, once for a line.

    Args:
        store: Whose documents are searched: those that came from outside, in the order in which they came.
        clock: Monotonic seconds.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._made: dict[str, RunnableTool] = {}
        self._after = 0
        self._look_at = 0.0

    def offered(self, names: Sequence[str], config: Config, recipe: str) -> list[RunnableTool]:
        """The tools of these names.

        Raises:
            RecipeError: agents.yaml does not allow one of them.
        """
        allowed = {short_name(kept): kept for kept in config.tools}
        for name in names:
            if short_name(name) not in allowed:
                fix = f"write there tools: [{', '.join([*config.tools, name])}]"
                raise RecipeError(f"recipe {recipe} offers a tool {name!r} that agents.yaml does not allow; {fix}")
        return [self._tool(allowed[name]) for name in dict.fromkeys(map(short_name, names))]

    def _tool(self, kept: str) -> RunnableTool:
        if kept not in self._made:
            if kept == SEARCH_NAME:
                self._made[kept] = search_tool(self._next_documents)
            else:
                self._made[kept] = function_tool(kept) if short_name(kept) != kept else python_tool()
        return self._made[kept]

    async def _next_documents(self) -> Sequence[Document]:
        if self._clock() < self._look_at:
            return []
        self._after, found = await self._store.documents(after=self._after, limit=_AT_ONCE)
        if len(found) < _AT_ONCE:
            self._look_at = self._clock() + _LOOKED_EVERY_S
        return found
