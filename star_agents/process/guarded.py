"""A command of the user's as whoever started it sees it: its newest lines, how it ended, and that it ends for certain.

    async with guarded(["vllm", "serve", "m"], log=folder / "serve.log") as command:
        await command.wait()

The command, with all that it starts, is ended when the block is left, when this process dies, however it does, and
leaves a log of bounded size (``guard``).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
from anyio.abc import Process

import star_agents

LAST_LINES = 20
"""Lines that are kept for messages."""
LONGEST_LINE = 4096
LOG_BYTES = 16 << 20
"""Of a log; beyond it the oldest is gone."""
STOP_S = 30.0
_NEVER = 366 * 86_400.0


def no_listener(line: str) -> None:
    """Hears a line, and does nothing."""


class GuardedCommand:
    """A command that runs under a guard."""

    def __init__(self, process: Process, waits: Callable[[str], None] = no_listener) -> None:
        self._process, self._waits = process, waits
        self._lines: deque[str] = deque(maxlen=LAST_LINES)
        self.pid = 0
        """Of the command, once it is known."""
        self.is_started = anyio.Event()
        self.is_silent = anyio.Event()
        """Set once nothing more comes of it."""

    async def wait(self) -> int:
        """Wait for its end; its exit code, or minus the signal that ended it."""
        code = await self._process.wait()
        if code < 0:  # The guard itself was ended, and what the command had started may live.
            self.kill()
        return 128 - code if code > 128 else code

    @property
    def returncode(self) -> int | None:
        """As of ``wait``; ``None`` while it runs."""
        code = self._process.returncode
        return None if code is None else 128 - code if code > 128 else code

    @property
    def last_words(self) -> str:
        """The newest lines that it wrote."""
        return "\n".join(self._lines)

    async def end(self, stop_s: float) -> None:
        """Ask it to end, and end it after so many seconds."""
        with anyio.CancelScope(shield=True):
            if self._process.stdin is not None:
                await self._process.stdin.aclose()
            with anyio.move_on_after(stop_s + 5):
                await self._process.wait()
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()
            if (self._process.returncode or 0) < 0:
                self.kill()

    def kill(self) -> None:
        """End it, with all that it started, at once."""
        if self.pid:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    async def listen(self, hear: Callable[[str], None]) -> None:
        """Take in what it writes. A pipe that nobody reads would fill up and stop it."""
        rest = b""
        assert self._process.stdout is not None
        try:
            async for chunk in self._process.stdout:
                *lines, rest = (rest + chunk.replace(b"\r", b"\n")).split(b"\n")
                rest = rest[-LONGEST_LINE:]
                for line in lines:
                    self._heard(line[-LONGEST_LINE:].decode(errors="replace").rstrip(), hear)
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            pass
        finally:
            self._heard(rest.decode(errors="replace").rstrip(), hear)
            self.is_started.set()
            self.is_silent.set()

    def _heard(self, line: str, hear: Callable[[str], None]) -> None:
        if not self.is_started.is_set():
            told, _, number = line.partition(" ")
            if told == "pid" and number.isdecimal():
                self.pid = int(number)
                self.is_started.set()
            elif line:
                self._waits(line)
        elif line:
            self._lines.append(line)
            hear(line)


@asynccontextmanager
async def guarded(
    command: Sequence[str],
    *,
    log: Path,
    ended: Path | None = None,
    clears: Path | None = None,
    stop_s: float = STOP_S,
    log_bytes: int = LOG_BYTES,
    hear: Callable[[str], None] = no_listener,
    waits: Callable[[str], None] = no_listener,
    env: Mapping[str, str] | None = None,
    secrets: Collection[str] = (),
    is_ours: bool = False,
) -> AsyncIterator[GuardedCommand]:
    """Start a command, and end it when the block is left.

    Args:
        command: Program and arguments; no shell reads them.
        log: Where all that it writes goes.
        ended: File that says how it ended, from the moment on in which it did. Where it says that this command came to
            its end with 0, it is not run again.
        clears: Folder that is removed before it begins.
        stop_s: Seconds between asking it to end and ending it.
        log_bytes: Most bytes of the log.
        hear: Hears each line.
        waits: Hears why it is not started yet, where something is in its way.
        env: Variables beside those of this process.
        secrets: Variables whose values are struck out of all that it writes, beside those with names of keys.
        is_ours: Whether the command is of this package, and has to find it.
    """
    theirs, ours = _environments(env or {})
    order = {
        "command": [str(one) for one in command],
        "log": str(log.absolute()),
        "ended": None if ended is None else str(ended.absolute()),
        "clears": None if clears is None else str(clears.absolute()),
        "stop_s": min(stop_s, _NEVER),
        "most_bytes": log_bytes,
        "secrets": sorted(secrets),
        "python_path": (ours if is_ours else theirs).get("PYTHONPATH"),
    }
    process = await anyio.open_process(
        [sys.executable, "-m", "star_agents.process.guard", json.dumps(order)],
        stderr=None,
        env=ours,
        start_new_session=True,  # Ctrl-C on the terminal is for whoever started it, who ends it in order.
    )
    running = GuardedCommand(process, waits)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(running.listen, hear)
        try:
            await running.is_started.wait()
            yield running
        finally:
            await running.end(stop_s)
            with anyio.CancelScope(shield=True):
                with anyio.move_on_after(2):
                    await running.is_silent.wait()
                await process.aclose()
            tasks.cancel_scope.cancel()


def _environments(more: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """This process's and what comes beside it; and so with this package on the path, even where it is not installed."""
    here, env = str(Path(star_agents.__file__).parents[1]), {**os.environ, **more, "PYTHONUNBUFFERED": "1"}
    return env, {**env, "PYTHONPATH": os.pathsep.join(filter(None, (here, env.get("PYTHONPATH"))))}
