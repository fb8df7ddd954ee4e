"""Torn logs: what a power cut may leave of SQLite's write-ahead log, and what a store makes of it."""

from __future__ import annotations

import asyncio
import hashlib
import random
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from storage_samples import intent, keeping, make_dropped, make_memory, make_outcome, make_reply, make_seed

from star_agents.errors import StoreError
from star_agents.records import PAIRS
from star_agents.storage.backup import damage
from star_agents.storage.connection import connect_reading
from star_agents.storage.store import STORE_FILE, Store

LOG_FILE = STORE_FILE + "-wal"
COMMITS = 48


@dataclass
class TornReport:
    """What the recoveries gave. ``violations`` holds a sentence for each that was wrong, and is empty."""

    rounds: int
    seed: int
    sqlite: str = sqlite3.sqlite_version
    commits: int = 0
    """Commits in the log that is torn."""
    prefixes: int = 0
    """How many different states the recoveries led to."""
    violations: list[str] = field(default_factory=list)


@dataclass
class _History:
    """A store with its log, and every state that it went through."""

    store: bytes
    log: bytes
    ends: list[int]
    """Bytes of log after each commit; 0 first, for the state before them."""
    states: list[str]
    """Digest of everything in the store at each of these."""


def tear_logs(folder: Path, *, rounds: int, seed: int) -> TornReport:
    """Damage one log in many ways; each time the store must open as of the last commit before the damage, exactly."""
    return asyncio.run(_tear_logs(folder, rounds, seed))


async def _tear_logs(folder: Path, rounds: int, seed: int) -> TornReport:
    history = await _make_history(folder / "whole")
    report, chance = TornReport(rounds=rounds, seed=seed, commits=len(history.ends) - 1), random.Random(seed)
    seen: set[int] = set()
    for _ in range(rounds):
        torn = _torn(history.log, chance)
        kept = _whole_bytes(history.log, torn)
        expected = max(at for at, end in enumerate(history.ends) if end <= kept)
        seen.add(expected)
        place = folder / "torn"
        place.mkdir()
        (place / STORE_FILE).write_bytes(history.store)
        (place / LOG_FILE).write_bytes(torn)
        report.violations += await _recover(place, history.states[expected], f"{kept} of {len(torn)} bytes whole")
        shutil.rmtree(place)
    report.prefixes = len(seen)
    return report


async def _make_history(folder: Path) -> _History:
    """Commit one verb after another, and keep the log that they leave."""
    async with await Store.open(folder) as store:
        await store.add_seeds([make_seed(number) for number in range(COMMITS)])
    ends, states = [0], [_digest(folder / STORE_FILE)]
    store = await Store.open(folder)
    for number in range(COMMITS // 4):
        (seed,) = await store.lease(1)
        _note(folder, ends, states)
        await store.intend([intent(seed.id, seed_id=seed.id)])
        _note(folder, ends, states)
        await store.record_answers([(seed.id, make_reply())])
        _note(folder, ends, states)
        outcome = make_outcome(seed) if number % 3 else make_dropped(seed)
        await store.commit_outcome(
            outcome, foresee=keeping({"n": number}), memory=make_memory(1.0 * number), revision=1
        )
        _note(folder, ends, states)
    history = _History((folder / STORE_FILE).read_bytes(), (folder / LOG_FILE).read_bytes(), ends, states)
    await store.aclose()
    return history


def _note(folder: Path, ends: list[int], states: list[str]) -> None:
    ends.append((folder / LOG_FILE).stat().st_size)
    states.append(_digest(folder / STORE_FILE))


def _torn(log: bytes, chance: random.Random) -> bytes:
    """The log, cut, with a hole, with noise or with flipped bits from a random place on."""
    at = chance.randrange(len(log))
    rest = len(log) - at
    length = min(rest, chance.choice([1, 8, 512, 4096, rest]))
    match chance.randrange(5):
        case 0:
            return log[:at]
        case 1:
            return log[:at] + bytes(length) + log[at + length :]
        case 2:
            return log[:at] + chance.randbytes(length) + log[at + length :]
        case 3:
            return log[:at] + bytes([log[at] ^ (1 << chance.randrange(8))]) + log[at + 1 :]
        case _:
            return log + chance.randbytes(length)


def _whole_bytes(log: bytes, torn: bytes) -> int:
    """How far the torn log is as it was."""
    low, high = 0, min(len(log), len(torn))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if log[:middle] == torn[:middle] else (low, middle - 1)
    return low


async def _recover(folder: Path, expected: str, what: str) -> list[str]:
    """Open the store, compare it with the state it must be in, and work with it."""
    path = folder / STORE_FILE
    found = _digest(path)
    wrong = [] if found == expected else [f"{what}: opened in another state than that of the last whole commit"]
    try:
        async with await Store.open(folder) as store:
            waiting = (await store.counts()).waiting
            if await store.add_seeds([make_seed(-1)]) != (1, 0) or (await store.counts()).waiting != waiting + 1:
                wrong.append(f"{what}: takes no seeds any more")
            newest = [row.seq for row in await store.outcomes(limit=COMMITS)]
            policy = (await store.load_pools()).get(PAIRS)
            rows = [row.seq for row in await store.memory_rows()]
            if rows != newest or (policy.after_seq if policy else 0) != max(newest, default=0):
                wrong.append(f"{what}: an outcome stands without what follows from it")
        with closing(connect_reading(path)) as connection:
            if problem := damage(connection, thorough=True):
                wrong.append(f"{what}: {problem}")
    except StoreError as error:
        wrong.append(f"{what}: {error}")
    return wrong


def _digest(path: Path) -> str:
    """Everything that a store holds."""
    found = hashlib.sha256()
    with closing(connect_reading(path)) as connection:
        connection.execute("BEGIN")
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
        for (table,) in tables:
            for row in connection.execute(f"SELECT * FROM {table}"):
                found.update(repr((table, row)).encode())
    return found.hexdigest()
