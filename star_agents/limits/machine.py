"""What the machine, or a limit on this process, refused: told in a line with the way out, whoever asked for it."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

_NO_MEMORY = ("failed to map segment", "cannot allocate memory", "can't allocate memory", "not enough memory")
"""What the dynamic linker and torch say instead of raising ``MemoryError``."""
LEAST_MEMORY = 384 << 20
"""Bytes of address space; the libraries of a line without scorer models were seen to load in 400 MB."""
_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_NO_THREAD = "can't start new thread"


def limit_met(error: BaseException) -> str:
    """What was refused and what to do about it; empty where an exception tells of no such limit."""
    text = str(error).lower()
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return too_many_files()
    is_short = isinstance(error, OSError) and error.errno == errno.ENOMEM
    if isinstance(error, MemoryError) or is_short or any(said in text for said in _NO_MEMORY):
        return f"out of memory{_allowed(resource.RLIMIT_AS, 'ulimit -v')}; free some, or lower `concurrency`"
    if isinstance(error, RuntimeError) and _NO_THREAD in text:
        of_memory = _allowed(resource.RLIMIT_AS, "ulimit -v")
        return f"no thread could be started{of_memory or _allowed(resource.RLIMIT_NPROC, 'ulimit -u')}; raise that"
    return ""


def too_little_memory() -> str:
    """What is wrong where this process may have less memory than loading its libraries takes; empty where it may not.

    OpenBLAS, which numpy loads, ends the process by itself where it gets none: that can only be told before.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY or soft >= LEAST_MEMORY:
        return ""
    least = f"it takes {LEAST_MEMORY / 2**30:,.1f} GiB to begin with"
    return f"out of memory{_allowed(resource.RLIMIT_AS, 'ulimit -v')}; {least}"


def free_memory() -> int:
    """Bytes that this process may still take: of the machine, its control group, and its limit of address space."""
    left = [_free_of_machine()]
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        most, now = _number_in(_CONTROL_GROUPS / limit), _number_in(_CONTROL_GROUPS / used)
        if most is not None and now is not None and most < 1 << 60:
            left.append(most - now + _cache_of_group())
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        left.append(soft)
    return max(0, min(left))


def _free_of_machine() -> int:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    found = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(found["MemAvailable"].split()[0]) * 1024


def _cache_of_group() -> int:
    """What a control group holds of files, which the kernel gives back when it is asked for memory."""
    try:
        lines = (_CONTROL_GROUPS / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("inactive_file ", "active_file ")))


def _number_in(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # not there, or the word `max`
        return None


def files_are_used_up(needed: int = 4) -> bool:
    """Whether this process, or the machine, has no room for so many more files: a store needs three, and a lock."""
    opened: list[int] = []
    try:
        opened.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(needed))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return False


def too_many_files() -> str:
    """What is wrong where no further file can be opened, and what to do."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return f"too many open files: this process may have {allowed:,} (ulimit -n); raise that, or lower `max_in_flight`"


def _allowed(limit: int, command: str) -> str:
    soft, _ = resource.getrlimit(limit)
    if soft == resource.RLIM_INFINITY:
        return ""
    amount = f"{soft / 2**30:,.1f} GiB" if limit == resource.RLIMIT_AS else f"{soft:,} of them"
    return f": this process may have {amount} ({command})"
