"""`browse`: a folder's rows on a page, with no daemon. Rows and state are read; reviews are kept beside."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from functools import partial
from pathlib import Path

import anyio
from anyio.to_thread import run_sync

from star_agents.config.sections import ServerConfig
from star_agents.engine.access import access_to
from star_agents.engine.downloads import as_file
from star_agents.errors import UsageError
from star_agents.observe.browsing import BrowsedDetail, BrowsedFacts, BrowsedPage
from star_agents.records import Row
from star_agents.records.reviews import Review, Verdict, edited
from star_agents.storage import browsed_rows
from star_agents.storage.browsing import Place, Search, every_place
from star_agents.storage.outgoing.export import dataset_rows
from star_agents.storage.outgoing.training_rows import RUN_FILES
from star_agents.storage.reader import StoreReader
from star_agents.storage.readers import Readers
from star_agents.storage.results import Result
from star_agents.storage.reviews import add_review
from star_agents.storage.store import STORE_FILE
from star_agents.web.browsing.app import serve_browsing
from star_agents.web.browsing.schemas import RowsQuery, SearchQuery, SelectionQuery

SPAN = 256
"""Outcomes of a selection that are read at once."""
NO_REVIEWER = "start `browse` with --reviewer NAME to accept, reject or edit rows"


class Browsed:
    """A folder that is looked through, as its HTTP door sees it (``web.browsing.backend``)."""

    def __init__(self, folder: Path, readers: Readers, reviewer: str, now: Callable[[], float] = time.time) -> None:
        self._folder, self._readers, self._reviewer, self._now = folder, readers, reviewer, now

    async def facts(self) -> BrowsedFacts:
        """What can be looked for."""
        ask = partial(
            browsed_rows.browsed_facts,
            folder=str(self._folder.resolve()),
            reviewer=self._reviewer,
            why_no_review="" if self._reviewer else NO_REVIEWER,
        )
        return await self._readers.ask(lambda reader: reader.ask(ask))

    async def page(self, query: RowsQuery) -> BrowsedPage:
        """Rows that were looked for."""
        search = _search(query, order=query.order)
        ask = partial(
            browsed_rows.browsed_page, search=search, cursor=query.cursor, limit=query.limit, seconds=query.seconds
        )
        return await self._readers.ask(lambda reader: reader.ask(ask))

    async def detail(self, seq: int, ord: int) -> BrowsedDetail | None:
        """A row with everything behind it."""
        ask = partial(browsed_rows.browsed_detail, place=Place(seq, ord))
        return await self._readers.ask(lambda reader: reader.ask(ask))

    async def review(self, seq: int, ord: int, verdict: Verdict, texts: Mapping[str, str]) -> BrowsedDetail | None:
        """Keep what the reviewer says of a row, in a transaction of its own."""
        if not self._reviewer:
            raise UsageError(NO_REVIEWER)
        ask = partial(browsed_rows.row_at, place=Place(seq, ord))
        found = await self._readers.ask(lambda reader: reader.ask(ask))
        if found is None:
            return None
        seed_id, row = found
        review = Review(verdict=verdict, reviewer=self._reviewer, at=self._now(), data=_data(row, verdict, texts))
        await run_sync(add_review, self._folder, seed_id, row, review)
        return await self.detail(seq, ord)

    async def selection(self, query: SelectionQuery) -> AsyncGenerator[bytes, None]:
        """The rows that are looked for as one file, in pieces."""

        def pieces(reader: StoreReader) -> Iterator[bytes]:
            rows = dataset_rows(
                reader,
                query.format,
                provenance=query.provenance,
                reviews=query.reviewed,
                results=selected_results(reader, _search(query)),
            )
            return as_file(rows, query.file)

        async with aclosing(self._readers.stream(pieces, batch=1)) as made:
            async for some in made:
                yield b"".join(some)


def selected_results(reader: StoreReader, search: Search) -> Iterator[Result]:
    """The seeds of rows that are looked for, with these rows alone, in the order of their outcomes."""
    after: Place | None = Place(0, 0)
    while after is not None:
        found = reader.ask(partial(every_place, search=search, after=after, outcomes=SPAN))
        places: dict[int, list[int]] = {}
        for place in found.places:
            places.setdefault(place.seq, []).append(place.ord)
        if places:
            yield from reader.results_at(places)
        after = None if found.next is None else Place(int(found.next), 0)


def _search(query: SearchQuery, **more: str) -> Search:
    given = {name: getattr(query, name) for name in SearchQuery.model_fields}
    return Search(**given, **more)


def _data(row: Row, verdict: Verdict, texts: Mapping[str, str]) -> dict[str, object] | None:
    if verdict != "edited":
        if texts:
            raise UsageError(f"texts: go with an edit, and this row is to be {verdict}")
        return None
    try:
        return edited(row, texts)
    except ValueError as error:
        raise UsageError(f"texts.{error}") from None


async def browse(
    folder: Path,
    *,
    reviewer: str,
    server: ServerConfig,
    tell: Callable[[str], None],
    until: Callable[[], Awaitable[object]],
) -> None:
    """Serve the page of a folder until ``until`` comes back.

    Raises:
        StoreError: there is no store.
        UsageError: the folder holds only exported files, or the address cannot be used.
    """
    _check_store(folder)
    access = access_to(server, folder)
    async with (
        Readers(folder) as readers,
        serve_browsing(
            Browsed(folder, readers, reviewer),
            host=server.host,
            port=server.port,
            token=access.token,
            allowed_hosts=server.allowed_hosts,
        ) as url,
    ):
        access.tell(url, server)
        tell(url)
        await until()


async def stopped() -> None:
    """Wait for SIGTERM or Ctrl-C."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            return


def _check_store(folder: Path) -> None:
    """Raises StoreError where there is no store, and UsageError where only files of its rows are left."""
    files = [name for name in RUN_FILES if (folder / name).is_file()]
    if files and not (folder / STORE_FILE).is_file():
        raise UsageError(
            f"{folder}: holds {', '.join(files)} and no {STORE_FILE}; `browse` shows candidates, verdicts and "
            f"measures, which stand in the store alone: copy it there, or name the run's own folder"
        )
    StoreReader(folder).close()
