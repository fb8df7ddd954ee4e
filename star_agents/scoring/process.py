"""One scorer process as its parent sees it: started, asked, listened to, ended."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process, TaskGroup
from anyio.streams.buffered import BufferedByteReceiveStream

import star_agents
from star_agents.errors import ScorerError
from star_agents.scoring.facts import Usage
from star_agents.scoring.hangs import Watch
from star_agents.scoring.proc import signs_of

WORKER = (sys.executable, "-m", "star_agents.scoring.worker")
SCORER = "scorer process"
"""What it is called in messages."""
LAST_WORDS = 20
"""Lines of stderr that are kept for messages."""
LONGEST_ANSWER = 1 << 30
"""Bytes; anything longer is not an answer."""


_OVER = (
    anyio.IncompleteRead,
    anyio.DelimiterNotFound,
    anyio.EndOfStream,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
)
"""What a pipe says when nothing that can be used will come through it."""
Sleep = Callable[[float], Awaitable[None]]


class WorkerDied(Exception):
    """The process ended, or hung, before it answered. Never leaves this room."""


class WorkerProcess:
    """A running scorer process. One request at a time."""

    def __init__(self, process: Process, what: str) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._what = what
        self._requests = process.stdin
        self._answers = BufferedByteReceiveStream(process.stdout)
        self._complaints = process.stderr
        self._last_words: deque[str] = deque(maxlen=LAST_WORDS)
        self._silent = anyio.Event()
        self._asked = 0
        self.usage = Usage()
        """As of the last answer."""

    @classmethod
    async def start(cls, command: Sequence[str], tasks: TaskGroup, what: str = SCORER) -> WorkerProcess:
        """Start the process; ``tasks`` hosts the draining of its stderr, ``what`` names it in messages. Raises
        ScorerError where it cannot start."""
        try:
            # A session of its own: Ctrl-C on the terminal is for the daemon, which still needs its scorer to drain.
            process = await anyio.open_process(list(command), env=environment(), start_new_session=True)
        except OSError as error:
            raise ScorerError(f"the {what} cannot be started ({command[0]}): {error}") from error
        worker = cls(process, what)
        tasks.start_soon(worker._drain)
        return worker

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    async def ask(
        self, request: Mapping[str, Any], watch: Watch, *, tell: Callable[[str], None], sleep: Sleep = anyio.sleep
    ) -> Any:
        """Send a request and wait for its result, for as long as ``watch`` has patience.

        Args:
            request: What to do.
            watch: Over this request alone.
            tell: Hears, in a sentence, that somebody has stopped the process.
            sleep: Passes the time between two looks at the process.

        Raises:
            ScorerError: as the worker says.
            WorkerDied: where it died, or counts as hung: then end it.
        """
        self._asked += 1
        line: bytes | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._look_on, watch, tell, sleep, tasks.cancel_scope)
            line = await self._exchange(json.dumps({"id": self._asked, **request}).encode() + b"\n")
            tasks.cancel_scope.cancel()
        if line is None:
            raise WorkerDied(watch.verdict)
        answer = json.loads(line)
        if answer["id"] != self._asked:
            raise WorkerDied(f"answer {answer['id']} came where {self._asked} was due")
        if "error" in answer:
            raise ScorerError(answer["error"])
        self.usage = Usage(**answer["usage"])
        return answer["result"]

    async def _exchange(self, request: bytes) -> bytes | None:
        """The answer's line; ``None`` where the process died. A process that is stopped may not even take a request."""
        try:
            await self._requests.send(request)
            return await self._answers.receive_until(b"\n", LONGEST_ANSWER)
        except _OVER:
            return None

    async def _look_on(
        self, watch: Watch, tell: Callable[[str], None], sleep: Sleep, exchange: anyio.CancelScope
    ) -> None:
        while not watch.verdict:
            await sleep(watch.limits.look_s)
            watch.look(signs_of(self.pid))
            if watch.has_just_stopped:
                tell(
                    f"{self._what} {self.pid} is stopped (state T, as by SIGSTOP): `kill -CONT {self.pid}` lets it "
                    f"go on; another one takes its place after {watch.limits.stopped_s:,.0f} s"
                )
        exchange.cancel()

    async def end(self) -> str:
        """End the process, whatever it does, and return how it ended with the last lines it wrote."""
        with anyio.CancelScope(shield=True):
            await self._requests.aclose()
            with anyio.move_on_after(2):  # a healthy worker exits by itself when its stdin closes
                await self._process.wait()
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()
            with anyio.move_on_after(2):
                await self._silent.wait()
            await self._process.aclose()
        return "\n".join([_ending(self._process.returncode), *self._last_words])

    async def _drain(self) -> None:
        """Keep the last lines of stderr. A pipe that nobody reads would fill up and stop the worker."""
        rest = b""
        try:
            async for chunk in self._complaints:
                *lines, rest = (rest + chunk).split(b"\n")
                self._last_words.extend(line.decode(errors="replace") for line in lines if line.strip())
                rest = rest[-4096:]  # a progress bar without line breaks must not grow for ever
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            pass
        finally:
            self._silent.set()


THREADS_WAIT = {"OMP_WAIT_POLICY": "passive"}
"""Threads that wait by turning in circles hold each other up where another process has one of their cores: 60 seeds of
the demo took more than a minute beside one, and 8 s so. Where the user set it, that stands."""


def environment() -> dict[str, str]:
    """Ours, with this package on the path even where it is not installed."""
    here = str(Path(star_agents.__file__).parents[1])
    path = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    return {**THREADS_WAIT, **os.environ, "PYTHONPATH": path, "TOKENIZERS_PARALLELISM": "false"}


def _ending(returncode: int | None) -> str:
    if returncode is None or returncode >= 0:
        return f"it ended with exit code {returncode}"
    killed_for_memory = ", as the system does when memory runs out" if -returncode == signal.SIGKILL else ""
    return f"it was ended by {signal.Signals(-returncode).name}{killed_for_memory}"
