"""The product's batch function with a look at its event loop from within; takes the options of `run`.

Beside the batch runs one task that asks for a tick every few milliseconds and writes down how late each came.
Afterwards it counts what is left: tasks, and sockets of this process. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import time
from array import array
from pathlib import Path
from typing import Any

import anyio
from rich.console import Console

from star_agents.config.reading import read_config
from star_agents.engine.batch import load_seeds, run_batch
from star_agents.observe.logs import set_up_logging


class Ticks:
    """How late the loop was, again and again. In arrays, so that a long run does not grow by them."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self.due = array("d")
        """When each tick was due, in monotonic seconds."""
        self.late = array("f")
        """How many seconds late it came."""
        self.most_tasks = 0

    async def listen(self) -> None:
        """Until cancelled."""
        while True:
            due = time.monotonic() + self._period_s
            await asyncio.sleep(self._period_s)
            self.due.append(due)
            self.late.append(max(0.0, time.monotonic() - due))
            if len(self.late) % 200 == 0:
                self.most_tasks = max(self.most_tasks, len(asyncio.all_tasks()))


async def drive(config_path: Path, seeds_path: Path, out: Path, tick_s: float) -> dict[str, Any]:
    """Run the batch and count."""
    config = read_config(config_path)
    seeds = load_seeds(seeds_path, config, skip_bad=False, limit=None).seeds
    ticks, sockets_before, own = Ticks(tick_s), _sockets(), asyncio.current_task()
    async with anyio.create_task_group() as beside:
        beside.start_soon(ticks.listen)
        quiet = Console(quiet=True)
        result = await run_batch(config, seeds, seeds_path.name, out, retry_dropped=False, console=quiet)
        beside.cancel_scope.cancel()
    gc.collect()
    await asyncio.sleep(0.1)
    left = [repr(task.get_coro()) for task in asyncio.all_tasks() if task is not own]
    return {
        "counts": result.summary["counts"],
        "stopped_by": result.stopped_by,
        "calls": result.calls,
        "due": ticks.due.tolist(),
        "late": ticks.late.tolist(),
        "most_tasks": ticks.most_tasks,
        "tasks_left": left,
        "sockets_left": _sockets() - sockets_before,
    }


def _sockets() -> int:
    """Open ones of this process."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
        except OSError:
            continue
    return found


def main() -> None:
    """Drive and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for short, name in (("-c", "--config"), ("-s", "--seeds"), ("-o", "--out")):
        parser.add_argument(short, name, type=Path, required=True)
    parser.add_argument("--tick", type=float, default=0.005)
    given = parser.parse_args()
    set_up_logging(level="error")
    logging.captureWarnings(True)
    print(json.dumps(anyio.run(drive, given.config, given.seeds, given.out, given.tick)))


if __name__ == "__main__":
    main()
