"""Whether a process still runs, by its id; it need not be a child of ours."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from pathlib import Path

from daemons import PATIENCE_S


def lives(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody asked for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # The second: it went between opening and reading.
        return False


def until_gone(pid: int) -> None:
    """Wait until it has ended: one that was sent SIGKILL has once the kernel comes to it."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        waiting = select.poll()
        waiting.register(process, select.POLLIN)
        assert waiting.poll(PATIENCE_S * 1000), f"{pid} lives"
    finally:
        os.close(process)


def until(condition: Callable[[], object], pid: int) -> None:
    """Wait for what a process does and tells nobody; looking every 20 ms, since looking all the time would take
    a processor that the other one needs. AssertionError where the process ends without it."""
    give_up = time.monotonic() + PATIENCE_S
    process = os.pidfd_open(pid)
    try:
        ended = select.poll()
        ended.register(process, select.POLLIN)
        while not condition():
            assert time.monotonic() < give_up, f"{pid} has not done it within {PATIENCE_S} s"
            assert not ended.poll(20) or condition(), f"{pid} ended without it"
    finally:
        os.close(process)
