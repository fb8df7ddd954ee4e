"""SIGTERM and SIGINT, once or twice, to a batch whose provider hangs, sleeps, fails and asks for rests without end.

It ends within its limit whatever it waits for, with the signal's exit code; the same command on the same folder loses
no seed, ends none twice, and pays again for nothing but what was in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from chaos_audit import Audit, Facts
from chaos_provider import signed
from lines import agents_yaml
from openai_server import Body, Cut, Fault, Hang, Move, OpenAIServer

from star_agents.storage.incoming.seed_files import seed_from_row

DRAIN_S = 1.0
LONG_DRAIN_S = 600.0
"""Where a second signal comes: what ends the run then is not the limit."""
MARGIN_S = 20.0
"""For the files that are written at the end, on a machine that does other work too."""
SEEDS = 250
SIGNALS_PER_FOLDER = 15
"""Before its seeds are finished and the next folder is begun."""
CONCURRENCY = 8
CANDIDATES = 2
AT_ONCE = CONCURRENCY * CANDIDATES
PATIENCE_S = 200_000
"""Longer than any rest that a provider is granted, so that a run waits in it and does not end by itself."""
FINISHED_S = 120.0
"""For all that is left, once the provider answers well."""
_STARTS_S = 60.0
_WORKS_S = 1.5
_SHAPES = ("", ", requests_per_minute: 600", ", max_concurrency: 3")
"""Of the agents, by folder."""
_MOODS: Mapping[str, Mapping[str, int]] = {
    "answers": {"answer": 20, "sleep": 1},
    "hangs": {"answer": 4, "hang": 1},
    "rests": {"answer": 6, "rest": 1},
    "sleeps": {"answer": 1, "sleep": 2},
    "fails": {"answer": 4, "fault": 1, "cut": 1},
    "everything": {"answer": 12, "hang": 1, "rest": 1, "sleep": 4, "fault": 1, "cut": 1},
    "nothing": {"hang": 3, "rest": 1},
}
"""How often what befalls a request, by round."""


@dataclass
class RunDrainReport:
    """What the signals did. ``violations`` holds a sentence for each promise that was broken, and is empty."""

    rounds: int
    seed: int
    signals: Counter[str] = field(default_factory=Counter)
    """What was sent; `none` where the run had ended before."""
    moods: Counter[str] = field(default_factory=Counter)
    waiting: int = 0
    """Rounds that ended with seeds waiting."""
    slowest_s: float = 0.0
    """From the last signal to the end."""
    seeds: int = 0
    outcomes: int = 0
    charges: int = 0
    repaid_in_flight: int = 0
    worst_in_flight: int = 0
    violations: list[str] = field(default_factory=list)


class Provider:
    """Answers by its mood."""

    def __init__(self, draw: random.Random) -> None:
        self.mood: Mapping[str, int] = {"answer": 1}
        self._draw = draw
        self._never = asyncio.Event()

    async def move(self, body: Body) -> Move:
        """What befalls a request."""
        (kind,) = self._draw.choices(list(self.mood), weights=list(self.mood.values()))
        match kind:
            case "hang":
                return Hang(release=self._never)
            case "rest":
                return Fault(status=self._draw.choice((429, 429, 503)), retry_after=self._rest())
            case "fault":
                return Fault(status=self._draw.choice((500, 502, 503)))
            case "cut":
                return Cut()
            case "sleep":
                await asyncio.sleep(self._draw.choice((0.05, 0.3, 1.0, 5.0)))
        return signed(body)

    def _rest(self) -> str:
        """As `Retry-After` says it: seconds, or a date."""
        later = datetime.now(UTC) + timedelta(seconds=self._draw.choice((90, 7_200, 10**8)))
        dates = (format_datetime(later, usegmt=True), "Fri, 31 Dec 9999 23:59:59 GMT")
        return self._draw.choice(("120", "600", "86400", "1000000000", "1e9", *dates))


def drain_runs(folder: Path, *, rounds: int, seed: int) -> RunDrainReport:
    """Start a batch, signal it at a random moment, start it again; every some rounds let it finish."""
    report, draw = RunDrainReport(rounds=rounds, seed=seed), random.Random(seed)
    for begun in range(0, rounds, SIGNALS_PER_FOLDER):
        count = min(SIGNALS_PER_FOLDER, rounds - begun)
        asyncio.run(_one_folder(folder / str(begun), count, draw, report))
    return report


async def _one_folder(folder: Path, rounds: int, draw: random.Random, report: RunDrainReport) -> None:
    folder.mkdir(parents=True)
    provider = Provider(draw)
    async with OpenAIServer(provider.move, book=folder / "book.jsonl") as server:
        batch = _Batch(folder, server, provider, draw, report)
        for _ in range(rounds):
            await batch.live_and_be_signalled()
        await batch.finish()
    report.seeds += batch.facts.seeds
    report.outcomes += batch.facts.outcomes
    report.charges += batch.facts.charges
    report.repaid_in_flight += batch.audit.repaid
    report.worst_in_flight = max(report.worst_in_flight, batch.audit.worst)
    report.violations += batch.audit.violations


class _Batch:
    """The lives of one folder, one after another."""

    def __init__(
        self, folder: Path, server: OpenAIServer, provider: Provider, draw: random.Random, report: RunDrainReport
    ) -> None:
        self.audit = Audit(folder=folder / "out", book=folder / "book.jsonl", at_once=AT_ONCE)
        self.facts = Facts()
        self._folder = folder
        self._server = server
        self._provider = provider
        self._draw = draw
        self._report = report
        self._shape = draw.choice(_SHAPES)
        rows = [{"instruction": f"What follows {n}?", "output": f"It is {n + 1}."} for n in range(SEEDS)]
        self._ids = {seed_from_row(row, source="").id for row in rows}
        (folder / "seeds.jsonl").write_text("\n".join(map(json.dumps, rows)))

    async def live_and_be_signalled(self) -> None:
        """One run, and what ends it."""
        mood, is_early = self._draw.choice(sorted(_MOODS)), self._draw.random() < 0.1
        numbers = [self._draw.choice((signal.SIGTERM, signal.SIGTERM, signal.SIGINT))]
        if self._draw.random() < 0.25:
            numbers.append(self._draw.choice((signal.SIGTERM, signal.SIGINT)))
        self._provider.mood = _MOODS[mood]
        self._report.moods[mood] += 1
        what = f"{' then '.join(one.name for one in numbers)} to a run whose provider {mood}"
        process = await self._start(LONG_DRAIN_S if len(numbers) > 1 else DRAIN_S, self._shape)
        is_at_work = await self._reach_a_moment(process, is_early=is_early)
        is_alive = process.returncode is None
        self._report.signals[" then ".join(one.name for one in numbers) if is_alive else "none"] += 1
        code = await self._signal(process, numbers, what) if is_alive else process.returncode
        await self._look(what)
        self._report.waiting += self.facts.outcomes < SEEDS
        right = {None, 128 + numbers[0]} if is_alive else {0}
        if is_alive and not (is_at_work and self.facts.outcomes < SEEDS):
            # Before it works, and once all is done, a signal ends it as it ends any program.
            right |= {0, *(-number for number in numbers), *(128 + number for number in numbers)}
        if code not in right:
            self._tell(f"{what}: ended with {code}{self._last_words()}")

    async def finish(self) -> None:
        """Let the provider answer well, and the seeds that are left end."""
        self._provider.mood = {"answer": 1}
        process = await self._start(DRAIN_S, "")
        code = await self._end_of(process, FINISHED_S, "the run that finishes did not end")
        if code not in (0, None):
            self._tell(f"the run that finishes ended with {code}{self._last_words()}")
        self.audit.told |= self._ids
        await self._look("the end")
        if (self.facts.seeds, self.facts.outcomes, self.facts.working) != (SEEDS, SEEDS, 0):
            self._tell(f"{self.facts.seeds} of {SEEDS} seeds have {self.facts.outcomes} outcomes at the end")

    async def _start(self, drain_s: float, shape: str) -> Process:
        replaced = (
            f"{{server: {{drain_s: {drain_s}}}, concurrency: {CONCURRENCY}, candidates: {CANDIDATES}, "
            "memory: {embedder: hashing}, evolution: {rate: 0.05}, failure_limits: {share: 1.0}}"
        )
        (self._folder / "agents.yaml").write_text(
            agents_yaml(
                self._server.url, per_agent=f", retries: 20, give_up_after_s: {PATIENCE_S}{shape}", replaced=replaced
            )
        )
        words = ("run", "-c", "agents.yaml", "-s", "seeds.jsonl", "-o", "out", "--yes")
        tests = Path(__file__).resolve().parent
        environ = {**os.environ, "LINE_TEST_KEY": "sk-line-test", "PYTHONPATH": str(tests.parent)}
        with (self._folder / "stderr").open("wb") as said:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", "star_agents", *words, cwd=self._folder, env=environ, stdout=DEVNULL, stderr=said
            )

    async def _reach_a_moment(self, process: Process, *, is_early: bool) -> bool:
        """Wait for a random moment; whether it was certainly at work then, and so hears signals."""
        before, ended = len(self._server.requests), asyncio.create_task(process.wait())

        async def requested(count: int, patience_s: float) -> bool:
            come = asyncio.create_task(self._server.until(lambda s: len(s.requests) >= before + count, patience_s))
            await asyncio.wait((come, ended), return_when=asyncio.FIRST_COMPLETED)
            come.cancel()
            with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                await come
            return len(self._server.requests) >= before + count

        if is_early:
            await asyncio.wait((ended,), timeout=self._draw.uniform(0.0, 2.0))
        elif await requested(1, _STARTS_S):
            self.audit.told |= self._ids
            await requested(self._draw.randrange(1, 80), _WORKS_S)
            await asyncio.wait((ended,), timeout=self._draw.uniform(0.0, 0.2))
        if not ended.done():
            ended.cancel()
        return not is_early and len(self._server.requests) > before

    async def _signal(self, process: Process, numbers: Sequence[signal.Signals], what: str) -> int | None:
        """Send it, or both; the exit code."""
        first, *second = numbers
        process.send_signal(first)
        if second:
            # Two of one kind that are sent at once are one.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), self._draw.uniform(0.1, 0.5))
        if second and process.returncode is None:
            process.send_signal(second[0])
        began, limit = time.monotonic(), MARGIN_S if second else DRAIN_S + MARGIN_S
        code = await self._end_of(process, limit, f"{what}: did not end within {limit:g} s")
        self._report.slowest_s = max(self._report.slowest_s, time.monotonic() - began)
        return code

    async def _end_of(self, process: Process, within_s: float, otherwise: str) -> int | None:
        """Its exit code; ``None`` where it had to be killed."""
        try:
            return await asyncio.wait_for(process.wait(), within_s)
        except TimeoutError:
            self._tell(f"{otherwise}{self._last_words()}")
            process.kill()
            await process.wait()
            return None

    async def _look(self, what: str) -> None:
        # What clients that are gone left in the server's sockets is dealt with first.
        await self._server.until(lambda server: server.in_flight == 0)
        self.facts = self.audit.look(f"{what}, in {self._folder.name}")

    def _tell(self, violation: str) -> None:
        self.audit.violations.append(violation)

    def _last_words(self) -> str:
        lines = (self._folder / "stderr").read_text("utf-8", "replace").split("\n")
        said = " | ".join(filter(None, lines[-6:]))
        return f" ({said})" if said else ""
