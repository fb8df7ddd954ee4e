"""What the routes of `browse` ask of the folder."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from aiohttp import web

from star_agents.observe.browsing import BrowsedDetail, BrowsedFacts, BrowsedPage
from star_agents.records.reviews import Verdict
from star_agents.web.browsing.schemas import RowsQuery, SelectionQuery


class Browsed(Protocol):
    """A folder that is looked through."""

    async def facts(self) -> BrowsedFacts:
        """What can be looked for."""
        ...

    async def page(self, query: RowsQuery) -> BrowsedPage:
        """Rows that were looked for. Raises UsageError where the query cannot be read."""
        ...

    async def detail(self, seq: int, ord: int) -> BrowsedDetail | None:
        """A row with everything behind it; ``None`` where there is none."""
        ...

    async def review(self, seq: int, ord: int, verdict: Verdict, texts: Mapping[str, str]) -> BrowsedDetail | None:
        """Keep what the reviewer says of a row; ``None`` where there is none.

        Raises:
            UsageError: nobody reviews here, or the texts do not fit the row.
            StoreLocked: a daemon or a run works on the folder.
        """
        ...

    def selection(self, query: SelectionQuery) -> AsyncGenerator[bytes, None]:
        """The rows that are looked for as one file, in pieces."""
        ...


BROWSED: web.AppKey[Browsed] = web.AppKey("browsed", Browsed)
