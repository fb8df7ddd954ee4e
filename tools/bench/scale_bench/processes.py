"""A command in a process of its own: its CPU, and the most memory that it had, by the kernel's own account."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from calls_bench.product import environment

PRODUCT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, kw_only=True, slots=True)
class Took:
    """What a process took from its start to its end."""

    cpu_s: float
    """User and system time, that of its children included."""
    wall_s: float
    peak_mb: float
    """Resident."""
    out: str


def cli(*arguments: str | Path) -> Took:
    """Run the product's command line."""
    return took([sys.executable, "-m", "star_agents", *map(str, arguments)])


def module(name: str, *arguments: str | Path) -> Took:
    """Run a module of this folder."""
    return took([sys.executable, "-m", name, *map(str, arguments)])


def took(command: Sequence[str]) -> Took:
    """Run a command to its end; where it fails, so does this."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=errors, env=environment(PRODUCT), cwd=PRODUCT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (out, errors):
            file.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(command)}: exit code {process.returncode}\n{errors.read()[-4000:]}")
        return Took(
            cpu_s=usage.ru_utime + usage.ru_stime,
            wall_s=time.monotonic() - began,
            peak_mb=usage.ru_maxrss / 1024,
            out=out.read(),
        )
