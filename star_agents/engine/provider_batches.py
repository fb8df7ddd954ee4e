"""The batches of providers while a line works: when calls go out, when the provider is asked, what each needs next.

It holds nothing that a crash could lose. What there is to do stands in the store, and every turn reads it there; the
steps of one batch are in ``batch_steps.py``.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable
from typing import Self

import anyio

from star_agents.agents.batching.agent import AgentBatching
from star_agents.agents.batching.protocol import Look
from star_agents.agents.client import AgentClient
from star_agents.agents.http_failure import HttpFailure
from star_agents.agents.translate import translate
from star_agents.bench.batched_calls import BatchedCalls
from star_agents.engine.batch_steps import BatchSteps
from star_agents.engine.queue import SeedQueue
from star_agents.errors import StarAgentsError
from star_agents.events import BatchTroubled
from star_agents.observe.bus import Bus
from star_agents.process.crash_points import crash_point
from star_agents.storage.batch_rows import BatchRow, EndOfBatch, GatheredRow
from star_agents.storage.store import Store

_AT_ONCE = 4
"""Batches that are worked at once: each may be hundreds of megabytes on their way."""
_LONGEST_WAIT_S = 3600.0
_CLEAN_UP_S = 10.0
_GIVEN_UP_AFTER_S = 26 * 3600.0
"""A batch that its provider does not know so long after it was made has ended, and is gone."""
_FULL_POLLS = 10
"""Polls that an agent waits for, once its provider has said that too much of ours waits there."""


class ProviderBatches:
    """Works the batches of all agents.

    Args:
        store: Where they are kept.
        client: Knows the agents.
        batched: Gathers the calls.
        bus: Hears what happens.
        store_id: Tells batches of this store from others in the same account.
        now: Seconds since 1970.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        store: Store,
        client: AgentClient,
        batched: BatchedCalls,
        bus: Bus,
        store_id: str,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._client = client
        self.batched = batched
        self._bus = bus
        self._now = now
        self._clock = clock
        self._steps = BatchSteps(store, batched, bus, store_id, now, lambda seeds: self.on_answers(seeds))
        self.on_answers: Callable[[int], None] = lambda seeds: None
        """Hears how many seeds may go on."""
        self.on_parked: Callable[[int], None] = lambda seeds: None
        """Hears how many more seeds wait for a batch."""
        self._news = anyio.Event()
        self._made_here: set[str] = set()
        """Batches that nobody can have asked the provider for yet."""
        self._due_at: dict[str, float] = {}
        """When a batch is to be asked about again, on the clock."""
        self._hurried: set[str] = set()
        """Agents whose calls go out however few they are."""
        self._all_hurried = False
        self._full_until: dict[str, float] = {}
        self._fits: dict[str, int] = {}
        """Calls that a batch of an agent may hold, once its provider has found one too large."""
        batched.on_gathered = self._on_gathered
        batched.on_full = self._hurry

    def serving(self, queue: SeedQueue) -> Self:
        """Tell this queue of seeds that may go on, and hear of it when it has no other."""
        self.on_answers, self.on_parked = queue.unparked, queue.seeds_parked
        queue.on_nothing_but_parked = self.nothing_else_to_do
        return self

    async def restore(self) -> None:
        """Know what an earlier process gathered, sent and parked."""
        self.batched.restore(await self._store.batches.open_calls())
        self.on_parked(await self._store.batches.parked_of_run())

    async def park(self, seed_id: str) -> None:
        """Let go of a seed until the batches have answered that hold its calls; they may have done so already."""
        if await self._store.batches.park(seed_id):
            self.on_parked(1)
        else:
            self.on_answers(0)

    def nothing_else_to_do(self) -> None:
        """No further call will come before a batch has answered: what is gathered goes out."""
        self._all_hurried = True
        self._news.set()

    async def keep(self) -> None:
        """Send, ask about and take in batches until cancelled."""
        while True:
            news = self._news = anyio.Event()
            wait_s = await self._turn()
            with anyio.move_on_after(wait_s):
                await news.wait()

    async def clean_up(self) -> None:
        """Delete what providers keep of batches that are taken in, as far as that is quickly done."""
        with anyio.move_on_after(_CLEAN_UP_S):
            for row in await self._store.batches.at_work():
                batching = self._client.batching(row.agent)
                if row.state == "ended" and batching is not None:
                    await self._step(row, batching)

    async def _turn(self) -> float:
        """Do what is due; return the seconds until something will be."""
        rows = await self._store.batches.at_work()
        wait_s = await self._send_gathered(rows)
        if is_more := wait_s <= 0:
            rows = await self._store.batches.at_work()
        room = anyio.Semaphore(_AT_ONCE)
        async with anyio.create_task_group() as tasks:
            for row in rows:
                if self._due_at.get(row.id, 0.0) <= self._clock():
                    tasks.start_soon(self._work_on, row, room)
        due = [self._due_at.get(row.id, 0.0) - self._clock() for row in rows if row.id in self._due_at]
        return 0.0 if is_more else max(0.0, min([_LONGEST_WAIT_S, wait_s, *due]))

    async def _send_gathered(self, rows: list[BatchRow]) -> float:
        """Decide on batches of the calls that are to go out; seconds until more are, 0 where some were made."""
        wait_s, made = math.inf, 0
        hurried, self._hurried = self._hurried, set()
        all_hurried, self._all_hurried = self._all_hurried, False
        for waiting in await self._store.batches.gathered():
            batching = self._client.batching(waiting.agent)
            if batching is None:
                made += await self._make(waiting, None)
                continue
            is_hurried = all_hurried or waiting.agent in hurried
            left_s = 0.0 if is_hurried else self._left_s(waiting, batching)
            at_work = sum(row.agent == waiting.agent and row.state in ("made", "submitted") for row in rows)
            room = batching.settings.max_batches - at_work
            full_s = self._full_until.get(waiting.agent, 0.0) - self._clock()
            if full_s > 0 or (left_s <= 0 and room <= 0):
                self._hurried |= {waiting.agent} if is_hurried else set()
                wait_s = min(wait_s, full_s) if full_s > 0 else wait_s
            elif left_s > 0:
                wait_s = min(wait_s, left_s)
            else:
                made += await self._make(waiting, batching)
                self._hurried |= {waiting.agent} if is_hurried else set()  # There may be more than fit in one.
        await self._count_gathered()
        return 0.0 if made else wait_s

    def _left_s(self, waiting: GatheredRow, batching: AgentBatching) -> float:
        """Seconds until the calls of an agent go out."""
        is_large = waiting.calls >= self._most_calls(batching) or waiting.bytes >= batching.provider.most_bytes
        return 0.0 if is_large else waiting.since + batching.settings.max_wait_s - self._now()

    def _most_calls(self, batching: AgentBatching) -> int:
        """Of one batch."""
        most = batching.settings.max_requests
        return min(most, self._fits.get(batching.agent, most))

    async def _count_gathered(self) -> None:
        rows = await self._store.batches.gathered()
        self.batched.gathered.clear()
        self.batched.gathered.update({waiting.agent: waiting.calls for waiting in rows})

    async def _make(self, waiting: GatheredRow, batching: AgentBatching | None) -> int:
        """Decide on a batch, and return how many calls it holds; one of an agent that is gone only lets them go."""
        id_ = secrets.token_hex(16)
        self._made_here.add(id_)
        model, most_calls, most_bytes = "", waiting.calls, waiting.bytes
        if batching is not None:
            model, most_calls = batching.endpoint.model, self._most_calls(batching)
            most_bytes = batching.provider.most_bytes
        bounds = {"most_calls": most_calls, "most_bytes": most_bytes}
        made = await self._store.batches.make(id_, waiting.agent, model, **bounds)
        crash_point("batch_made")
        return made

    async def _work_on(self, row: BatchRow, room: anyio.Semaphore) -> None:
        async with room:
            batching = self._client.batching(row.agent)
            if batching is None:
                await self._abandon(row)
            else:
                await self._step(row, batching)

    async def _abandon(self, row: BatchRow) -> None:
        """The agent is not in agents.yaml any more: nobody can ask for what its batch holds."""
        if row.state in ("made", "submitted"):
            is_sent = row.state == "submitted" or row.id not in self._made_here
            end = EndOfBatch(said="abandoned", tries=0, falls_back=True, may_be_paid=is_sent)
            await self._steps.end(row, end, why=f"agent {row.agent} is not in agents.yaml any more")
        await self._store.batches.close(row.id)

    async def _step(self, row: BatchRow, batching: AgentBatching) -> None:
        """One step of a batch, and the next ones that need not wait; what fails is told, and tried again."""
        self._due_at[row.id] = self._clock() + batching.settings.poll_s
        try:
            if row.state == "made":
                await self._submit(row, batching)
            elif row.state == "submitted":
                await self._look(row, batching)
            else:
                await self._steps.delete(row, batching)
                self._forget(row)
        except StarAgentsError:
            raise  # The store is lost.
        except Exception as error:
            told = translate(error, agent=row.agent, model=row.model)
            again = f"its batch {row.id[:12]} is asked about again in {batching.settings.poll_s:g} s"
            self._bus.publish(BatchTroubled(agent=row.agent, batch=row.id, message=f"{told}; {again}"))

    async def _submit(self, row: BatchRow, batching: AgentBatching) -> None:
        is_new = row.id in self._made_here
        self._made_here.discard(row.id)
        if await self._steps.submit(row, batching, is_new=is_new):
            found = f"a batch of {row.requests:,} calls in the account may be {row.id[:12]}"
            self._tell_trouble(row, f"{found}, as its results will tell; until then no other is made of those calls")

    async def _look(self, row: BatchRow, batching: AgentBatching) -> None:
        try:
            look = await batching.provider.look(row.provider_id)
        except HttpFailure as failure:
            if failure.status_code != 404:
                raise
            if (row.submitted_at or row.made_at) + _GIVEN_UP_AFTER_S > self._now():
                unknown = (
                    f"its provider knows no batch {row.provider_id}; is the key that of the account it was made in?"
                )
                self._tell_trouble(row, f"{unknown} A day after that it is given up, and its calls go again")
                return
            look = Look(is_ended=True, said="gone", is_lost=True)
        if look.said != row.said:
            await self._store.batches.note_said(row.id, look.said)
        if not look.is_ended:
            return
        await self._steps.take_in(row, batching, look)
        if look.is_full:
            await self._wait_for_room(row, batching)
        await self._steps.delete(row, batching)
        self._forget(row)

    async def _wait_for_room(self, row: BatchRow, batching: AgentBatching) -> None:
        """Let a while pass before the next batch, and make it smaller where nothing else of ours fills the queue."""
        self._full_until[row.agent] = self._clock() + _FULL_POLLS * batching.settings.poll_s
        others = await self._store.batches.at_work()
        if row.requests > 1 and not any(one.agent == row.agent and one.state == "submitted" for one in others):
            self._fits[row.agent] = fits = min(self._most_calls(batching), row.requests // 2)
            too_large = f"a batch of {row.requests:,} calls is more than its provider takes at once"
            self._tell_trouble(row, f"{too_large}; they go in batches of up to {fits:,} (`batch: {{max_requests: N}}`)")

    def _tell_trouble(self, row: BatchRow, what: str) -> None:
        self._bus.publish(BatchTroubled(agent=row.agent, batch=row.id, message=f"agent {row.agent}: {what}"))

    def _forget(self, row: BatchRow) -> None:
        self._due_at.pop(row.id, None)

    def _on_gathered(self, agent: str, is_first: bool) -> None:
        batching = self._client.batching(agent)
        is_enough = batching is not None and self.batched.gathered[agent] >= self._most_calls(batching)
        if is_first or is_enough:  # From the first one on there is a moment at which it goes out.
            self._news.set()

    def _hurry(self, agent: str) -> None:
        self._hurried.add(agent)
        self._news.set()
