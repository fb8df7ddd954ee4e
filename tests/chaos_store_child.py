"""Works a store until it is killed. Forked, one kill after another, from a process that has imported everything.

Reads a first seed number from standard input, forks, and the child tells on standard output what is durable: ``pid``,
``seed``, ``sent`` (the provider charges now), ``answer``, ``outcome``. ``dead`` follows when the child is gone.
The second argument names what is worked.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, Self

from chaos_chain_store import ChainWorker
from storage_samples import answer_to, intent, make_memory, make_outcome, make_reply, make_seed

from star_agents.records import PAIRS, Reward, Seed
from star_agents.storage.ledger import Committed, PoolStates
from star_agents.storage.outcome_groups import ToCommit
from star_agents.storage.store import Store

LANES = 8


def tell(what: str, whom: str) -> None:
    """One write to a pipe is whole or not there."""
    os.write(1, f"{what} {whom}\n".encode())


class Worker(Protocol):
    """What a line does with its store, without the line."""

    waits_for_suspects: bool
    """Whether nothing is brought while a seed is worked alone, which was in hand at a kill."""

    def seed(self, number: int) -> Seed:
        """A new one."""

    async def finish(self, seed: Seed) -> None:
        """What is paid for, journaled, and the outcome."""


class StarWorker:
    """What Star's line does. ``tell`` hears what is durable."""

    waits_for_suspects = False

    def __init__(self, store: Store, tell: Callable[[str, str], None], outcomes: int) -> None:
        self._store = store
        self._tell = tell
        self._outcomes = outcomes
        self._ready: list[Seed] = []
        self._settling = asyncio.Lock()

    @classmethod
    async def of(cls, store: Store, tell: Callable[[str, str], None]) -> Self:
        """Go on where the store ended."""
        policy = (await store.load_pools()).get(PAIRS)
        return cls(store, tell, policy.state["outcomes"] if policy else 0)

    def seed(self, number: int) -> Seed:
        """A new one."""
        return make_seed(number)

    async def finish(self, seed: Seed) -> None:
        """One call, journaled, and the outcome."""
        store = self._store
        if await answer_to(store, seed.id) is None:
            await store.intend([intent(seed.id, seed_id=seed.id)])
            self._tell("sent", seed.id)
            await store.record_answers([(seed.id, make_reply(f"Answer to {seed.id}."))])
            self._tell("answer", seed.id)
        self._ready.append(seed)
        async with self._settling:
            group, self._ready = self._ready, []
            for committed in await store.commit_outcomes([self._to_commit(one) for one in group]):
                assert isinstance(committed, Committed), committed
            self._outcomes += len(group)
            for one in group:
                self._tell("outcome", one.id)

    def _to_commit(self, seed: Seed) -> ToCommit:
        def learned(_: Sequence[Reward], after: PoolStates) -> PoolStates:
            """Counts the outcomes, those before it in the same transaction included."""
            return {PAIRS: {"outcomes": after.get(PAIRS, {"outcomes": self._outcomes})["outcomes"] + 1}}

        return ToCommit(make_outcome(seed), learned, make_memory(1.0, 2.0), revision=1)


WORKERS: dict[str, Callable[[Store, Callable[[str, str], None]], Awaitable[Worker]]] = {
    "star": StarWorker.of,
    "chain": ChainWorker.of,
}


async def work(folder: Path, start: int, what: str) -> None:
    """Never ends by itself."""
    async with await Store.open(folder) as store:
        worker, numbers = await WORKERS[what](store, tell), itertools.count(start)
        await asyncio.gather(*(_lane(store, worker, numbers) for _ in range(LANES)))


async def _lane(store: Store, worker: Worker, numbers: Iterator[int]) -> None:
    """Work what waits; bring a seed where nothing may be taken."""
    while True:
        if leased := await store.lease_one():
            await worker.finish(leased[0])
        elif store.holds_back and worker.waits_for_suspects:
            await asyncio.sleep(0.001)
        else:
            seed = worker.seed(next(numbers))
            await store.add_seeds([seed])
            tell("seed", seed.id)


def main() -> None:
    """Fork for every line of standard input."""
    folder, what = Path(sys.argv[1]), sys.argv[2]
    while line := sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            tell("pid", str(os.getpid()))
            try:
                asyncio.run(work(folder, int(line), what))
            except BaseException:
                traceback.print_exc()
            os._exit(1)
        os.waitpid(pid, 0)
        tell("dead", str(pid))


if __name__ == "__main__":
    main()
