"""Reads a file of seeds and queues them as `run` does, and works them where asked: in a process of its own.

The files of a finished run are not written: that is an export of all that the store holds, which is measured by itself.

    python -m scale_bench.intake agents.yaml seeds.jsonl FOLDER [work]
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from star_agents.config.models import Config
from star_agents.config.reading import read_config
from star_agents.engine.batch import load_seeds
from star_agents.engine.stages import declarations_of, stages_of
from star_agents.engine.wiring import open_engine
from star_agents.observe.bus import Bus
from star_agents.observe.logs import log_event, set_up_logging
from star_agents.storage.incoming.gathered_seeds import ids_of
from star_agents.storage.store import Store
from star_agents.storage.windows import windows

AT_ONCE = 10_000
"""Seeds of one transaction, as `run` does."""


async def take_in(config: Config, seeds_path: Path, out: Path, *, is_worked: bool) -> int:
    """Queue what the file holds; how many were new."""
    seeds = load_seeds(seeds_path, config, skip_bad=False, limit=None).seeds
    new = 0
    async with await Store.open(out) as store:
        for window in windows(seeds, AT_ONCE):
            new += (await store.add_seeds(window))[0]
        await store.begin_run(ids_of(seeds), only=False)
        await store.run_seeds()
        if is_worked:
            await _work(config, store, len(seeds))
    return new


async def _work(config: Config, store: Store, expected: int) -> None:
    bus = Bus()
    bus.subscribe(log_event)
    set_up_logging(level="error", folder=store.folder)
    await store.declare_recipes(declarations_of(stages_of(config)))
    async with open_engine(config, store, bus=bus, seeds_expected=expected, ends_when_empty=True) as line:
        await line.work()


def main() -> None:
    """Take in, and say how many seeds were new."""
    config, seeds, out = map(Path, sys.argv[1:4])
    is_worked = sys.argv[4:] == ["work"]

    async def run() -> int:
        return await take_in(read_config(config), seeds, out, is_worked=is_worked)

    print(anyio.run(run))


if __name__ == "__main__":
    main()
