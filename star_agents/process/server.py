"""A server of the user's that is kept up: started, waited for, watched, started again; or one that runs already.

    server = Server(order, tell=hear)
    tasks.start_soon(server.keep)          # until it is cancelled, which ends what it started, or it gives up
    await server.is_ready.wait()

It runs under a guard (``guarded``), so that it ends with this process, however that ends. Where something answers at
its address already, it is used as it is and nothing is started; once that is gone, the command is.
"""

from __future__ import annotations

import math
import shlex
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn

import anyio
import anyio.to_thread

from star_agents.errors import StarAgentsError
from star_agents.process.guard import CANNOT_START
from star_agents.process.guarded import GuardedCommand, guarded

LOOK_S = 0.25
"""Seconds between two looks at whether a server is ready."""
WATCH_S = 5.0
"""Seconds between two looks at one that is."""
ANSWER_S = 5.0
"""Seconds that it may take to say so."""
LOST_AFTER = 2
"""A server of somebody else's is gone after so many looks in a row at which nothing listened."""
STEADY_S = 600.0
"""A server that was ready for so long begins anew with what it may be started again."""
LAST_WORDS = 600
"""Characters of what it said last, in messages."""
State = Literal["waiting", "starting", "ready", "attached", "ended", "down"]
What = Literal["starting", "ready", "attached", "taken", "ended", "lost", "down"]
Tell = Callable[[What, str], None]


class ServerGone(StarAgentsError):
    """The command that serves does not: it ended, or was never ready, as often as it may."""


class Found(NamedTuple):
    """What is at an address before anything is started there."""

    what: Literal["free", "ours", "taken"]
    """Nobody; a server that has what is to be served; somebody else."""
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerOrder:
    """What is to be kept up, and how."""

    name: str
    """Whom it serves, for messages."""
    command: Sequence[str]
    ready: str
    """Address that answers with status 200 once it can be asked."""
    log: Path
    restarts: int
    """How often in a row it is started again."""
    ready_within_s: float
    stop_s: float
    """Seconds between asking it to end and ending it."""
    backoff_s: float
    """Seconds before it is started again, twice as many each time in a row, up to ``longest_backoff_s``."""
    longest_backoff_s: float
    unanswered_s: float = math.inf
    """A server whose ``ready`` has not answered for so long counts as hung, and is ended."""
    steady_s: float = math.inf
    """As ``STEADY_S``; infinite: what it may be started again is for all of its time."""
    has_to_start: bool = False
    """Whether one that ends before it was ever ready is not started again."""
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Variables beside those of this process."""
    secrets: Collection[str] = ()
    """Those of them whose values its log does not have."""
    keeps_log: bool = True
    """Whether whoever reads a message finds the log."""
    settings: str = ""
    """Where agents.yaml has ``restarts``."""
    ready_setting: str = ""
    """Likewise the seconds until it has to be ready."""


class Server:
    """One server. ``keep`` does it all; everything else says how it is.

    Args:
        order: What to keep up.
        tell: Hears what happens to it, and a sentence of it.
        look: Says what is at its address; nobody looks unless given.
        sleep: Waits.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        order: ServerOrder,
        *,
        tell: Tell,
        look: Callable[[], Awaitable[Found]] | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.order = order
        self.state: State = "waiting"
        self.is_ready = anyio.Event()
        """Set once it was ready for the first time."""
        self.pid: int | None = None
        self.ready_after_s: float | None = None
        """Seconds from its start until it was ready, of the newest start; ``None`` before, and of somebody else's."""
        self.starts = 0
        self.trouble = ""
        """Why it does not serve; empty while it does."""
        self._tell, self._look, self._sleep, self._clock = tell, look, sleep, clock
        self._running: GuardedCommand | None = None
        self._is_to_end = False

    @property
    def restarts(self) -> int:
        """How often it was started again."""
        return max(0, self.starts - 1)

    @property
    def _watch_s(self) -> float:
        return min(WATCH_S, self.order.unanswered_s / 2)

    async def keep(self) -> NoReturn:
        """Keep it up until this is cancelled.

        Raises:
            ServerGone: it ended, or was not ready in time, more often than it may; or its address is somebody else's.
        """
        order, deaths = self.order, 0
        try:
            while True:
                if await self._use_what_is_there():
                    deaths = 0
                    continue
                was_ready_for_s, cannot_start = await self._run()
                if self._is_to_end:
                    await anyio.sleep_forever()
                if was_ready_for_s >= order.steady_s:
                    deaths = 0
                deaths += 1
                if cannot_start or (order.has_to_start and not self.is_ready.is_set()):
                    raise ServerGone(self.trouble)
                if deaths > order.restarts:
                    raise ServerGone(f"{self.trouble}; `{order.settings}` ({order.restarts}) are used up")
                left = order.restarts - deaths + 1
                self._enter("ended", "ended", f"{self.trouble}; it is started again, {left} more times at the most")
                await self._sleep(min(order.backoff_s * 2 ** (deaths - 1), order.longest_backoff_s))
        except ServerGone as gone:
            self.trouble = str(gone)
            self._enter("down", "down", self.trouble)
            raise

    def hurry(self) -> None:
        """End what it has started at once, and start nothing any more."""
        self._is_to_end = True
        if self._running is not None:
            self._running.kill()

    async def look(self) -> Found:
        """What is at its address."""
        return Found("free") if self._look is None else await self._look()

    def _enter(self, state: State, what: What, message: str) -> None:
        self.state = state
        if state not in ("ready", "starting"):
            self.pid = None
        self._tell(what, message)

    async def _use_what_is_there(self) -> bool:
        """Use a server that runs already for as long as it does; False where its address is free.

        Raises:
            ServerGone: it is somebody else's, and stays it.
        """
        began, is_told = self._clock(), False
        while True:
            found = await self.look()
            if found.what == "free":
                return False
            if found.what == "ours":
                await self._watch_what_is_there(found.detail)
                return True
            self.trouble = f"nothing is started for {self.order.name}: {found.detail}"
            if self._clock() - began >= self.order.ready_within_s:
                raise ServerGone(self.trouble)
            if not is_told:
                is_told = True
                self._enter("starting", "taken", f"{self.trouble}; it is looked at again")
            await self._sleep(self._watch_s)

    async def _watch_what_is_there(self, detail: str) -> None:
        self.trouble, self.ready_after_s = "", None
        self._enter("attached", "attached", f"{self.order.name} is served already: {detail}; nothing is started")
        self.is_ready.set()
        refused, last = 0, self._clock()
        while refused < LOST_AFTER and self._clock() - last < self.order.unanswered_s:
            await self._sleep(self._watch_s)
            found = await anyio.to_thread.run_sync(answers, self.order.ready)
            refused = refused + 1 if found is None else 0
            last = self._clock() if found else last
        self.trouble = f"the server that {self.order.name} used is gone"
        self._enter("ended", "lost", f"{self.trouble}; one is started in its place")

    async def _run(self) -> tuple[float, bool]:
        """One life of the command: for how many seconds it was ready, and whether it cannot be started at all. Why it
        is over stands in ``trouble``."""
        order = self.order
        again = f" (start {self.starts + 1})" if self.starts else ""
        self._enter(
            "starting",
            "starting",
            f"the server of {order.name} is started{again}: {shlex.join(order.command)[:LAST_WORDS]}",
        )
        self.starts += 1
        began, ready_at, code = self._clock(), math.inf, None
        try:
            async with guarded(
                order.command,
                log=order.log,
                stop_s=order.stop_s,
                env=order.env,
                secrets=order.secrets,
                waits=self._wait,
            ) as running:
                self._running, self.pid, self.ready_after_s = running, running.pid or None, None
                why = await self._until_ready(running)
                if not why:
                    ready_at = self._clock()
                    self.ready_after_s, self.trouble = ready_at - began, ""
                    self._enter("ready", "ready", self._told_ready())
                    self.is_ready.set()
                    why = await self._while_it_answers(running)
                self.trouble = f"the server of {order.name} {why}{_said(running)}{self._all_of_it()}"
                code = running.returncode
        except OSError as error:  # No process is left, or no memory for one.
            self.trouble = f"the server of {order.name} cannot be started: {error.strerror or error}"
        return max(0.0, self._clock() - ready_at), code == CANNOT_START and ready_at == math.inf

    def _wait(self, why: str) -> None:
        self.trouble = f"the server of {self.order.name} is not started yet: {why}"
        self._enter("starting", "starting", self.trouble)

    def _all_of_it(self) -> str:
        return f"; all of it: {self.order.log}" if self.order.keeps_log else ""

    def _told_ready(self) -> str:
        again = f" (start {self.starts})" if self.restarts else ""
        return f"{self.order.name} is served by process {self.pid} after {self.ready_after_s:.1f} s{again}"

    async def _until_ready(self, running: GuardedCommand) -> str:
        """Empty once it is ready; else why it will not be."""
        order = self.order
        with anyio.move_on_after(order.ready_within_s):
            while running.returncode is None:
                if await anyio.to_thread.run_sync(answers, order.ready):
                    return ""
                await self._sleep(LOOK_S)
        if running.returncode is None:
            return f"was not ready after {order.ready_within_s:g} s (`{order.ready_setting}`): {order.ready}"
        return f"ended {_how(running.returncode)} before it was ready"

    async def _while_it_answers(self, running: GuardedCommand) -> str:
        """Why it serves no longer."""
        hung: list[str] = []
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                last = self._clock()
                while self._clock() - last < self.order.unanswered_s:
                    await self._sleep(self._watch_s)
                    if await anyio.to_thread.run_sync(answers, self.order.ready):
                        last = self._clock()
                hung.append(f"has not answered for {self.order.unanswered_s:g} s and is ended: {self.order.ready}")
                tasks.cancel_scope.cancel()

            if self.order.unanswered_s < math.inf:
                tasks.start_soon(watch)
            code = await running.wait()
            tasks.cancel_scope.cancel()
        return hung[0] if hung else f"ended {_how(code)}"


def answers(address: str) -> bool | None:
    """Whether a server says that it is ready; ``None`` where nothing listens there."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # It listens here, behind no proxy.
    try:
        with direct.open(address, timeout=ANSWER_S) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return False
    except urllib.error.URLError as error:
        return None if isinstance(error.reason, ConnectionRefusedError) else False
    except (OSError, ValueError):
        return False


def free_port() -> int:
    """A port that nobody listens on; another program may still take it before the server does, which then is told."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        number: int = found.getsockname()[1]
        return number


def _how(code: int) -> str:
    return f"with exit code {code}" if code >= 0 else f"by signal {-code}"


def _said(running: GuardedCommand) -> str:
    return f", and said last: {running.last_words[-LAST_WORDS:]}" if running.last_words else ""
