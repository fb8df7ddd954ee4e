"""One batch in a process of its own, which counts what it takes; prints one JSON object.

    python -m seeds_bench.driver --shape none --seeds 5000 --out FOLDER

CPU is user and system time of the whole process, every thread of it. It is taken twice: of the line alone, from a tenth
of the outcomes to the last one, and of everything, from before the seeds are read to after the files are written.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from rich.console import Console

from seeds_bench.shapes import SHAPES, write_job
from star_agents.engine.batch import load_seeds, run_batch
from star_agents.engine.configuration import read_config
from star_agents.events import Event, OutcomeCommitted
from star_agents.observe.logs import set_up_logging
from star_agents.storage.writer import Writer

SHARE_LEFT_OUT = 0.1
"""Of the outcomes, at the start: what is loaded and made once is not of any seed."""


@dataclass(slots=True)
class Look:
    """What the process has taken so far."""

    cpu_s: float = 0.0
    wall_s: float = 0.0
    turns: int = 0
    """Of the event loop."""
    commits: int = 0
    waits: int = 0
    """Times that a thread gave its core away to wait for something."""

    def since(self, other: Look, seeds: int) -> dict[str, float]:
        """What was taken after another look, for each of so many seeds."""
        return {
            "cpu_ms": 1000 * (self.cpu_s - other.cpu_s) / seeds,
            "wall_ms": 1000 * (self.wall_s - other.wall_s) / seeds,
            "turns": (self.turns - other.turns) / seeds,
            "commits": (self.commits - other.commits) / seeds,
            "waits": (self.waits - other.waits) / seeds,
        }


@dataclass
class Counter:
    """Counts turns of the loop and commits, and looks at both when outcomes are told."""

    seeds: int
    turns: int = 0
    writers: list[Writer] = field(default_factory=list[Writer])
    outcomes: int = 0
    first: Look = field(default_factory=Look)
    last: Look = field(default_factory=Look)

    def look(self) -> Look:
        """As things stand."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return Look(
            cpu_s=used.ru_utime + used.ru_stime,
            wall_s=time.monotonic(),
            turns=self.turns,
            commits=sum(one.commits for one in self.writers),
            waits=used.ru_nvcsw,
        )

    def hear(self, event: Event) -> None:
        """Look at a tenth of the outcomes, and at the last one."""
        if not isinstance(event, OutcomeCommitted):
            return
        self.outcomes += 1
        if self.outcomes == self.skipped:
            self.first = self.look()
        elif self.outcomes == self.seeds:
            self.last = self.look()

    @property
    def skipped(self) -> int:
        """Outcomes that are not measured."""
        return max(1, round(self.seeds * SHARE_LEFT_OUT))

    def count_turns(self, loop: asyncio.AbstractEventLoop) -> None:
        """Each turn asks the selector once."""
        selector: Any = loop._selector  # type: ignore[attr-defined]  # no public way to see turns
        ask = selector.select

        def select(timeout: float | None = None) -> Any:
            self.turns += 1
            return ask(timeout)

        selector.select = select

    def count_commits(self) -> None:
        """Of every writer that starts from now on."""
        begin = Writer.run

        async def run(writer: Writer, work: Any) -> Any:
            if writer not in self.writers:
                self.writers.append(writer)
            return await begin(writer, work)

        Writer.run = run  # type: ignore[assignment, method-assign]  # nobody is told which writer a batch has


async def drive(config_path: Path, seeds_path: Path, out: Path, seeds: int) -> dict[str, Any]:
    """Run the batch and count."""
    counter = Counter(seeds)
    counter.count_turns(asyncio.get_running_loop())
    counter.count_commits()
    before = counter.look()
    config = read_config(config_path)
    file = load_seeds(seeds_path, config, skip_bad=False, limit=None)
    quiet = Console(quiet=True)
    result = await run_batch(
        config, file.seeds, seeds_path.name, out, retry_dropped=False, console=quiet, hear=counter.hear
    )
    after = counter.look()
    kinds = result.summary["counts"]
    if counter.outcomes != seeds or kinds.get("dropped"):
        raise SystemExit(f"of {seeds} seeds {counter.outcomes} ended, {kinds}")
    return {
        "line": counter.last.since(counter.first, seeds - counter.skipped),
        "whole": after.since(before, seeds),
        "calls": result.calls,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Drive and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, required=True)
    parser.add_argument("--seeds", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="an empty folder")
    given = parser.parse_args()
    set_up_logging(level="error")
    config, seeds = write_job(given.out, given.shape, given.seeds)
    print(json.dumps(anyio.run(drive, config, seeds, given.out / "out", given.seeds)))


if __name__ == "__main__":
    main()
