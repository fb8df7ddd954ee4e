"""An error in a group of outcomes is heard by those whose it is; the others in it are committed and learned from."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import anyio
from lines import config_for, seeds, take_in_seeds
from openai_server import OpenAIServer

from star_agents.engine.engine import Engine
from star_agents.engine.own_parts import bench_of
from star_agents.engine.stages import stage_for
from star_agents.engine.wiring import open_engine
from star_agents.errors import StoreError
from star_agents.events import OutcomeCommitted
from star_agents.observe.bus import Bus
from star_agents.records import Outcome, Seed
from star_agents.scheduling.memory import Remembered
from star_agents.scheduling.own_pool import NoPool, State
from star_agents.storage.store import Store


class ForgetfulPool(NoPool):
    """Learns of every outcome but one."""

    def __init__(self, *given: Any, fails_at: int, **more: Any) -> None:
        super().__init__(*given, **more)
        self.learned, self._fails_at = 0, fails_at

    def learn(self, state: State | None, remembered: Remembered | None) -> None:
        self.learned += 1
        if self.learned == self._fails_at:
            raise MemoryError("the bank is full")


async def settled_together(line: Engine, of: list[Seed]) -> list[OutcomeCommitted | BaseException | None]:
    """What each of some outcomes hears that come while the turn is somebody else's: the first goes alone, the others
    together."""

    async def settle(seed: Seed) -> OutcomeCommitted | None:
        stage = stage_for(seed, line.stages)
        assert stage is not None
        bench = bench_of(stage)(seed, stage, line.rooms())
        outcome = Outcome(seed_id=seed.id, kind="dropped", reason="of a test", recipe="star")
        return await line.settling.settle(outcome, bench, lambda: (line.revision, ""))

    async with line.settling.turn:
        settling = [asyncio.ensure_future(settle(seed)) for seed in of]
        await anyio.wait_all_tasks_blocked()
    return await asyncio.gather(*settling, return_exceptions=True)


async def test_an_outcome_of_which_nothing_could_be_learned_is_told_so_and_the_others_of_its_group_are_not(
    tmp_path: Path,
) -> None:
    some = seeds(5)
    async with (
        OpenAIServer() as server,
        await Store.open(tmp_path) as store,
        open_engine(config_for(server.url), store, bus=Bus(), seeds_expected=5, ends_when_empty=True) as line,
    ):
        await take_in_seeds(line, some, "test")
        await store.lease(5)
        before = store.stats().commits
        line.settling.own_pool = pool = ForgetfulPool(line.config, bank=None, seeds=None, fails_at=3)
        heard = await settled_together(line, some)
        assert store.stats().commits == before + 2, "one alone, and four together"
        assert [type(one) for one in heard] == [
            OutcomeCommitted, OutcomeCommitted, MemoryError, OutcomeCommitted, OutcomeCommitted
        ]  # fmt: skip
        assert pool.learned == 5, "what stands behind it in the store is learned from"
        assert (await store.counts()).done == 5, "all of them are in the store"


async def test_an_outcome_that_cannot_be_committed_is_told_so_and_the_others_of_its_group_are_not(
    tmp_path: Path,
) -> None:
    some = seeds(5)
    async with (
        OpenAIServer() as server,
        await Store.open(tmp_path) as store,
        open_engine(config_for(server.url), store, bus=Bus(), seeds_expected=5, ends_when_empty=True) as line,
    ):
        await take_in_seeds(line, [*some[:2], *some[3:]], "test")  # The store knows nothing of one.
        await store.lease(5)
        heard = await settled_together(line, some)
        assert [type(one) for one in heard] == [
            OutcomeCommitted, OutcomeCommitted, StoreError, OutcomeCommitted, OutcomeCommitted
        ]  # fmt: skip
        assert (await store.counts()).done == 4
