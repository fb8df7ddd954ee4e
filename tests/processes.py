"""Whether a process still runs, by its id; it need not be a child of ours."""

from __future__ import annotations

import os
import select
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
