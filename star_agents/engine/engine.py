"""The line: workers that take seeds from the queue through the recipe to a committed outcome.

Both front ends use it: `run` lets it end with the last seed, `serve` keeps it going. It decides nothing about data, and
only joins: seed queue → recipe → outcome committed in one transaction → learned from → published (``wiring.py``).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence

import anyio.lowlevel

from star_agents.agents.client import AgentClient
from star_agents.agents.endpoints import secrets_of
from star_agents.agents.price_check import PriceNotes, refuse_unbounded
from star_agents.agents.prompts import Prompts
from star_agents.bench.bench import Bench
from star_agents.bench.rooms import Rooms
from star_agents.bench.stage import Stage
from star_agents.bench.toolbox import Toolbox
from star_agents.bench.vectors import Embed
from star_agents.config.changes import changes_between, until_restart
from star_agents.config.models import Config
from star_agents.engine.agent_exchange import agents_exchanged
from star_agents.engine.availability import can_draw, essential_agents, is_outage, is_up_again
from star_agents.engine.catching_up import reopen_lacking
from star_agents.engine.failure_watch import FailureWatch
from star_agents.engine.holds import Rest, Waiting
from star_agents.engine.judges import Judges
from star_agents.engine.memory_rows import lesson
from star_agents.engine.model_servers import ModelServers
from star_agents.engine.own_parts import bench_of
from star_agents.engine.provider_batches import ProviderBatches
from star_agents.engine.queue import ChildTurns, SeedQueue
from star_agents.engine.recipe_faults import wrong_kind_fault
from star_agents.engine.rejected_seeds import RejectedSeeds
from star_agents.engine.returned_seeds import ReturnedSeeds
from star_agents.engine.row_checks import rules_of
from star_agents.engine.seed_admission import work_if_admitted
from star_agents.engine.settling import INDEX_SAVED_EVERY, Settling
from star_agents.engine.stages import declarations_of, fault_outcome, stage_for, why_not_taken
from star_agents.errors import AgentError, AwaitsBatch, BudgetExhausted, Postponed, WorkBlocked
from star_agents.events import (
    ConfigApplied,
    Event,
    FailureHoldLifted,
    JudgeScaled,
    SeedReturned,
)
from star_agents.observe.bus import Bus
from star_agents.observe.logs import keep_secret
from star_agents.process.crash_points import crash_point
from star_agents.records import Outcome, Seed
from star_agents.records.failures import FailureCount
from star_agents.scoring.scorer import Scorer
from star_agents.storage.store import Store
from star_agents.storage.stranded import taken_by

OUTAGE_REST_S = 5.0
"""Longest rest in an outage before seeds are tried again; an agent that comes back ends it at once."""
PAUSED = Waiting(reason="paused by a person; resume it on the page, or by POST /v1/resume")
_PAUSED = "paused"


class Engine:
    """Takes seeds in and works them; made by `open_engine`."""

    def __init__(
        self,
        *,
        config: Config,
        revision: int,
        store: Store,
        client: AgentClient,
        servers: ModelServers,
        scorer: Scorer | None,
        embed: Embed | str | None,
        settling: Settling,
        batches: ProviderBatches,
        known_failures: Sequence[FailureCount],
        salt: bytes,
        bus: Bus,
        ends_when_empty: bool,
        now: Callable[[], float],
    ) -> None:
        self.config, self.revision, self.store, self.settling = config, revision, store, settling
        self._taken = taken_by(declarations_of(self.stages))
        self.scorer, self.client, self.servers, self.bus = scorer, client, servers, bus
        self._returned, self._child_turns = ReturnedSeeds(), ChildTurns()
        self.queue = SeedQueue(self._take_one, ends_when_empty=ends_when_empty, store=store)
        self.batches = batches.serving(self.queue)
        self.stopped_by = ""
        """Why a batch ended before its last seed; empty when it did not."""
        self._ends_when_empty, self._now = ends_when_empty, now
        self._rest, self._hold = Rest(now, self._go_on), Rest(now, self._go_on)
        self.failures = FailureWatch(
            config, known_failures, is_batch=ends_when_empty, publish=bus.publish, give_up=self._give_up
        )
        self._prompts = Prompts(config.prompt_texts)
        self._embed, self._salt = embed, salt
        self.judges = Judges(
            store=store,
            client=client,
            prompts=self._prompts,
            salt=salt,
            bus=bus,
            now=now,
            is_paused=lambda: self.queue.is_paused,
            on_settled=self.queue.wake,
        )
        self._rejected, self._tools = RejectedSeeds(), Toolbox(store)
        self.prices = PriceNotes(bus.publish)

    @property
    def stages(self) -> Mapping[str, Stage]:
        """The recipes of the chain in order, by name."""
        return self.settling.stages

    @property
    def waiting_for(self) -> Waiting | None:
        """What keeps the line from taking seeds, if anything does."""
        if self.queue.is_paused:
            return PAUSED
        return self._hold.waiting_for or self._rest.waiting_for or self.judges.waiting_for or self.settling.waiting_for

    @property
    def held_because(self) -> str:
        """Why failures keep the line from taking seeds; empty where none do."""
        return self._hold.waiting_for.reason if self._hold.waiting_for is not None else ""

    @property
    def is_paused(self) -> bool:
        """Whether somebody paused the line."""
        return self.queue.is_paused

    async def pause(self) -> None:
        """Take no seed until resumed, over restarts too: who stops spending must not be surprised. In hand goes on."""
        await self.store.meta_set(_PAUSED, "yes")
        self.queue.pause()

    async def restore_pause(self) -> None:
        """Be paused where the last daemon on this folder was. A batch was asked for and takes no pause over."""
        if not self._ends_when_empty and await self.store.meta_get(_PAUSED):
            self.queue.pause()

    async def resume(self) -> None:
        """Take seeds again."""
        await self.store.meta_set(_PAUSED, "")
        self.queue.resume()
        self._lift_hold("resumed")
        self.judges.look_again()

    async def _take_one(self) -> list[Seed]:
        is_childs = len(self.stages) > 1 and self._child_turns.is_next(self.config.children_first)
        return await self._returned.take_one(self.store, self._taken, newest_child=is_childs)

    async def work(self) -> None:
        """Work seeds with `concurrency` workers until the queue ends.

        Raises:
            ScorerError: when the scorer is lost for good; seeds in hand wait again.
        """
        self.judges.put_in_force(self.config, self.revision)
        if not self._ends_when_empty:  # A batch has done so before it counted what waits.
            await self._catch_up()
        async with anyio.create_task_group() as beside:
            beside.start_soon(self.judges.keep_examined, self.stop if self._ends_when_empty else None)
            beside.start_soon(self.batches.keep)
            async with anyio.create_task_group() as workers:
                for _ in range(self.config.concurrency):
                    workers.start_soon(self._worker)
                    # One per turn of the event loop: thousands that begin in one turn would hold it for seconds.
                    await anyio.lowlevel.checkpoint()
            await self.judges.answered()
            beside.cancel_scope.cancel()
        await self.batches.clean_up()

    async def reconfigure(self, config: Config) -> ConfigApplied:
        """Put a checked config in force; what only a restart changes is named.

        Raises ``ConfigError`` where an agent cannot be called or no budget can hold for it. Whatever is raised, nothing
        has changed: all that may fail is done before the first thing that counts, or is taken back.
        Calls in flight end where they began. A seed in hand goes on without a pair that is gone; one that cannot end
        well without it, because its base or referee is gone, is worked again under the new config.
        """
        old = self.config
        config, delayed = until_restart(old, config)
        keep_secret(*secrets_of(os.environ, config.agents))
        endpoints = self.client.resolve(config.agents)
        refuse_unbounded(config, endpoints)
        async with self.settling.turn:
            settling = self.settling.prepared(config, await rules_of(config, self.store, self.settling.rules))
            async with agents_exchanged(self.client, old, config, endpoints):
                revision = await settling.record()
            crash_point("config_applied")
            self.settling.take_over(settling)
            self.config, self.revision = config, revision
            self._taken = taken_by(declarations_of(self.stages))
            self.judges.put_in_force(config, self.revision)
        self.prices.tell(config, endpoints)
        self._rest.end()
        self._lift_hold("agents.yaml was edited")
        await self.queue.call_back()  # What nobody took may be taken now.
        applied = ConfigApplied(revision=self.revision, changes=changes_between(old, config), needs_restart=delayed)
        self.bus.publish(applied)
        await self._catch_up()
        return applied

    async def _catch_up(self) -> None:
        """Let finished seeds wait that lack what agents.yaml asks for."""
        reopened = await reopen_lacking(self.store, self.stages)
        if reopened is not None:
            self.bus.publish(reopened)
            self.queue.wake()

    async def _worker(self) -> None:
        while (seed := await self._next_seed()) is not None:
            await self._work_on(seed)
            self.queue.seed_ended()

    async def _work_on(self, seed: Seed) -> None:
        """Bring a seed to its outcome, or put it back where nothing can be decided now."""
        is_alone = self._ends_when_empty and self.queue.in_hand == 1
        is_last_try = self._returned.is_at_fault(seed.id, is_alone=is_alone)
        if (stage := stage_for(seed, self.stages)) is None:
            return await self._return(seed)  # Leased before an edit, and to wait until another brings its recipe back.
        bench = bench_of(stage)(seed, stage, self.rooms(), is_last_try=is_last_try)
        if why := why_not_taken(stage, seed):
            return await self._settle(fault_outcome(seed, bench, wrong_kind_fault(why)), bench)
        try:
            outcome = await work_if_admitted(seed, bench, self.settling, self.store)
            if lesson(outcome) is not None:
                await bench.embedding()  # Asked for while the seed can still be put back.
        except AwaitsBatch:
            return await self.batches.park(seed.id)
        except (Postponed, WorkBlocked) as error:
            if isinstance(error, WorkBlocked) and bench.revision == self.revision:  # An edit may have mended it.
                self._stop_or_rest(str(error), until=None)
            return await self._return(seed)
        except BudgetExhausted as error:
            return await self._reach_budget(bench, error)
        except AgentError as error:
            if is_outage(error, self.client.down() & set(self.judges.jury)) and not is_last_try:
                return await self._wait_out(bench, error)
            return await self._drop(bench, error)
        return await self._settle(outcome, bench)

    def rooms(self) -> Rooms:
        """What a bench works with from now on."""
        return Rooms(
            config=self.config,
            revision=self.revision,
            store=self.store,
            client=self.client,
            batched=self.batches.batched,
            prompts=self._prompts,
            jury=self.judges.jury,
            have_voted=self.judges.have_voted,
            scorer=self.scorer,
            is_last_call=self.queue.is_last_call,
            embed=self._embed,
            own_pool=self.settling.own_pool,
            pools=self.settling.pools,
            tools=self._tools,
            salt=self._salt,
            bus=self.bus,
            clock=time.monotonic,
        )

    async def _wait_out(self, bench: Bench, error: AgentError) -> None:
        """Put the seed back and let the line rest until an agent is up again: an outage fails no seed.

        Where a call was given up for 429s, a daemon rests for as long as it was asked to, and a batch ends.
        """
        rejecting = self.client.rejecting()
        is_needed = bool(rejecting.keys() & essential_agents(self.config, self.judges.jury))
        is_rejected = bool(rejecting) and (is_needed or not can_draw(self.config, self.client.unavailable()))
        told = "; ".join(f"agent {name}: {one.why}" for name, one in rejecting.items())
        why = told if is_rejected else str(error)
        if is_rejected and self._ends_when_empty:
            fate = self._rejected.fate_of(bench.seed.id)
            if fate == "dropped":
                return await self._drop(bench, error)
            if fate == "stop":
                self.stop(f"{why}. Run the same command again once the provider takes calls: it goes on from here")
        else:
            rest_s = min((one.asks_again_in_s for one in rejecting.values()), default=0.0) if is_rejected else 0.0
            self._stop_or_rest(why, until=self._now() + max(OUTAGE_REST_S, rest_s))
        self._returned.returned(bench.seed.id, error.part or error.what)
        self.bus.publish(SeedReturned(seed_id=bench.seed.id, reason=str(error)))
        return await self._return(bench.seed)

    async def _drop(self, bench: Bench, error: AgentError) -> None:
        reason = f"{error.part or 'agents'}: {error}{self._returned.told(bench.seed.id)}"
        outcome = Outcome(seed_id=bench.seed.id, kind="dropped", reason=reason, recipe=bench.stage.recipe.name)
        await self._settle(outcome, bench)

    def hear(self, event: Event) -> None:
        """An agent that is up again ends a rest, and failures may end the work; subscribe this to the bus."""
        self.failures.hear(event)
        if is_up_again(event):
            self._rest.end()
            self.judges.look_again()
        elif isinstance(event, JudgeScaled):
            self.queue.wake()  # Those that were put off for it may be taken.

    async def _next_seed(self) -> Seed | None:
        while True:
            await self._hold.over()
            await self._rest.over()
            await self.judges.settled()
            seed = await self.queue.get()
            if seed is None or not (self.queue.is_closed or self.held_because or self.judges.waiting_for):
                return seed
            # Leased in the moment in which the line was told to end or to hold, or an edit brought a judge that has yet
            # to sit its exam: nothing is begun any more.
            await self.store.release(seed.id)
            if self.queue.is_closed:
                return None
            self.queue.seed_ended()

    def _give_up(self, why: str) -> None:
        """Failures have made the work worthless: a batch stops; a daemon takes no seed until somebody has mended it."""
        if self._ends_when_empty:
            self.stop(why)
        else:
            self._hold.begin(Waiting(reason=why))

    def _lift_hold(self, why: str) -> None:
        """Take seeds again; failures count anew, whether they had led to a hold or not."""
        self.failures.begin_anew(self.config)
        if self.held_because:
            self._hold.end()
            self.bus.publish(FailureHoldLifted(why=why))

    async def _reach_budget(self, bench: Bench, error: BudgetExhausted) -> None:
        """Put the seed back and let the line rest."""
        # Whoever brings a pool of its own draws others for those that cannot be paid; the rest ask the same again.
        draws_again = bool(bench.stage.recipe.own_pool) and error.agent is not None
        is_essential = not draws_again or error.agent in essential_agents(self.config, self.judges.jury)
        resets_at = error.resets_at if is_essential else self.client.budgets.next_reset()
        if bench.revision != self.revision or (not is_essential and can_draw(self.config, self.client.unavailable())):
            pass  # Refused under limits that are gone, or in need of another draw: the next try is another one.
        else:
            self._stop_or_rest(str(error), until=resets_at)
        await self._return(bench.seed)

    def _stop_or_rest(self, why: str, *, until: float | None) -> None:
        """Begin no seed before a moment (seconds since 1970), or before an edit of agents.yaml: then a batch ends."""
        if self._ends_when_empty and until is None:
            self.stop(why)
        else:
            self._rest.begin(Waiting(reason=why, until=until))

    async def _return(self, seed: Seed) -> None:
        """Put a seed back to its old place in the queue; its answers stay in the journal."""
        await self.store.release(seed.id)
        if self.waiting_for is None:
            self.queue.wake()

    def _go_on(self) -> None:
        """A rest is over: budgets look at the clock, and seeds that were put back are taken."""
        self.client.budgets.refresh()
        self.queue.wake()

    def stop(self, why: str) -> None:
        """End a batch early: no further seed is taken, those in hand are finished."""
        self.stopped_by = self.stopped_by or why
        self.close()

    def close(self) -> None:
        """Take no further seed; those in hand are finished."""
        self.queue.close()
        self._rest.close()
        self._hold.close()
        self.judges.close()

    async def _settle(self, outcome: Outcome, bench: Bench) -> None:
        """Commit an outcome, learn from it, and tell it; or put its seed back, where an edit may have been its end."""
        committed = await self.settling.settle(outcome, bench, lambda: (self.revision, self.config.embedder))
        if committed is None:
            await self._return(bench.seed)
            return
        outcome = committed.outcome
        self._returned.ended(bench.seed.id, well=outcome.kind != "dropped")
        if outcome.kind != "dropped":
            self._rejected.ended_well()
        if committed.seq % INDEX_SAVED_EVERY == 0:
            for event in self.settling.save_index_soon():
                self.bus.publish(event)
        if committed.new_children:
            self.queue.wake()
        self.bus.publish(committed)
        if bench.revision != self.revision:
            await self._catch_up()  # It was worked for what agents.yaml asked for before.
