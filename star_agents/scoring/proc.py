"""What Linux says of another process, in ``/proc`` (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path

from star_agents.scoring.hangs import Signs

_STATE, _USER, _SYSTEM = 0, 11, 12
"""Fields of ``stat`` behind the name in brackets, which may hold anything, spaces and brackets too."""


def signs_of(pid: int) -> Signs:
    """The state of a process and what it has used up; nothing is known where there is no ``/proc`` or no process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        ticks = int(fields[_USER]) + int(fields[_SYSTEM])
    except (OSError, ValueError, IndexError):
        return Signs()
    cpu_s = ticks / os.sysconf("SC_CLK_TCK")
    return Signs(state=fields[_STATE], cpu_s=cpu_s, read=_bytes(pid), is_known=True)


def _bytes(pid: int) -> int:
    """Read and written, by calls and by the page cache; 0 where a kernel or its keeper does not say."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text("ascii", "replace").splitlines()
        told = {name: int(value) for name, _, value in (line.partition(": ") for line in lines)}
    except (OSError, ValueError):
        return 0
    return sum(told.get(name, 0) for name in ("rchar", "wchar", "read_bytes"))
