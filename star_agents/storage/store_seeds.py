"""The seeds of an open store: who is handed out, waits, is put off, or is worked once more.

Every verb is durable when it returns.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial

from star_agents.config.sections import PartsConfig
from star_agents.records import Seed
from star_agents.storage import pair_sums, parts, quarantine, reopened, run_scope, stranded
from star_agents.storage.leases import Leases
from star_agents.storage.run_scope import RunSeeds
from star_agents.storage.sql import execute
from star_agents.storage.store_reads import StoreReads
from star_agents.storage.windows import windows
from star_agents.storage.writer import Writer


class StoreSeeds(StoreReads):
    """What is done with the seeds that are queued; ``Store`` adds the rest.

    Attributes:
        has_put_off: Whether seeds were put off, and not called back.
    """

    def __init__(self, writer: Writer) -> None:
        super().__init__(writer)
        self.has_put_off = False
        self._leases = Leases(writer)
        self._scope = run_scope.EVERYTHING
        self._parts: parts.Parts | None = None

    async def lease(self, count: int, *, taken: stranded.Taken | None = None, newest_child: bool = False) -> list[Seed]:
        """Take up to ``count`` waiting seeds, oldest first; the attempt is counted before the work begins.

        After a death some seeds must not be worked beside others; then fewer come, and ``holds_back`` says so. Seeds
        that are not ``taken`` by any recipe go on waiting (``None``: all are), and so do those of parts that are not
        worked (``declare_parts``). ``newest_child``: the one that a recipe made last comes before the oldest.
        """
        lease = partial(quarantine.lease, scope=self._scope, taken=taken, newest_child=newest_child)
        lease = partial(lease, parts=() if self._parts is None else self._parts.settings.only)
        return await self._leases.many(partial(lease, count=count))

    async def lease_one(self, *, taken: stranded.Taken | None = None) -> list[Seed]:
        """``lease`` for one of many who ask for one: those who do in the same turn of the event loop do it once."""
        parts = () if self._parts is None else self._parts.settings.only
        lease = partial(quarantine.lease, scope=self._scope, taken=taken, parts=parts)
        return await self._leases.one(lambda count: partial(lease, count=count))

    @property
    def holds_back(self) -> bool:
        """Whether the last lease came back short although seeds wait, because a suspect is told apart
        (``quarantine``): they may be leased once a seed in hand has ended or was released."""
        return self._leases.held_back

    @property
    def has_to_come(self) -> bool:
        """Whether seeds were parked or in hand when a lease last found none."""
        return self._leases.has_to_come

    def is_new(self, seed_id: str) -> bool:
        """Whether a seed is in hand for the first time, and nothing was recorded of it yet."""
        return self._leases.is_new(seed_id)

    async def release(self, seed_id: str) -> None:
        """Give a leased seed back to the queue, at its old place."""
        self._leases.ended(seed_id)
        await self._writer.run(lambda connection: execute(connection, "release_seed", id=seed_id).rowcount)

    async def put_off(self, seed_id: str) -> None:
        """Lease a seed no more until it is called back; in hand, it has yet to be released. A restart calls it back."""
        self.has_put_off = True
        await self._writer.run(lambda connection: execute(connection, "put_off", id=seed_id).rowcount)

    async def call_back(self) -> None:
        """Let every seed that was put off be leased again."""
        self.has_put_off = False
        await self._writer.run(lambda connection: execute(connection, "call_back").rowcount)

    async def requeue_dropped(self) -> int:
        """Let every seed that ended as dropped wait again, in a run that works its own alone these; return how many.
        Their old outcomes stay as history."""
        return await self._writer.run(partial(_requeue_dropped, scoped=self._scope.scoped))

    async def lacking(self, recipe: str, arms: Sequence[str], *, after: int, limit: int) -> list[reopened.Lacking]:
        """A page of a recipe's outcomes in which some arm has no trial, of seeds that may be leased (``reopened``)."""
        only = () if self._parts is None else self._parts.settings.only
        ask = partial(reopened.lacking, recipe=recipe, arms=arms, after=after, limit=limit)
        return await self._writer.run(partial(ask, scope=self._scope, parts=only))

    async def reopen(self, seqs: Sequence[int]) -> Counter[str]:
        """Let the seeds of these outcomes wait, to add to them; how many more wait so, by kind of outcome."""
        return await self._writer.run(partial(reopened.reopen, seqs=seqs))

    async def close_reopened(self, recipe: str) -> Counter[str]:
        """Let the seeds of a recipe that wait so be done with what they have; how many more wait so: below 0."""
        return await self._writer.run(partial(reopened.close, recipe=recipe))

    async def begin_run(self, ids: Iterable[str], *, only: bool) -> None:
        """Say which seeds this run is about; ``only``: no others are leased until the store is closed."""
        await self._writer.run(run_scope.begin)
        for window in windows(ids, run_scope.AT_ONCE):
            await self._writer.run(partial(run_scope.take_in, ids=window))
        self._scope = await self._writer.run(partial(run_scope.scope, only=only))

    async def run_seeds(self) -> RunSeeds:
        """How the seeds of this run stand, and how many others wait."""
        return await self._writer.run(run_scope.count)

    async def declare_parts(self, settings: PartsConfig | None) -> None:
        """Divide seeds like this from now on, those too that have no part yet, and lease those of its parts alone."""
        divided = None if settings is None else parts.Parts(settings)
        if divided is not None and divided == self._parts:
            return
        await self._writer.run(partial(parts.declare, parts=divided))
        self._parts = divided

    async def stranded(self) -> tuple[stranded.Stranded, ...]:
        """Seeds that are passed over: nobody takes them as things stand."""
        return await self._writer.run(stranded.stranded)

    async def release_quarantined(self, ids: Sequence[str] | None) -> int:
        """Let these seeds (``None``: all in quarantine) wait again; return how many.

        Raises:
            UsageError: when one of them is not in quarantine; then none is released.
        """
        return await self._writer.run(partial(quarantine.release, ids=ids))


def _requeue_dropped(connection: sqlite3.Connection, scoped: bool) -> int:
    requeued = execute(connection, "requeue_dropped", scoped=scoped).rowcount
    if requeued:
        pair_sums.forget(connection)
    return requeued
