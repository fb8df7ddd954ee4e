"""Every named crash point: the way to it, and what must be true once a process has died there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from chaos_audit import Facts
from chaos_kills import KILLED, KillReport, Story, story
from chaos_methods import STAR, Method

from star_agents.engine.settling import INDEX_FILE
from star_agents.process.crash_points import CRASH_POINTS, VARIABLE

SEEDS = 10
"""New ones for a process that is to die at work."""
LATEST = {"draw_recorded": 8, "intent_recorded": 20, "answer_received": 20, "answer_recorded": 20}
LATEST |= {"outcome_before_commit": 8, "outcome_committed": 8, "seeds_added": 3, "texts_cleared": 2}
"""Where a process passes a point many times: the latest pass at which one is told to die. Others: the first."""
BACKUP = "backup.sqlite3"

_CLEAR = """
import asyncio, sys, time
from pathlib import Path
from star_agents.storage.store import Store

async def main():
    async with await Store.open(Path(sys.argv[1])) as store:
        while await store.clear_texts(time.time() + 1, limit=1):
            pass

asyncio.run(main())
"""


@dataclass
class PointReport(KillReport):
    """What the deaths at named points did."""

    reached: Counter[str] = field(default_factory=Counter)
    """How often a process died at each point."""


def kill_at_points(
    folder: Path,
    *,
    rounds: int,
    seed: int,
    cold: bool = False,
    method: Method = STAR,
) -> PointReport:
    """Let a process die at every point, ``rounds`` times; a point that is never reached is a violation."""
    report, chance = PointReport(rounds=rounds, seed=seed), random.Random(seed)
    for number in range(rounds):
        with story(folder / str(number), chance, cold=cold, method=method) as told:
            _work_some(told)  # a backup needs a store
            for point in chance.sample(method.points, len(method.points)):
                _die_at(told, point, report)
            report.quarantined += told.finish()
            report.add(told.audit, told.facts)
    return report


def _die_at(told: Story, point: str, report: PointReport) -> None:
    """One death, and whether what the point says of itself is true."""
    passes = told.chance.randint(1, LATEST.get(point, 1))
    before = told.facts
    code = _WAYS.get(point, _at_work)(told, f"{point}:{passes}", passes)
    after = told.look(f"{point}:{passes}")
    if code != KILLED:
        told.audit.violations.append(f"{point}:{passes} was never reached; the process ended with {code}")
        return
    report.reached[point] += 1
    if not _CLAIMS[point](before, after, passes, told):
        told.audit.violations.append(f"{point}:{passes}: it is not true that {CRASH_POINTS[point]}")


# The ways


def _at_work(told: Story, armed: str, passes: int) -> int:
    """New seeds are worked, whatever has to be worked alone before them."""
    told.start(**{VARIABLE: armed})
    if told.is_ready() and told.post(SEEDS):
        told.wait_for_newest()
    return _end(told)


def _bringing_seeds(told: Story, armed: str, passes: int) -> int:
    told.start(**{VARIABLE: armed})
    if told.is_ready():
        for _ in range(passes):
            told.post(3)
    return _end(told)


def _editing(told: Story, armed: str, passes: int) -> int:
    told.start(**{VARIABLE: armed})
    if told.is_ready():
        told.edit()
        told.nursery.wait_for("config_applied")
    return _end(told)


def _opening(told: Story, armed: str, passes: int) -> int:
    """After a death with seeds in hand."""
    told.start()
    if told.is_ready() and told.post(SEEDS):
        told.nursery.wait_for("outcome_committed")
    told.nursery.end()
    told.look("before deaths_counted")
    told.start(**{VARIABLE: armed})
    told.is_ready()
    return _end(told)


def _draining(told: Story, armed: str, passes: int) -> int:
    """The index is written when a daemon ends in good order, and holds something once a pair has won."""
    told.start(**{VARIABLE: armed})
    if told.is_ready() and told.post(SEEDS):
        told.wait_for_newest(until_kept=True)
        told.nursery.send(signal.SIGTERM)
    return told.nursery.ended()


def _backing_up(told: Story, armed: str, passes: int) -> int:
    told.nursery.start("backup", told.data, "-o", told.folder / BACKUP, **{VARIABLE: armed})
    return told.nursery.ended()


def _clearing(told: Story, armed: str, passes: int) -> int:
    _work_some(told)  # so that there are texts
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1]), VARIABLE: armed}
    return subprocess.run([sys.executable, "-c", _CLEAR, str(told.data)], env=environment, check=False).returncode


def _work_some(told: Story) -> None:
    """New seeds end, and the daemon drains."""
    told.start()
    if told.is_ready() and told.post(SEEDS):
        told.wait_for_newest()
    _end(told)
    told.look("seeds were worked")


def _end(told: Story) -> int:
    """A process that has passed its point by has to be ended."""
    told.nursery.send(signal.SIGTERM)
    return told.nursery.ended()


_WAYS: dict[str, Callable[[Story, str, int], int]] = {
    "seeds_added": _bringing_seeds,
    "config_applied": _editing,
    "deaths_counted": _opening,
    "texts_cleared": _clearing,
    "backup_before_rename": _backing_up,
    "index_before_rename": _draining,
    "index_saved": _draining,
}
"""How to get to a point; those that are not named here are passed when seeds are worked."""

# What is true there

Claim = Callable[[Facts, Facts, int, Story], bool]
_CLAIMS: dict[str, Claim] = {
    "draw_recorded": lambda before, after, passes, _: after.draws - before.draws >= passes,
    "intent_recorded": lambda before, after, passes, _: after.sends - before.sends >= passes,
    "answer_received": lambda before, after, passes, _: after.charges - before.charges >= passes,
    "answer_recorded": lambda before, after, passes, _: after.answered - before.answered >= passes,
    # Outcomes that are ready together are committed together, after the last of them has passed the first point.
    "outcome_before_commit": lambda before, after, passes, _: after.outcomes - before.outcomes < passes,
    "outcome_committed": lambda before, after, passes, _: after.outcomes - before.outcomes >= passes,
    "seeds_added": lambda before, after, passes, _: after.brought - before.brought == 3 * passes,
    "config_applied": lambda before, after, _passes, _: after.revisions > before.revisions,
    "deaths_counted": lambda _before, after, _passes, _: after.working == 0,
    "texts_cleared": lambda before, after, passes, _: after.cleared - before.cleared == passes,
    "backup_before_rename": lambda _before, _after, _passes, told: any(told.folder.glob(".*.part")),
    "index_before_rename": lambda _before, _after, _passes, told: (told.data / INDEX_FILE).with_suffix(".new").exists(),
    "index_saved": lambda _before, _after, _passes, told: not (told.data / INDEX_FILE).with_suffix(".new").exists(),
}
