"""GPU memory by process, as `nvidia-smi` tells it; where there is none, nobody knows."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress

_COMMAND = ("nvidia-smi", "--query-compute-apps=pid,used_gpu_memory", "--format=csv,noheader,nounits")
_ANSWER_S = 10.0


def gpu_memory_by_session() -> Mapping[int, int]:
    """Bytes that the processes of each session hold; empty where nobody can say. It takes a moment: ask in a thread."""
    try:
        told = subprocess.run(_COMMAND, capture_output=True, text=True, timeout=_ANSWER_S, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    return by_session(told)


def by_session(told: str) -> Mapping[int, int]:
    """The same of what `nvidia-smi` said: a line for each process, its id and MiB. In a container it may name processes
    by the ids that they have outside, of which nothing is made."""
    found: dict[int, int] = {}
    for line in told.splitlines():
        pid, _, mebibytes = (part.strip() for part in line.partition(","))
        if not (pid.isdecimal() and mebibytes.isdecimal()):
            continue
        with suppress(ProcessLookupError, PermissionError):
            session = os.getsid(int(pid))
            found[session] = found.get(session, 0) + (int(mebibytes) << 20)
    return found
