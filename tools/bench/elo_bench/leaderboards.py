"""What the leaderboard of an arena of a hundred thousand battles takes: on the page as it is at work, and by `elo`."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import anyio
from calls_bench import rows

from elo_bench.arena_store import fill, one_more
from star_agents.engine.standings import rated_games
from star_agents.process.event_loop_lag import watch_lag
from star_agents.storage.games import StoredGames
from star_agents.storage.readers import Readers

PROMPTS = 6667


class Taken(NamedTuple):
    """By one answer."""

    cpu_s: float
    lag_s: float
    """Longest time for which the event loop stood still meanwhile."""
    battles: int


async def _live(folder: Path) -> tuple[Taken, Taken]:
    """The first leaderboard of a daemon that was just started, and the one after another outcome."""
    games, lags = StoredGames(), list[float]()
    found: list[Taken] = []
    async with Readers(folder) as readers, anyio.create_task_group() as tasks:
        tasks.start_soon(partial(watch_lag, lags.append, every_s=0.005))
        for number in (PROMPTS + 1, PROMPTS + 2):
            await anyio.sleep(0.1)
            lags.clear()
            began = time.process_time()
            games, board = await readers.ask(partial(rated_games, known=games))
            found.append(Taken(time.process_time() - began, max(lags), board.battles))
            one_more(folder, number)
        tasks.cancel_scope.cancel()
    return found[0], found[1]


def _command(folder: Path) -> float:
    """Seconds of CPU of `elo`, the interpreter's start included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = [sys.executable, "-m", "star_agents", "elo", folder, "--json"]
    root = Path(__file__).resolve().parents[3]
    environ = {**os.environ, "PYTHONPATH": str(root)}
    subprocess.run(list(map(str, words)), check=True, stdout=subprocess.DEVNULL, env=environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def leaderboards() -> list[rows.Row]:
    """Fill a store, and ask it."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "arena"
        battles = fill(folder, PROMPTS)
        first, then = anyio.run(_live, folder)
        command = _command(folder)
    what = f"{battles:,} battles of 6 players, judged in both orders, in a store"
    return [
        rows.Row(
            key="arena.first",
            what=f"Leaderboard of the page, {what}: the first after a start",
            measured=f"**{first.cpu_s:.2f} s** of CPU; the event loop is late by {1000 * first.lag_s:.0f} ms at most",
            target="≤ 3 s",
            holds=first.cpu_s <= 3,
        ),
        rows.Row(
            key="arena.then",
            what="… after one more prompt",
            measured=f"**{then.cpu_s:.2f} s** of CPU; {1000 * then.lag_s:.0f} ms",
            target="≤ 1 s",
            holds=then.cpu_s <= 1,
        ),
        rows.Row(
            key="arena.command",
            what="`elo FOLDER` on it, 1,000 resamples, the interpreter's start included",
            measured=f"**{command:.2f} s** of CPU",
            target="≤ 5 s",
            holds=command <= 5,
        ),
    ]
