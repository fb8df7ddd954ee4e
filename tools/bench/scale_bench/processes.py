"""A command in a process of its own: its CPU, and the most memory that it had, by the kernel's own account."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from calls_bench.product import environment

PRODUCT = Path(__file__).resolve().parents[3]
_ACCOUNT = """
import json, os, sys
_, status, usage = os.wait4(os.spawnvp(os.P_NOWAIT, sys.argv[2], sys.argv[2:]), 0)
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss], file)
"""
"""Between this process and a command: to the kernel the most memory of a process is at least what its parent had when
it was started, and this one may have filled a store."""


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
    with (
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as errors,
        tempfile.NamedTemporaryFile("r") as account,
    ):
        began = time.monotonic()
        between = [sys.executable, "-S", "-c", _ACCOUNT, account.name, *command]
        subprocess.run(between, stdout=out, stderr=errors, env=environment(PRODUCT), cwd=PRODUCT, check=True)
        wall_s = time.monotonic() - began
        code, cpu_s, peak_kb = json.load(account)
        for file in (out, errors):
            file.seek(0)
        if code:
            sys.exit(f"{' '.join(command)}: exit code {code}\n{errors.read()[-4000:]}")
        return Took(cpu_s=cpu_s, wall_s=wall_s, peak_mb=peak_kb / 1024, out=out.read())
