"""Works a store until it is killed. Forked, one kill after another, from a process that has imported everything.

Reads a first seed number from standard input, forks, and the child tells on standard output what is durable: ``pid``,
``seed``, ``sent`` (the provider charges now), ``answer``, ``outcome``. ``dead`` follows when the child is gone.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from storage_samples import intent, keeping, make_memory, make_outcome, make_reply, make_seed

from star_agents.records import PAIRS, Seed
from star_agents.storage.store import Store

LANES = 8


def tell(what: str, whom: str) -> None:
    """One write to a pipe is whole or not there."""
    os.write(1, f"{what} {whom}\n".encode())


class Worker:
    """What a line does with its store, without the line. ``tell`` hears what is durable."""

    def __init__(self, store: Store, tell: Callable[[str, str], None], outcomes: int) -> None:
        self._store = store
        self._tell = tell
        self._outcomes = outcomes
        self._settling = asyncio.Lock()

    @classmethod
    async def of(cls, store: Store, tell: Callable[[str, str], None]) -> Self:
        """Go on where the store ended."""
        policy = (await store.load_pools()).get(PAIRS)
        return cls(store, tell, policy.state["outcomes"] if policy else 0)

    async def lane(self, numbers: Iterator[int]) -> None:
        """Work what waits; bring a seed where nothing may be taken."""
        while True:
            for seed in await self._store.lease(1) or await self._bring(next(numbers)):
                await self.finish(seed)

    async def _bring(self, number: int) -> list[Seed]:
        seed = make_seed(number)
        await self._store.add_seeds([seed])
        self._tell("seed", seed.id)
        return []

    async def finish(self, seed: Seed) -> None:
        """One call, journaled, and the outcome."""
        store = self._store
        if await store.find_answer(seed.id) is None:
            await store.intend([intent(seed.id, seed_id=seed.id)])
            self._tell("sent", seed.id)
            await store.record_answers([(seed.id, make_reply(f"Answer to {seed.id}."))])
            self._tell("answer", seed.id)
        async with self._settling:
            policy = {"outcomes": self._outcomes + 1}
            await store.commit_outcome(
                make_outcome(seed), foresee=keeping(policy), memory=make_memory(1.0, 2.0), revision=1
            )
            self._outcomes += 1
        self._tell("outcome", seed.id)


async def work(folder: Path, start: int) -> None:
    """Never ends by itself."""
    async with await Store.open(folder) as store:
        worker, numbers = await Worker.of(store, tell), itertools.count(start)
        await asyncio.gather(*(worker.lane(numbers) for _ in range(LANES)))


def main() -> None:
    """Fork for every line of standard input."""
    folder = Path(sys.argv[1])
    while line := sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            tell("pid", str(os.getpid()))
            try:
                asyncio.run(work(folder, int(line)))
            except BaseException:
                traceback.print_exc()
            os._exit(1)
        os.waitpid(pid, 0)
        tell("dead", str(pid))


if __name__ == "__main__":
    main()
