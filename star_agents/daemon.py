"""`serve`: the daemon. Build the line, open the doors, work until told otherwise, drain.

Doors: the HTTP API, the inbox folder, agents.yaml itself (edited while the daemon runs), and signals.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio

from star_agents import __version__
from star_agents.accounts import Accounts
from star_agents.building import open_line
from star_agents.bus import Bus
from star_agents.config_file import config_digest, read_config
from star_agents.errors import ConfigError, Problem
from star_agents.events import ConfigRejected, StateChanged
from star_agents.intake import take_in_rows, watch_inbox
from star_agents.line import Line
from star_agents.logs import log_event
from star_agents.status import describe
from star_agents.storage.store import Store
from star_agents.watching import edits
from star_agents.web.app import serve_http


class Daemon:
    """One line behind its doors."""

    def __init__(self, line: Line, accounts: Accounts, config_path: Path) -> None:
        self._line = line
        self._accounts = accounts
        self._config_path = config_path
        self._state = "starting"
        self._config_problems: tuple[Problem, ...] = ()
        self._working = anyio.CancelScope()

    async def run(self, *, port: int | None) -> None:
        """Serve until told to drain, and until that is done."""
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
            self._enter("ready", f"{url}  inbox {inbox}")
            with self._working:
                await self._line.work()
            doors.cancel_scope.cancel()
        self._enter("stopped")

    def drain(self) -> None:
        """Take no further seed and wait for calls in flight, up to the drain limit. A second call ends at once."""
        if self._state == "draining":
            self._working.cancel()
            return
        limit = self._line.config.server.drain_s
        self._enter("draining", f"no new seeds; waiting up to {limit:g} s for calls in flight")
        self._line.close()
        self._working.deadline = anyio.current_time() + limit

    async def add_rows(self, rows: Sequence[Mapping[str, Any]], source: str) -> Mapping[str, Any]:
        """Take in seeds that came by HTTP."""
        new, duplicates = await take_in_rows(self._line, rows, source)
        return {"new": new, "duplicates": duplicates}

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
            ),
        }

    async def readiness(self) -> Mapping[str, bool]:
        """Each condition of being ready, by name."""
        await self._line.store.open_work()
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

    def _enter(self, state: str, detail: str = "") -> None:
        self._state = state
        self._line.bus.publish(StateChanged(state=state, detail=detail))


async def serve(config_path: Path, folder: Path, *, port: int | None) -> None:
    """Run the daemon on one config and one folder; SIGTERM or SIGINT drains it, a second one ends it at once.

    Raises:
        StarAgentsError: when it cannot start, or loses its scorer for good.
    """
    config = read_config(config_path)
    bus = Bus()
    bus.subscribe(log_event)
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with anyio.create_task_group() as tasks:
            started: list[Daemon] = []
            tasks.start_soon(_obey, signals, started, tasks.cancel_scope)
            async with (
                await Store.open(folder) as store,
                open_line(config, store, bus=bus, seeds_expected=None, ends_when_empty=False) as line,
            ):
                accounts = await Accounts.of(store)
                bus.subscribe(accounts.hear)
                started.append(Daemon(line, accounts, config_path))
                await started[0].run(port=port)
            tasks.cancel_scope.cancel()


async def _obey(signals: AsyncIterator[signal.Signals], started: Sequence[Daemon], scope: anyio.CancelScope) -> None:
    """While the line is still being built there is nothing to drain: a signal then ends the daemon."""
    async for _ in signals:
        if started:
            started[0].drain()
        else:
            scope.cancel()
