"""`serve`: the daemon. Build the line, open the doors, work until told otherwise, drain.

Doors: the HTTP API, the inbox folder, agents.yaml itself (edited while the daemon runs), and signals:

    SIGTERM, SIGINT   drain: no new seeds, calls in flight are awaited up to `server.drain_s`, exit 0
    the same again    end at once, still consistent: seeds in hand wait again, calls in flight may be paid twice
    SIGHUP            look at agents.yaml now, settled or not
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio

from star_agents import __version__
from star_agents.accounts import Accounts
from star_agents.building import open_line
from star_agents.bus import Bus
from star_agents.config import ServerConfig
from star_agents.config_file import config_digest, read_config
from star_agents.errors import ConfigError, Problem, StarAgentsError, UsageError
from star_agents.events import ConfigRejected, StateChanged
from star_agents.intake import make_inbox, take_in_rows, watch_inbox
from star_agents.line import Line
from star_agents.logs import log_event
from star_agents.notify import Notifier
from star_agents.status import describe
from star_agents.storage.store import Store
from star_agents.upkeep import keep_up
from star_agents.watching import Look, edits, look
from star_agents.web.app import serve_http


class BrokeDown(StarAgentsError):
    """A daemon that was at work lost something it needs, such as the scorer or the disk: starting again may help."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h


class Daemon:
    """One line behind its doors."""

    def __init__(self, line: Line, accounts: Accounts, config_path: Path, notifier: Notifier) -> None:
        self._line = line
        self._accounts = accounts
        self._config_path = config_path
        self._notifier = notifier
        self._state = "starting"
        self._config_problems: tuple[Problem, ...] = ()
        self._in_force = config_digest(line.config)
        self._read: Look | None = None
        self._reading = anyio.Lock()
        self._asked = anyio.Event()
        self._intake = anyio.CancelScope()
        self._working = anyio.CancelScope()

    async def run(self, *, port: int | None) -> None:
        """Serve until told to drain, and until that is done.

        Raises:
            UsageError: the address cannot be bound, or needs a token.
            BrokeDown: the scorer or the store is lost; in a group.
        """
        try:
            await self._open_doors(port)
        except* StarAgentsError as lost:
            if self._state == "starting":
                raise
            raise BrokeDown(f"{_first(lost)}; what is recorded is safe, start again to go on") from None
        self._enter("stopped")

    async def _open_doors(self, port: int | None) -> None:
        server = self._line.config.server
        token = token_of(server)
        inbox = Path(server.watch) if server.watch else self._line.store.folder / "inbox"
        make_inbox(inbox)
        async with (
            serve_http(
                self,
                host=server.host,
                port=server.port if port is None else port,
                token=token,
                allowed_hosts=server.allowed_hosts,
            ) as url,
            anyio.create_task_group() as doors,
        ):
            if self._state == "starting":
                self._enter("ready", f"{url}  inbox {inbox}")
                self._notifier.ready(f"ready at {url}")
            doors.start_soon(self._follow_edits)
            doors.start_soon(self._follow_requests)
            doors.start_soon(self._watch_inbox, inbox)
            doors.start_soon(self._notifier.keep_alive, self._line.store.open_work)
            doors.start_soon(keep_up, self._line, time.time)
            with self._working:
                await self._line.work()
            doors.cancel_scope.cancel()

    def drain(self) -> None:
        """Take no further seed and wait for calls in flight, up to the drain limit. A second call ends at once."""
        if self._state == "draining":
            self._working.cancel()
            return
        limit = self._line.config.server.drain_s
        detail = f"no new seeds; waiting up to {limit:g} s for calls in flight"
        self._notifier.stopping(f"draining: {detail}", within_s=limit)
        self._enter("draining", detail)
        self._intake.cancel()
        self._line.close()
        self._working.deadline = anyio.current_time() + limit

    def look_at_config(self) -> None:
        """Read agents.yaml at the next turn of the event loop, settled or not."""
        self._asked.set()

    # What the routes ask

    async def add_rows(
        self, rows: Sequence[Mapping[str, Any]], source: str, request: tuple[str, str] | None
    ) -> Mapping[str, Any]:
        """Take in seeds that came by HTTP."""
        new, duplicates = await take_in_rows(self._line, rows, source, request)
        return {"new": new, "duplicates": duplicates}

    async def recall_request(self, key: str) -> tuple[str, str] | None:
        """Digest and answer of a request that was taken in under this key."""
        return await self._line.store.recall_request(key)

    def retry_after(self) -> float | None:
        """Seconds until a successor may take seeds; ``None`` while this daemon does."""
        return self._working.deadline - anyio.current_time() if self._state == "draining" else None

    async def quarantine(self, limit: int) -> Sequence[Mapping[str, Any]]:
        """Seeds that were in hand too often when a process died."""
        rows = await self._line.store.quarantined(limit)
        return [row._asdict() for row in rows]

    async def release_quarantined(self, seed_ids: Sequence[str] | None) -> int:
        """Queue these (``None``: all) again; UsageError where one is not in quarantine."""
        released = await self._line.store.release_quarantined(seed_ids)
        self._line.queue.wake()
        return released

    async def status(self) -> Mapping[str, Any]:
        """What the daemon is doing, for `GET /v1/status`."""
        line = self._line
        waiting, in_hand = line.waiting_for, await line.store.open_work()
        return {
            "version": __version__,
            "state": self._state,
            "pid": os.getpid(),
            "revision": line.revision,
            "config_problems": [str(problem) for problem in self._config_problems],
            "waiting_for": None if waiting is None else {"reason": waiting.reason, "until": waiting.until},
            **describe(
                self._accounts.counts(in_hand),
                self._accounts.spend(),
                self._accounts.pair_costs(),
                line.client.budgets.states(),
                line.scheduler.probabilities(),
                line.client.states(),
            ),
        }

    async def readiness(self) -> Mapping[str, bool]:
        """Each condition of being ready, by name."""
        await self._line.store.open_work()
        return {"store": True, "config": not self._config_problems, "taking_seeds": self._state == "ready"}

    # What goes on behind the doors

    async def _watch_inbox(self, inbox: Path) -> None:
        with self._intake:
            await watch_inbox(self._line, inbox)

    async def _follow_edits(self) -> None:
        async for _ in edits(self._config_path):
            async with self._reading:
                now = await look(self._config_path)
                if now is None or now != self._read:
                    await self._read_config()

    async def _follow_requests(self) -> None:
        """Look whenever a signal asks; systemd counts a reload as done at the next READY=1."""
        while True:
            await self._asked.wait()
            self._asked = anyio.Event()
            if self._state != "ready":
                continue
            self._notifier.reloading()
            async with self._reading:
                await self._read_config()
            problems = "".join(f"; agents.yaml is not in force: {problem}" for problem in self._config_problems[:1])
            self._notifier.ready(f"ready, revision {self._line.revision}{problems}")

    async def _read_config(self) -> None:
        """Put agents.yaml in force if it can be and says something new."""
        self._read = await look(self._config_path)
        try:
            config = read_config(self._config_path)
            digest = config_digest(config)
            if digest != self._in_force:
                await self._line.reconfigure(config)
                self._in_force = digest
            self._config_problems = ()
        except ConfigError as error:
            self._config_problems = error.problems
            self._line.bus.publish(ConfigRejected(problems=error.problems))

    def _enter(self, state: str, detail: str = "") -> None:
        self._state = state
        self._line.bus.publish(StateChanged(state=state, detail=detail))


def token_of(server: ServerConfig) -> str:
    """The API's token out of the environment; empty where none is asked for.

    Raises:
        UsageError: one is asked for and not set. Serving without it would let in whom it was to keep out.
    """
    if server.token is None:
        return ""
    name = server.token.removeprefix("os.environ/")
    token = os.environ.get(name, "").strip()
    if not token:
        raise UsageError(f"server.token in agents.yaml names the environment variable {name}, which is not set; set it")
    return token


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


async def serve(config_path: Path, folder: Path, *, port: int | None) -> None:
    """Run the daemon on one config and one folder, until a signal ends it.

    Raises:
        StarAgentsError: when it cannot start; ``BrokeDown`` when it cannot go on.
    """
    config = read_config(config_path)
    token_of(config.server)  # A slip that can be told now is told before a folder is made or a model loaded.
    bus = Bus()
    bus.subscribe(log_event)
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with anyio.create_task_group() as tasks:
            started: list[Daemon] = []
            tasks.start_soon(_obey, signals, started, tasks.cancel_scope)
            async with (
                await Store.open(folder) as store,
                open_line(config, store, bus=bus, seeds_expected=None, ends_when_empty=False) as line,
            ):
                accounts = await Accounts.of(store)
                bus.subscribe(accounts.hear)
                started.append(Daemon(line, accounts, config_path, Notifier.of(os.environ)))
                await started[0].run(port=port)
            tasks.cancel_scope.cancel()


async def _obey(signals: AsyncIterator[signal.Signals], started: Sequence[Daemon], scope: anyio.CancelScope) -> None:
    """While the line is still being built there is nothing to drain or to reload: a signal then ends the daemon."""
    async for number in signals:
        if number == signal.SIGHUP:
            # A daemon that is still starting reads agents.yaml once more when it is ready.
            for daemon in started:
                daemon.look_at_config()
        elif started:
            started[0].drain()
        else:
            scope.cancel()
