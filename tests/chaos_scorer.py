"""Scorer processes that are killed, stopped and hung, at rest, at work and while they load: every call is answered."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from scoring_mortal_worker import count

from star_agents.config.sections import ScoringConfig
from star_agents.errors import ScorerError
from star_agents.records import Sample, Score
from star_agents.scoring import Scorer
from star_agents.scoring.hangs import Limits

MORTAL = str(Path(__file__).with_name("scoring_mortal_worker.py"))
LIMITS = Limits(look_s=5, stopped_s=60, request_s=299, first_rate_cpu=1e9, slack=0)
ENOUGH = 60
"""Looks after which every limit is passed."""
ANSWERED_S = 120.0
"""A call that is not answered by then never will be."""


@dataclass
class ScorerReport:
    """What became of calls whose process was hurt. ``violations`` holds a sentence for each without its answer."""

    rounds: int
    seed: int
    ways: Counter[str] = field(default_factory=Counter)
    deaths: int = 0
    """Processes that were given up and replaced."""
    violations: list[str] = field(default_factory=list)


class Looks:
    """The time between two looks at a scorer process passes when somebody says so."""

    def __init__(self) -> None:
        self._due = anyio.Semaphore(0)

    def pass_by(self, count: int) -> None:
        """Let so many looks be taken, from now on."""
        for _ in range(count):
            self._due.release()

    async def sleep(self, seconds: float) -> None:
        """In place of ``anyio.sleep``."""
        await self._due.acquire()


def stop(pid: int) -> None:
    """SIGSTOP, and wait until it is stopped."""
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)


def hurt_scorers(folder: Path, *, rounds: int, seed: int) -> ScorerReport:
    """Hurt a scorer process ``rounds`` times, every way in turn."""
    report = ScorerReport(rounds=rounds, seed=seed)
    ways = sorted(WAYS)
    random.Random(seed).shuffle(ways)
    for number in range(rounds):
        place = folder / str(number)
        place.mkdir()
        way = ways[number % len(ways)]
        report.ways[way] += 1
        try:
            asyncio.run(_one(place, way, report))
        except (ScorerError, TimeoutError) as error:
            report.violations.append(f"{way}: no answer: {str(error).partition(chr(10))[0] or 'waited in vain'}")
    return report


async def _one(place: Path, way: str, report: ScorerReport) -> None:
    os.mkfifo(place / "gate")
    looks = Looks()
    scorer = Scorer(
        ScoringConfig(small="once" if way == "killed while loading" else "letters"),
        command=(sys.executable, MORTAL, "light", str(place / "gate")),
        limits=LIMITS,
        sleep=looks.sleep,
    )
    asked = [Sample(instruction="ONCE" if way == "hung at work" else "i" * index) for index in range(1, 6)]
    async with asyncio.timeout(ANSWERED_S), scorer:
        found = await WAYS[way](scorer, looks, asked, place)
        report.deaths += scorer.stats().deaths
    if found != [count(sample) for sample in asked]:
        report.violations.append(f"{way}: other scores than those of a process that nobody hurt")


async def _killed(scorer: Scorer, looks: Looks, asked: list[Sample], place: Path) -> list[Score]:
    assert scorer.pid is not None
    os.kill(scorer.pid, signal.SIGKILL)
    return await scorer.score(asked)


async def _stopped(scorer: Scorer, looks: Looks, asked: list[Sample], place: Path) -> list[Score]:
    assert scorer.pid is not None
    stop(scorer.pid)
    looks.pass_by(12)
    return await scorer.score(asked)


async def _hung(scorer: Scorer, looks: Looks, asked: list[Sample], place: Path) -> list[Score]:
    """At work it waits for good; its successor does not."""
    found: list[Score] = []

    async def call() -> None:
        found.extend(await scorer.score(asked))

    here = os.open(place / "gate", os.O_RDWR | os.O_NONBLOCK)
    try:
        async with anyio.create_task_group() as caller:
            caller.start_soon(call)
            await anyio.wait_readable(here)
            looks.pass_by(ENOUGH)
    finally:
        os.close(here)
    return found


async def _only_asked(scorer: Scorer, looks: Looks, asked: list[Sample], place: Path) -> list[Score]:
    return await scorer.score(asked)


WAYS: dict[str, Callable[[Scorer, Looks, list[Sample], Path], Awaitable[list[Score]]]] = {
    "hung at work": _hung,
    "killed at rest": _killed,
    "killed while loading": _only_asked,
    "stopped at rest": _stopped,
}
