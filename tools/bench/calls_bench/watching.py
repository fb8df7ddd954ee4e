"""A process and its children watched from outside: CPU, memory, and how far the provider says it is.

Nothing is added to the process that is measured. CPU is user and system time of the whole tree, reaped children
included; the total at the end is the kernel's own (``wait4``).
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calls_bench.provider import FakeProvider

PERIOD_S = 0.05
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
TOLD_S = 1800.0
"""Longest run; then it is killed and says so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """One look at a running tree."""

    at: float
    """Monotonic seconds."""
    answered: int
    cpu_s: float
    rss_mb: float
    pss_mb: float
    """0 where it was not asked for: reading it costs the process time."""
    connections: int
    in_flight: int


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A run that has ended."""

    folder: Path
    """Where it wrote."""
    began: float
    wall_s: float
    cpu_s: float
    returncode: int
    out: str
    errors: str
    stats: Mapping[str, Any]
    """The provider's count at the end."""
    looks: Sequence[Look]

    @property
    def peak_pss_mb(self) -> float:
        """Highest proportional set size of the tree."""
        return max((look.pss_mb for look in self.looks), default=0.0)

    @property
    def peak_rss_mb(self) -> float:
        """Highest sum of the tree's resident sets, in which what two processes share counts twice."""
        return max((look.rss_mb for look in self.looks), default=0.0)

    @property
    def start_up_pss_mb(self) -> float:
        """Highest proportional set size before the first request: what was imported and read, mostly."""
        return max((look.pss_mb for look in self._before_the_first_request), default=0.0)

    @property
    def start_up_cpu_s(self) -> float:
        """CPU before the first request, likewise."""
        return max((look.cpu_s for look in self._before_the_first_request), default=0.0)

    @property
    def _before_the_first_request(self) -> list[Look]:
        return [look for look in self.looks if look.at <= self.stats["first_arrival"]]

    @property
    def sending_s(self) -> float:
        """Seconds from the first request to the last answer: the run without start-up and end."""
        return float(self.stats["last_answer"] - self.stats["first_arrival"])

    @property
    def start_up_s(self) -> float:
        """Seconds from the start of the process to its first request."""
        return float(self.stats["first_arrival"] - self.began)

    @property
    def cpu_per_call_ms(self) -> float:
        """From 20 % of the calls to the end of the process, writing of files and shutdown included."""
        first = next(look for look in self.looks if look.answered >= 0.2 * self.stats["answered"])
        return float(1000 * (self.cpu_s - first.cpu_s) / (self.stats["answered"] - first.answered))

    @property
    def calls_per_s(self) -> float:
        """By the clock on the wall, from the first request to the last answer."""
        return float(self.stats["answered"] / self.sending_s)

    @property
    def calls_per_cpu_s(self) -> float:
        """By the process's CPU over the same time: what a core gives that does nothing else."""
        begin, end = self.stats["first_arrival"], self.stats["last_answer"]
        before = [look.cpu_s for look in self.looks if look.at <= begin]
        until = [look.cpu_s for look in self.looks if look.at <= end + PERIOD_S]
        return float(self.stats["answered"] / (until[-1] - before[-1]))


def watch(
    command: Sequence[str],
    provider: FakeProvider,
    *,
    cwd: Path,
    folder: Path,
    env: Mapping[str, str],
    core: int,
    pss: bool = False,
) -> Watched:
    """Run a command on one core until it ends, looking at it now and then; it writes into ``folder``."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=cwd, env=dict(env), stdout=out, stderr=errors)
        os.sched_setaffinity(process.pid, {core})
        looks: list[Look] = []
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        while not ended:
            looks.append(_look(process.pid, provider, pss))
            if time.monotonic() - began > TOLD_S:
                process.kill()
            time.sleep(PERIOD_S)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), errors.seek(0)
        return Watched(
            folder=folder,
            began=began,
            wall_s=time.monotonic() - began,
            cpu_s=usage.ru_utime + usage.ru_stime,
            returncode=process.returncode,
            out=out.read(),
            errors=errors.read(),
            stats=provider.stats(),
            looks=looks,
        )


def _look(pid: int, provider: FakeProvider, pss: bool) -> Look:
    found = tree(pid)
    stats = provider.stats()
    return Look(
        at=time.monotonic(),
        answered=stats["answered"],
        cpu_s=sum(map(cpu_s, found)),
        rss_mb=sum(_kilobytes(one, "status", "VmRSS:") for one in found) / 1024,
        pss_mb=sum(_kilobytes(one, "smaps_rollup", "Pss:") for one in found) / 1024 if pss else 0.0,
        connections=stats["connections"],
        in_flight=stats["in_flight"],
    )


def tree(pid: int) -> list[int]:
    """The process and its descendants."""
    found = [pid]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            found += map(int, _read(children).split())
    return found


def cpu_s(pid: int) -> float:
    """User and system time, that of reaped children included."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS_PER_S


def _kilobytes(pid: int, file: str, key: str) -> int:
    lines = _read(Path(f"/proc/{pid}/{file}")).splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(key)), 0)


def _read(path: Path) -> str:
    """Empty for a process that has ended."""
    try:
        return path.read_text()
    except OSError:
        return ""
