"""The tool ``python``: a model's code in a process that the kernel has shut in (``sandbox_child``).

It guards against what a model may write, by design or by mistake: reading or writing files, the network, other
processes, forks and threads, this process's environment and keys, endless loops, memory and output without end. It does
not guard against faults of the kernel itself, nor against somebody who measures how long things take. It needs Linux on
x86-64 or arm64; elsewhere there is no such tool, rather than one that only looks shut.
"""

from __future__ import annotations

import json
import platform
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio

from star_agents.records import Tool
from star_agents.tools.running import Ended, RunnableTool, ToolFailed, run_child
from star_agents.tools.sandbox_child import MACHINES, MODULES, READY

CPU_S = 5
TIMEOUT_S = 15.0
"""On the clock of the wall, its start included."""
MEMORY_BYTES = 512 << 20
"""Of address space, Python's own 30 MiB included."""
MOST_OUTPUT = 1 << 16
"""Bytes; code that prints more is ended."""
AT_ONCE = 4
"""Processes of this kind."""
_CHILD = Path(__file__).with_name("sandbox_child.py")
PYTHON = Tool.of(
    "python",
    f"Runs Python {sys.version_info.major}.{sys.version_info.minor} code and returns what it prints, and the value of "
    "its last line where that is an expression. Nothing is kept from one call to the next. There are no files, no "
    f"network, no processes and no threads; {CPU_S} seconds and {MEMORY_BYTES >> 20} MiB. These modules can be "
    f"imported: {', '.join(MODULES)}.",
    {
        "type": "object",
        "properties": {"code": {"type": "string", "description": "The code, with a line break between its lines."}},
        "required": ["code"],
        "additionalProperties": False,
    },
)


def why_no_sandbox() -> str:
    """Why code cannot be shut in here; empty where it can, as far as the machine tells."""
    if platform.system() == "Linux" and platform.machine() in MACHINES:
        return ""
    here = f"{platform.system()} on {platform.machine()}"
    return f"tool `python` needs Linux on {' or '.join(MACHINES)}, whose kernel shuts its code in; this is {here}"


def python_tool() -> RunnableTool:
    """The tool, for one line of work."""
    return RunnableTool(tool=PYTHON, run=_Sandbox().run)


class _Sandbox:
    def __init__(self) -> None:
        self._room = anyio.CapacityLimiter(AT_ONCE)

    async def run(self, arguments: Mapping[str, Any]) -> str:
        """What the code says. Raises ToolFailed where it ends badly, which holds what it said until then."""
        async with self._room:
            return await run_python(arguments["code"])


async def run_python(code: str, *, timeout_s: float = TIMEOUT_S) -> str:
    """What code prints. Raises ToolFailed."""
    if why := why_no_sandbox():
        raise ToolFailed(why)
    asked = {"code": code, "memory_bytes": MEMORY_BYTES, "cpu_s": CPU_S}
    ended = await run_child(
        [sys.executable, "-I", "-S", "-X", "utf8", str(_CHILD)],
        json.dumps(asked).encode(),
        timeout_s=timeout_s,
        most_bytes=MOST_OUTPUT,
        environment={},
    )
    said = ended.output.decode("utf-8", "replace").strip()
    if not ended.errors.startswith(READY.encode()):
        why = _last_line(ended.errors) or "its process could not shut itself in"
        raise ToolFailed(f"no code can be run here: {why}")
    if why := _why_ended(ended, timeout_s):
        raise ToolFailed("\n".join(filter(None, (said, why))))
    return said or "(it ran to its end and printed nothing)"


def _why_ended(ended: Ended, timeout_s: float) -> str:
    if ended.is_long:
        return f"It was ended: it printed more than {MOST_OUTPUT:,} bytes."
    if ended.is_late:
        return f"It was ended: it took longer than {timeout_s:g} s."
    if -ended.code in (signal.SIGXCPU, signal.SIGKILL):
        return f"It was ended by the system, as code is that computes for longer than {CPU_S} s."
    if ended.code < 0:
        return f"It was ended by signal {-ended.code}, as code is that recurses or allocates without end."
    return "It ended with an error." if ended.code else ""


def _last_line(errors: bytes) -> str:
    return errors.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
