"""`serve`: the daemon. Build the line, open the doors, work until told otherwise, drain.

Doors: the HTTP API, the inbox folder, agents.yaml itself (edited while the daemon runs), and signals.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.abc

from star_agents import __version__
from star_agents.bus import Bus
from star_agents.config import Config
from star_agents.config_file import config_digest, read_config
from star_agents.errors import ConfigError, Problem
from star_agents.events import ConfigRejected, StateChanged
from star_agents.intake import take_in_rows, watch_inbox
from star_agents.line import Line, open_line
from star_agents.logs import log_event
from star_agents.status import describe
from star_agents.storage.store import Store
from star_agents.watching import edits
from star_agents.web.app import serve_http


class Daemon:
    """One line behind its doors."""

    def __init__(self, line: Line, config_path: Path) -> None:
        self._line = line
        self._config_path = config_path
        self._state = "starting"
        self._config_problems: tuple[Problem, ...] = ()

    async def run(self, *, port: int | None) -> None:
        """Serve until a signal says otherwise, then drain."""
        server = self._line.config.server
        token = os.environ.get(server.token.removeprefix("os.environ/"), "") if server.token else ""
        inbox = Path(server.watch) if server.watch else self._line.store.folder / "inbox"
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
            doors.start_soon(self._follow_edits)
            doors.start_soon(watch_inbox, self._line, inbox)
            async with anyio.create_task_group() as workers:
                workers.start_soon(self._obey_signals, workers)
                self._enter("ready", f"{url}  inbox {inbox}")
                await self._line.work()
                workers.cancel_scope.cancel()
            doors.cancel_scope.cancel()
        self._enter("stopped")

    async def add_rows(self, rows: Sequence[Mapping[str, Any]], source: str) -> Mapping[str, Any]:
        """Take in seeds that came by HTTP."""
        new, duplicates = await take_in_rows(self._line, rows, source)
        return {"new": new, "duplicates": duplicates}

    async def status(self) -> Mapping[str, Any]:
        """What the daemon is doing, for `GET /v1/status`."""
        line = self._line
        counts, spend = await line.store.counts(), await line.store.spend()
        return {
            "version": __version__,
            "state": self._state,
            "pid": os.getpid(),
            "revision": line.revision,
            "config_problems": [str(problem) for problem in self._config_problems],
            **describe(line.config, counts, spend, line.scheduler.probabilities()),
        }

    async def readiness(self) -> Mapping[str, bool]:
        """Each condition of being ready, by name."""
        await self._line.store.counts()
        return {"store": True, "config": not self._config_problems, "taking_seeds": self._state == "ready"}

    async def _follow_edits(self) -> None:
        in_force = config_digest(self._line.config)
        async for _ in edits(self._config_path):
            try:
                config = read_config(self._config_path)
                if config_digest(config) != in_force:
                    await self._line.reconfigure(config)
                    in_force = config_digest(config)
                self._config_problems = ()
            except ConfigError as error:
                self._config_problems = error.problems
                self._line.bus.publish(ConfigRejected(problems=error.problems))

    async def _obey_signals(self, workers: anyio.abc.TaskGroup) -> None:
        """First SIGTERM or SIGINT: drain. After the drain limit, or on a second one: stop at once, still consistent."""
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                if self._state == "draining":
                    break
                self._enter("draining", "no new seeds; waiting for calls in flight")
                self._line.queue.close()
                workers.start_soon(self._end_after, self._line.config.server.drain_s, workers)
        workers.cancel_scope.cancel()

    async def _end_after(self, seconds: float, workers: anyio.abc.TaskGroup) -> None:
        await anyio.sleep(seconds)
        workers.cancel_scope.cancel()

    def _enter(self, state: str, detail: str = "") -> None:
        self._state = state
        self._line.bus.publish(StateChanged(state=state, detail=detail))


async def serve(config_path: Path, folder: Path, *, port: int | None) -> None:
    """Run the daemon on one config and one folder.

    Raises:
        StarAgentsError: when it cannot start, or loses its scorer for good.
    """
    config: Config = read_config(config_path)
    bus = Bus()
    bus.subscribe(log_event)
    async with (
        await Store.open(folder) as store,
        open_line(config, store, bus=bus, seeds_expected=None, ends_when_empty=False) as line,
    ):
        await Daemon(line, config_path).run(port=port)
