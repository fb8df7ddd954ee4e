"""What is asked of an open store about calls that go by batch (``batches``); every verb is durable when it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from star_agents.storage import batches
from star_agents.storage.batch_rows import (
    BatchCallRow,
    BatchRow,
    EndOfBatch,
    GatheredRow,
    Gathering,
    GoesAlone,
    OpenCall,
    ReadReply,
    ResultRow,
    TakenIn,
    Unanswered,
)
from star_agents.storage.run_scope import Scope
from star_agents.storage.sql import execute
from star_agents.storage.writer import Writer


class StoreBatches:
    """The batches of a store.

    Args:
        writer: Of the store.
        now: Seconds since 1970.
        scope: Says which seeds may be leased.
    """

    def __init__(self, writer: Writer, now: Callable[[], float], scope: Callable[[], Scope]) -> None:
        self._writer = writer
        self._now = now
        self._scope = scope

    async def gather(self, calls: Sequence[Gathering]) -> list[str]:
        """Let calls wait for a batch, with their intents; return the keys of those that do. One that waits already is
        left as it is, and so is one that a batch has answered meanwhile."""
        return await self._writer.run(lambda connection: batches.gather(connection, calls, self._now()))

    async def calls(self, keys: Sequence[str]) -> dict[str, BatchCallRow]:
        """Those of the calls that go by batch."""
        return await self._writer.run(partial(batches.batch_calls, keys=keys))

    async def park(self, seed_id: str) -> bool:
        """Take a seed out of hand until its batches have answered; false where they have already, and it waits."""
        return await self._writer.run(partial(batches.park, seed_id=seed_id))

    async def parked(self) -> int:
        """Seeds that wait for batches."""
        return await self._writer.run(batches.parked)

    async def parked_of_run(self) -> int:
        """Of the seeds that may be leased, those that wait for batches."""
        return await self._writer.run(partial(batches.parked_of_run, scope=self._scope()))

    async def gathered(self) -> list[GatheredRow]:
        """The calls that wait for a batch, by agent."""
        return await self._writer.run(batches.gathered)

    async def open_calls(self) -> list[OpenCall]:
        """Calls that wait for a batch or are in one."""
        return await self._writer.run(batches.open_calls)

    async def at_work(self) -> list[BatchRow]:
        """Batches that are not done with, oldest first."""
        return await self._writer.run(batches.at_work)

    async def known_ids(self) -> frozenset[str]:
        """The provider's ids of all batches."""
        return await self._writer.run(batches.known_ids)

    async def make(self, id: str, agent: str, model: str, *, most_calls: int, most_bytes: int) -> int:
        """Decide on a batch of an agent's calls that wait longest; return how many, 0 where none waits."""
        return await self._writer.run(
            lambda connection: batches.make(
                connection,
                id=id,
                agent=agent,
                model=model,
                most_calls=most_calls,
                most_bytes=most_bytes,
                at=self._now(),
            )
        )

    async def requests(self, batch: str, *, after: str, limit: int) -> list[tuple[str, Mapping[str, Any]]]:
        """A page of the calls of a batch, by key."""
        return await self._writer.run(partial(batches.requests, batch=batch, after=after, limit=limit))

    async def keys(self, batch: str) -> frozenset[str]:
        """The calls of a batch that have no answer yet."""
        return await self._writer.run(partial(batches.keys, batch=batch))

    async def note_input_file(self, batch: str, file: str) -> None:
        """The calls of a batch are uploaded."""
        await self._writer.run(lambda connection: execute(connection, "note_input_file", id=batch, file=file).rowcount)

    async def note_submitted(self, batch: str, provider_id: str) -> None:
        """The provider has a batch, under this id."""
        told = {"id": batch, "provider_id": provider_id}
        await self._writer.run(
            lambda connection: execute(connection, "note_submitted", **told, at=self._now()).rowcount
        )

    async def note_said(self, batch: str, said: str) -> None:
        """What the provider calls the state of a batch."""
        await self._writer.run(lambda connection: execute(connection, "note_said", id=batch, said=said).rowcount)

    async def begin_results(self, batch: str) -> None:
        """The results of a batch are read from the beginning, perhaps once more."""
        await self._writer.run(partial(batches.begin_results, batch=batch))

    async def take_in(
        self, batch: str, results: Sequence[ResultRow], unreadable: int, read: ReadReply, goes_alone: GoesAlone
    ) -> TakenIn:
        """Record a part of the results of a batch; the functions are called in the writer's thread."""
        return await self._writer.run(
            lambda connection: batches.take_in(connection, batch, results, unreadable, read, goes_alone, self._now())
        )

    async def end(self, batch: str, how: EndOfBatch) -> Unanswered:
        """All results of a batch are taken in."""
        return await self._writer.run(lambda connection: batches.end(connection, batch, how, self._now()))

    async def close(self, batch: str) -> None:
        """The provider keeps nothing of a batch any more."""
        await self._writer.run(lambda connection: execute(connection, "close_batch", id=batch).rowcount)
