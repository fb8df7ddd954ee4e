"""Loops that try to make a store lose something; each takes ``rounds`` and ``seed`` and returns a report.

``kill_store`` kills a process at work with signal 9; ``tear_logs`` cuts and damages the write-ahead log as a power cut
might. The suite runs them small, tools/chaos at full size.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from chaos_chain_audit import chain_problems
from chaos_store_child import LANES, WORKERS

from star_agents.storage.connection import connect_reading
from star_agents.storage.store import STORE_FILE, Store

CHECKED_EVERY = 25
"""Kills between two checks of the whole file."""
LONGEST_PAUSE_S = 0.01
"""A few turns of the worker's loop."""
SEEDS_PER_ROUND = 1_000_000
KILLS_PER_STORE = {"chain": 40}
"""Kills of one store before its seeds are finished and the next is begun, where a look reads all of it."""


@dataclass
class KillReport:
    """What the kills did. ``violations`` holds a sentence for each promise that was broken, and is empty."""

    rounds: int
    seed: int
    sqlite: str = sqlite3.sqlite_version
    seeds: int = 0
    outcomes: int = 0
    charges: int = 0
    repaid_in_flight: int = 0
    """Calls that were charged again because a kill fell between sending and recording."""
    worst_in_flight: int = 0
    """Most of them after one kill; never more than are in flight at once."""
    quarantined: int = 0
    """Seeds that the kills brought into quarantine; released at the end, and finished."""
    violations: list[str] = field(default_factory=list)


@dataclass
class _Told:
    """What the dying process said was durable."""

    seeds: set[str] = field(default_factory=set)
    answers: set[str] = field(default_factory=set)
    outcomes: set[str] = field(default_factory=set)
    charges: Counter[str] = field(default_factory=Counter)


def kill_store(folder: Path, *, rounds: int, seed: int, what: str = "star") -> KillReport:
    """Let a process work a store, kill it at a random moment, look at what is left; again and again.

    Args:
        folder: Empty, for the store.
        rounds: Kills.
        seed: Of the random moments.
        what: Of ``chaos_store_child.WORKERS``, who works it.
    """
    report, chance = KillReport(rounds=rounds, seed=seed), random.Random(seed)
    per_store = KILLS_PER_STORE.get(what, rounds)
    for begun in range(0, rounds, per_store):
        place, told = folder / str(begun), _Told()
        place.mkdir(parents=True)
        _kill_one(place, min(per_store, rounds - begun), chance, told, report, what)
        report.charges += told.charges.total()
        report.repaid_in_flight += told.charges.total() - len(told.charges)
    return report


def _kill_one(folder: Path, rounds: int, chance: random.Random, told: _Told, report: KillReport, what: str) -> None:
    with _spawner(folder, what) as (orders, news):
        for round_ in range(rounds):
            orders.write(f"{round_ * SEEDS_PER_ROUND}\n")
            orders.flush()
            _hear_until_killed(news, chance, told, report)
            if (folder / STORE_FILE).exists():
                _check(folder / STORE_FILE, told, report, what, whole=round_ % CHECKED_EVERY == 0)
    asyncio.run(_finish(folder, told, report, what))
    _check(folder / STORE_FILE, told, report, what, whole=True)


@contextmanager
def _spawner(folder: Path, what: str) -> Iterator[tuple[IO[str], IO[str]]]:
    """The process that forks the workers; its lines tell what they did."""
    tests = Path(__file__).resolve().parent
    environment = {**os.environ, "PYTHONPATH": f"{tests.parent}:{tests}"}
    command = [sys.executable, str(tests / "chaos_store_child.py"), str(folder), what]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdin, process.stdout
        process.stdin.close()


def _hear_until_killed(news: IO[str], chance: random.Random, told: _Told, report: KillReport) -> None:
    """Read what the worker says, kill it after some of it, read the rest, and note what was charged once more."""
    pid, again, is_killed, acknowledgements = 0, 0, False, chance.randrange(80)
    for heard, line in enumerate(news):
        what, whom = line.split()
        if what == "dead":
            if not is_killed:
                report.violations.append("the worker ended by itself")
            break
        if what == "pid":
            pid = int(whom)
        elif what == "seed":
            told.seeds.add(whom)
        elif what == "answer":
            told.answers.add(whom)
        elif what == "outcome":
            if whom in told.outcomes:
                report.violations.append(f"seed {whom} had two outcomes")
            told.outcomes.add(whom)
        elif what == "sent":
            again += whom in told.charges
            if whom in told.answers:
                report.violations.append(f"the call of seed {whom} was paid again once its answer was durable")
            told.charges[whom] += 1
        if heard == acknowledgements:
            # A line is told after a commit: without a random pause every kill would fall there.
            time.sleep(chance.uniform(0, LONGEST_PAUSE_S))
            os.kill(pid, signal.SIGKILL)
            is_killed = True
    report.worst_in_flight = max(report.worst_in_flight, again)
    if again > LANES:
        report.violations.append(f"{again} calls were repaid after one kill, and only {LANES} were in flight")


def _check(path: Path, told: _Told, report: KillReport, what: str, *, whole: bool) -> None:
    """Nothing that was told is missing, and what follows from one outcome stands and falls together."""
    with closing(connect_reading(path)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'requests'").fetchone():
            return  # Killed while the schema was being made: nothing can have been told.

        def column(sql: str) -> set[str]:
            return {str(value) for (value,) in connection.execute(sql)}

        lost = told.seeds - column("SELECT id FROM seeds")
        lost |= told.answers - column("SELECT key FROM calls WHERE state = 'answered'")
        lost |= told.outcomes - column("SELECT seed_id FROM outcomes")
        report.violations += [f"{one} was told durable, and is lost" for one in lost]
        report.violations += _OF_METHOD[what](connection)
        if whole and connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            report.violations.append("the file is damaged")


def _star_problems(connection: sqlite3.Connection) -> list[str]:
    counts = "SELECT count(*), count(DISTINCT seed_id), coalesce(max(seq), 0) FROM outcomes"
    outcomes, distinct, last = connection.execute(counts).fetchone()
    (memory,) = connection.execute("SELECT count(*) FROM memory").fetchone()
    (done,) = connection.execute("SELECT count(*) FROM seeds WHERE state = 'done'").fetchone()
    (kept,) = connection.execute("SELECT count(*) FROM outcomes WHERE kind = 'kept'").fetchone()
    policy = connection.execute("SELECT after_seq, json_extract(state, '$.outcomes') FROM pools").fetchone()
    together = {outcomes, distinct, last, memory, done, kept, *(policy or (0, 0))}
    return [f"outcomes, memory, policy and seeds disagree: {sorted(together)}"] if len(together) > 1 else []


def _chain_problems(connection: sqlite3.Connection) -> list[str]:
    states = "SELECT id FROM seeds WHERE (state = 'done') != (id IN (SELECT seed_id FROM outcomes))"
    problems = [f"seed {id_} has an outcome or is done, not both" for (id_,) in connection.execute(states)]
    twice = "SELECT seed_id FROM outcomes GROUP BY seed_id HAVING count(*) > 1"
    problems += [f"seed {id_} has several outcomes" for (id_,) in connection.execute(twice)]
    return [*problems, *chain_problems(connection)]


_OF_METHOD = {"star": _star_problems, "chain": _chain_problems}
"""What follows from one outcome stands and falls together, by who works."""


async def _finish(folder: Path, told: _Told, report: KillReport, what: str) -> None:
    """Work everything that is left, those in quarantine included: then every seed has its outcome."""
    async with await Store.open(folder) as store:
        report.quarantined += await store.release_quarantined(None)
        worker = await WORKERS[what](store, lambda event, whom: None)
        while leased := await store.lease(1):
            await worker.finish(leased[0])
        counts = await store.counts()
    report.seeds += counts.seeds
    report.outcomes += counts.done
    if counts.done != counts.seeds or counts.seeds < len(told.seeds):
        report.violations.append(
            f"{counts.seeds} seeds, of which {len(told.seeds)} were told, have {counts.done} outcomes"
        )
