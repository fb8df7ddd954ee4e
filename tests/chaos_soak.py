"""A daemon that works seed after seed, as fast as a provider without latency lets it: does anything grow?

The daemon is the real one, in a process of its own, with one task more beside it: that one looks at the process and
tells in the log what it holds. The memory bank is off: it grows by design, by a kilobyte or two for every sample that a
pair won.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from chaos_provider import charges, provider
from daemons import PATIENCE_S
from lines import agents_yaml

from star_agents.engine.daemon import serve
from star_agents.observe.logs import LogFeed, set_up_logging
from star_agents.storage.connection import log_bytes
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import STORE_FILE

CONCURRENCY = 16
PORTION = 100
"""Seeds per request; the next comes when fewer than two of them wait."""
SAMPLED_EVERY_S = 0.5
WARM_UP = 0.2
"""Share of the seeds after which nothing may grow any more."""
MEMORY_GROWTH = 0.05
LOG_MIB = 64.0
MIB = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """What a process holds at one moment."""

    done: int
    """Seeds with an outcome."""
    memory: float
    """Resident, in MiB."""
    files: int
    """Open file descriptors."""
    threads: int
    tasks: int
    """Of asyncio."""
    log: float
    """SQLite's write-ahead log, in MiB."""
    cpu: float
    """Seconds since its start."""


@dataclass
class SoakReport:
    """What the soak held, from the end of the warm-up to the last seed."""

    rounds: int
    seed: int = 0
    outcomes: int = 0
    charges: int = 0
    samples: list[Sample] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        late, early = self.samples[-1], self.first
        seeds = max(1, late.done - early.done)
        return (
            f"memory {early.memory:.1f} to {late.memory:.1f} MiB, files {early.files} to {late.files}, "
            f"threads {early.threads} to {late.threads}, most tasks {max(one.tasks for one in self.samples)}, "
            f"largest log {max(one.log for one in self.samples):.1f} MiB, "
            f"{1000 * (late.cpu - early.cpu) / seeds:.1f} ms of CPU per seed"
        )

    @property
    def first(self) -> Sample:
        """The first sample after the warm-up."""
        return next(one for one in self.samples if one.done >= WARM_UP * self.rounds)


def soak(folder: Path, *, rounds: int) -> SoakReport:
    """Work ``rounds`` seeds and say what grew."""
    report = SoakReport(rounds=rounds)
    config, data, book = folder / "agents.yaml", folder / "data", folder / "book.jsonl"
    with provider(book) as url:
        shape = f"concurrency: {CONCURRENCY}\nmemory: off\n"
        config.write_text(agents_yaml(url, replaced=shape))
        with _process(config, data) as (process, told):
            _feed(told, rounds)
            report.samples = told.samples
            process.send_signal(signal.SIGTERM)
            if code := process.wait(timeout=PATIENCE_S):
                report.violations.append(f"the daemon ended with {code}")
    with StoreReader(data) as reader:
        report.outcomes = reader.counts().selected
    report.charges = len(charges(book, 0)[0])
    report.violations += _grown(report)
    return report


def _grown(report: SoakReport) -> list[str]:
    """What is more at the end than after the warm-up."""
    after = [one for one in report.samples if one.done >= WARM_UP * report.rounds]
    third = max(1, len(after) // 3)
    early, late = after[:third], after[-third:]

    def most(samples: Sequence[Sample], what: str) -> float:
        return max(float(getattr(one, what)) for one in samples)

    memory = [statistics.median(one.memory for one in part) for part in (early, late)]
    grown = [
        f"{what} grew from {most(early, what):g} to {most(late, what):g}"
        for what, slack in (("files", 2), ("threads", 1), ("tasks", CONCURRENCY))
        if most(late, what) > most(early, what) + slack
    ]
    if memory[1] > memory[0] * (1 + MEMORY_GROWTH):
        grown.append(f"memory grew from {memory[0]:.1f} to {memory[1]:.1f} MiB")
    if most(after, "log") > LOG_MIB:
        grown.append(f"the log grew to {most(after, 'log'):.1f} MiB")
    if report.outcomes != report.rounds:
        grown.append(f"{report.rounds} seeds have {report.outcomes} outcomes")
    return grown


class _Told:
    """The daemon's log as it comes: its address, how many seeds have ended, and what the process held."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.samples: list[Sample] = []
        self._address = ""
        self._done = 0
        self._news = threading.Condition()
        self._process = process
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for text in self._process.stderr:
            line = json.loads(text)
            with self._news:
                match line["event"]:
                    case "outcome_committed":
                        self._done += 1
                    case "state_changed" if line["state"] == "ready":
                        self._address = line["detail"].split()[0]
                    case "sampled":
                        self.samples.append(Sample(done=self._done, **line["sample"]))
                self._news.notify_all()

    @property
    def address(self) -> str:
        """Once the daemon is ready."""
        with self._news:
            assert self._news.wait_for(lambda: self._address, PATIENCE_S), "the daemon is not ready"
        return self._address

    def wait_for(self, done: int) -> None:
        """Until so many seeds have ended."""
        with self._news:
            assert self._news.wait_for(lambda: self._done >= done, PATIENCE_S), f"{self._done} of {done} seeds ended"

    def wait_for_a_look(self) -> None:
        """Until the process has told what it holds now."""
        with self._news:
            seen = len(self.samples)
            assert self._news.wait_for(lambda: len(self.samples) > seen, PATIENCE_S), "the daemon tells nothing"


@contextmanager
def _process(config: Path, data: Path) -> Iterator[tuple[subprocess.Popen[str], _Told]]:
    tests = Path(__file__).resolve().parent
    environment = {**os.environ, "LINE_TEST_KEY": "sk-line-test", "PYTHONPATH": f"{tests.parent}:{tests}"}
    command = [sys.executable, __file__, str(config), str(data)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, _Told(process)
        finally:
            process.kill()


def _feed(told: _Told, seeds: int) -> None:
    """Bring seeds as they are worked, so that the queue is neither empty nor long."""
    for first in range(0, seeds, PORTION):
        numbers = range(first, min(seeds, first + PORTION))
        rows = [{"instruction": f"What follows {number}?", "output": f"It is {number + 1}."} for number in numbers]
        request = urllib.request.Request(f"{told.address}/v1/seeds", json.dumps(rows).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=PATIENCE_S):
            pass
        told.wait_for(first - PORTION)
    told.wait_for(seeds)
    told.wait_for_a_look()


# In the daemon's process


async def _serve_and_tell(config: Path, data: Path, log: LogFeed) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_tell, data / STORE_FILE)
        await serve(config, data, port=0, log=log)
        tasks.cancel_scope.cancel()


async def _tell(store: Path) -> None:
    """One line for each look, among those of the log."""
    while True:
        await anyio.sleep(SAMPLED_EVERY_S)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        sample = {
            "memory": int(status["VmRSS"].split()[0]) * 1024 / MIB,
            "files": len(os.listdir("/proc/self/fd")),
            "threads": int(status["Threads"]),
            "tasks": len(asyncio.all_tasks()),
            "log": log_bytes(store) / MIB,
            "cpu": usage.ru_utime + usage.ru_stime,
        }
        print(json.dumps({"event": "sampled", "sample": sample}), file=sys.stderr, flush=True)


def main() -> None:
    """Serve until told otherwise."""
    config, data = Path(sys.argv[1]), Path(sys.argv[2])
    anyio.run(_serve_and_tell, config, data, set_up_logging(level="info", folder=data))


if __name__ == "__main__":
    main()
