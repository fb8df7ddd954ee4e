"""Seeds for those who work them: several who ask for one in the same turn of the event loop are given theirs by one
question, and of a seed that is in hand for the first time nobody looks up what cannot be there.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from functools import partial

from star_agents.errors import StoreError
from star_agents.records import Seed
from star_agents.storage.quarantine import Leased
from star_agents.storage.sql import execute
from star_agents.storage.writer import Work, Writer

Ask = Callable[[int], Work[Leased]]
"""Work that leases so many seeds."""


class Leases:
    """The seeds that are handed out one by one.

    Args:
        writer: Of the store.

    Attributes:
        held_back: Whether the last lease came back short although seeds wait (``quarantine``).
        has_to_come: Whether seeds were parked or in hand when a lease last found none.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.held_back = self.has_to_come = False
        self._asking: list[tuple[Ask, asyncio.Future[list[Seed]]]] = []
        self._new: dict[str, set[tuple[str, str]]] = {}
        """By id, what was recorded of seeds that are in hand for the first time."""

    async def one(self, ask: Ask) -> list[Seed]:
        """The next seed, or nothing where none may be leased; whoever asks in this turn asks for the same."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Seed]] = loop.create_future()
        if not self._asking:
            loop.call_soon(self._ask_for_all)
        self._asking.append((ask, future))
        return await future

    async def many(self, work: Work[Leased]) -> list[Seed]:
        """What this lease hands out."""
        return self._taken_in(await self._writer.run(work))

    def is_new(self, seed_id: str) -> bool:
        """Whether a seed is in hand for the first time, and nothing was recorded of it."""
        return self._new.get(seed_id) == set()

    def is_unrecorded(self, seed_id: str, what: str, step: str) -> bool:
        """Whether nothing can be recorded of this step: the seed is in hand for the first time, and it was not yet."""
        recorded = self._new.get(seed_id)
        return recorded is not None and (what, step) not in recorded

    def recorded(self, seed_id: str, what: str, step: str) -> None:
        """Something is about to be."""
        if (recorded := self._new.get(seed_id)) is not None:
            recorded.add((what, step))

    def ended(self, seed_id: str) -> None:
        """The seed is out of hand."""
        self._new.pop(seed_id, None)

    def _ask_for_all(self) -> None:
        asking, self._asking = self._asking, []
        ask, waiting = asking[0][0], [future for _, future in asking]
        try:
            leased = self._writer.submit(ask(len(asking)))
        except StoreError as error:  # It was closed in this turn.
            _fail(waiting, error)
        else:
            leased.add_done_callback(partial(self._hand_out, waiting))

    def _hand_out(self, waiting: list[asyncio.Future[list[Seed]]], done: asyncio.Future[Leased]) -> None:
        """In the order in which they asked. What was leased for those who stopped waiting goes back."""
        if (error := done.exception()) is not None:
            _fail(waiting, error)
            return
        seeds, waiting = self._taken_in(done.result()), [future for future in waiting if not future.done()]
        for place, future in enumerate(waiting):
            future.set_result(seeds[place : place + 1])
        for seed in seeds[len(waiting) :]:
            self.ended(seed.id)
            with contextlib.suppress(StoreError):  # It is being closed, which gives back all that is in hand.
                self._writer.submit(partial(_release, seed_id=seed.id)).add_done_callback(asyncio.Future.exception)

    def _taken_in(self, leased: Leased) -> list[Seed]:
        self.held_back, self.has_to_come = leased.held_back, leased.has_to_come
        for seed in leased.seeds:
            self._new.pop(seed.id, None)
            if seed.id in leased.first:
                self._new[seed.id] = set()
        return leased.seeds


def _fail(waiting: list[asyncio.Future[list[Seed]]], error: BaseException) -> None:
    for future in waiting:
        if not future.done():  # Each their own: an error that is raised twice gathers the tracebacks of both.
            future.set_exception(type(error)(str(error)) if isinstance(error, StoreError) else error)


def _release(connection: sqlite3.Connection, seed_id: str) -> None:
    execute(connection, "release_seed", id=seed_id)
