"""`serve`: the daemon. Build the line, open the doors, work until told otherwise, drain.

Doors: the HTTP API, the inbox folder, agents.yaml itself (edited while the daemon runs), and signals:

    SIGTERM, SIGINT   drain: no new seeds, calls in flight are awaited up to `server.drain_s`, exit 0
    the same again    end at once, still consistent: seeds in hand wait again, calls in flight may be paid twice
    SIGHUP            look at agents.yaml now, settled or not; start servers of `serve` anew that were given up
"""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio

from star_agents import __version__
from star_agents.config.lines import lines_from, with_lines
from star_agents.config.reading import config_digest
from star_agents.engine.access import access_to, given_token
from star_agents.engine.accounts import Accounts
from star_agents.engine.configuration import read_config
from star_agents.engine.engine import PAUSED, Engine
from star_agents.engine.inbox import Inbox, make_inbox
from star_agents.engine.insights import Insights
from star_agents.engine.model_results import ModelResults
from star_agents.engine.target_watch import TargetRest
from star_agents.engine.upkeep import keep_up
from star_agents.engine.web_backend import Desk, Standing
from star_agents.engine.wiring import open_engine, refuse_early
from star_agents.errors import ConfigError, Problem, RecipeError, StarAgentsError, StoreGone, leaves
from star_agents.events import ConfigMended, ConfigNoted, ConfigRejected, Event, StateChanged
from star_agents.observe.bus import Bus
from star_agents.observe.logs import LogFeed, log_event
from star_agents.observe.status import State
from star_agents.observe.telemetry import open_telemetry
from star_agents.process.event_loop_lag import watch_lag
from star_agents.process.file_watching import Look, edits, look
from star_agents.process.garbage_collection import spare_what_stays
from star_agents.process.systemd import Notifier
from star_agents.storage.readers import Readers
from star_agents.storage.store import Store
from star_agents.web.app import serve_http
from star_agents.web.metrics import Metrics


class BrokeDown(StarAgentsError):
    """A daemon that was at work lost something it needs, such as the scorer or the disk: starting again may help."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h


@contextmanager
def _signals() -> Iterator[AsyncIterator[int]]:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        yield signals


@dataclass(frozen=True, kw_only=True, slots=True)
class DaemonHost:
    """The program around a daemon; unless told otherwise the command, whose process does nothing else."""

    signals: Callable[[], AbstractContextManager[AsyncIterator[int]]] = _signals
    """Listens, while it is entered, for numbers of signals, or of what means the same."""
    hear: Callable[[Event], None] = lambda event: None
    """Hears everything that happens."""
    on_ready: Callable[[str], None] = lambda url: None
    """Hears the address once the daemon takes seeds there."""
    owns_process: bool = True
    """Whether what holds for all of the process may be set."""


COMMAND = DaemonHost()


class Daemon:
    """One line behind its doors."""

    def __init__(
        self, desk: Desk, config_path: Path, notifier: Notifier, on_ready: Callable[[str], None] = COMMAND.on_ready
    ) -> None:
        self._line = desk.line
        self._desk = desk
        self._standing = desk.standing
        self._config_path = config_path
        self._notifier = notifier
        self._on_ready = on_ready
        self._in_force = config_digest(desk.line.config)
        self._read: Look | None = None
        self._noted: frozenset[str] = frozenset()
        self._reading = anyio.Lock()
        self._asked = anyio.Event()
        self._intake = anyio.CancelScope()
        self._working = anyio.CancelScope()

    async def run(self, *, port: int | None) -> None:
        """Serve until told to drain, and until that is done.

        Raises:
            UsageError: the address cannot be bound, or its token cannot be used.
            BrokeDown: the scorer or the disk is lost; in a group.
            StoreGone: the store's files were removed or replaced; in a group.
        """
        try:
            await self._open_doors(port)
        except* StarAgentsError as lost:
            if self._standing.state == "starting":
                raise
            if (gone := lost.subgroup(StoreGone)) is not None:
                raise _first(gone) from None  # Nothing that was recorded is safe there.
            raise BrokeDown(f"{_first(lost)}; what is recorded is safe, start again to go on") from None
        self._enter("stopped")

    async def _open_doors(self, port: int | None) -> None:
        server = self._line.config.server
        access = access_to(server, self._line.store.folder)
        inbox = Path(server.watch) if server.watch else self._line.store.folder / "inbox"
        make_inbox(inbox)
        async with (
            serve_http(
                self._desk,
                host=server.host,
                port=server.port if port is None else port,
                token=access.token,
                allowed_hosts=server.allowed_hosts,
            ) as url,
            anyio.create_task_group() as doors,
        ):
            # Before it is ready: whoever edits a daemon that is, and sends SIGHUP, is to hear of the edit once.
            later_edits = edits(self._config_path)
            await self._catch_up_with(later_edits)
            if self._standing.state == "starting":
                access.tell(url, server)
                self._enter("ready", f"{url}  inbox {inbox}")
                if self._line.is_paused:
                    self._line.bus.publish(StateChanged(state="paused", detail=PAUSED.reason))
                self._notifier.ready(f"ready at {url}")
                self._on_ready(url)
            doors.start_soon(self._follow_edits, later_edits)
            doors.start_soon(self._follow_requests)
            doors.start_soon(self._watch_inbox, inbox)
            doors.start_soon(self._notifier.keep_alive, self._line.store.open_work)
            doors.start_soon(self._line.store.watch_files)
            doors.start_soon(keep_up, self._line, time.time)
            doors.start_soon(watch_lag, self._desk.counters.hear_lag)
            with self._working:
                await self._line.work()
            doors.cancel_scope.cancel()

    def drain(self) -> None:
        """Take no further seed and wait for calls in flight, up to the drain limit. A second call ends at once."""
        if self._standing.state == "draining":
            self._line.servers.hurry()
            self._working.cancel()
            return
        limit = self._line.config.server.drain_s
        detail = f"no new seeds; waiting up to {limit:g} s for calls in flight"
        self._notifier.stopping(f"draining: {detail}", within_s=limit)
        self._enter("draining", detail)
        self._intake.cancel()
        self._line.close()
        self._working.deadline = self._standing.drains_until = anyio.current_time() + limit

    def look_at_config(self) -> None:
        """Read agents.yaml at the next turn of the event loop, settled or not."""
        self._asked.set()

    # What goes on behind the doors

    async def _watch_inbox(self, inbox: Path) -> None:
        with self._intake:
            settle_s = self._line.config.server.settle_s
            await Inbox(self._line, inbox, settle_s=settle_s, documents=self._desk.documents).watch()

    async def _catch_up_with(self, looks: AsyncIterator[None]) -> None:
        """Read what was edited while the daemon started; this answers every signal until here as well."""
        await anext(looks)
        self._asked = anyio.Event()
        async with self._reading:
            await self._read_config()

    async def _follow_edits(self, looks: AsyncIterator[None]) -> None:
        async for _ in looks:
            async with self._reading:
                now = await look(self._config_path)
                if now is None or now != self._read:
                    await self._read_config()

    async def _follow_requests(self) -> None:
        """Look whenever a signal asks; systemd counts a reload as done at the next READY=1."""
        while True:
            await self._asked.wait()
            self._asked = anyio.Event()
            if self._standing.state != "ready":
                continue
            self._notifier.reloading()
            self._line.servers.try_again()
            async with self._reading:
                await self._read_config()
            problems = "".join(
                f"; agents.yaml is not in force: {problem}" for problem in self._standing.config_problems[:1]
            )
            self._notifier.ready(f"ready, revision {self._line.revision}{problems}")

    async def _read_config(self) -> None:
        """Put agents.yaml in force if it can be and says something new."""
        self._read = await look(self._config_path)
        try:
            # In a thread: a large file takes seconds, in which calls in flight want to be heard.
            notes: list[str] = []
            read = partial(read_config, note=lambda note: notes.append(str(note)))
            config = await anyio.to_thread.run_sync(read, self._config_path, os.environ)
            self._tell_once(notes)
            digest = config_digest(config)
            if digest != self._in_force:
                await self._line.reconfigure(config)
                self._in_force = digest
            if self._standing.config_problems:
                self._standing.config_problems = ()
                self._line.bus.publish(ConfigMended(revision=self._line.revision))
        except ConfigError as error:
            self._refuse(with_lines(error, self._config_path))
        except RecipeError as error:
            # Its arms cannot be made under these settings, or its templates do not fit: nothing has changed yet.
            problem = Problem(where=self._config_path.name, field="recipe", message=str(error))
            self._refuse(with_lines(ConfigError([problem]), self._config_path))
        except StarAgentsError:
            raise  # The store is lost.
        except Exception as error:
            # An edit never ends a daemon. What its text holds may be secret, the place in our code is not.
            self._refuse(ConfigError([_not_foreseen(error, self._config_path)]))

    def _tell_once(self, notes: Sequence[str]) -> None:
        """Tell what the file as it is should say otherwise, where the file before did not say it as well."""
        for note in notes:
            if note not in self._noted:
                self._line.bus.publish(ConfigNoted(message=note))
        self._noted = frozenset(notes)

    def _refuse(self, error: ConfigError) -> None:
        self._standing.config_problems = error.problems
        self._line.bus.publish(ConfigRejected(problems=error.problems))

    def _enter(self, state: State, detail: str = "") -> None:
        self._standing.state = state
        self._line.bus.publish(StateChanged(state=state, detail=detail))


def _not_foreseen(error: Exception, path: Path) -> Problem:
    last = traceback.extract_tb(error.__traceback__)[-1]
    message = f"cannot be put in force: {type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
    fix = "undo the last edit, and report this: it is a fault of star_agents that no line is named"
    return Problem(where=path.name, field="", message=message, fix=fix)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    return next(leaves(group))


async def serve(config_path: Path, folder: Path, *, port: int | None, log: LogFeed, host: DaemonHost = COMMAND) -> None:
    """Run the daemon on one config and one folder, until a signal ends it.

    Args:
        config_path: agents.yaml.
        folder: Where everything is kept.
        port: Instead of the one in agents.yaml.
        log: What is logged, for the page.
        host: The program around it.

    Raises:
        StarAgentsError: when it cannot start; ``BrokeDown`` when it cannot go on.
    """
    config = read_config(config_path, os.environ)
    given_token(config.server)  # A slip that can be told now is told before a folder is made or a model loaded.
    bus = Bus()
    for hears in (log_event, host.hear):
        bus.subscribe(hears)
    with host.signals() as signals:
        async with anyio.create_task_group() as tasks:
            started: list[Daemon] = []
            tasks.start_soon(_obey, signals, started, tasks.cancel_scope)
            with lines_from(config_path):
                refuse_early(config)
            async with (
                open_telemetry(bus, os.environ),
                await Store.open(folder) as store,
                Readers(folder) as readers,
                open_engine(config, store, bus=bus, seeds_expected=None, ends_when_empty=False) as line,
            ):
                desk = await _desk(line, readers, log, folder)
                if host.owns_process:
                    spare_what_stays()
                started.append(Daemon(desk, config_path, Notifier.of(os.environ), host.on_ready))
                await started[0].run(port=port)
            tasks.cancel_scope.cancel()


async def _desk(line: Engine, readers: Readers, log: LogFeed, folder: Path) -> Desk:
    """Everybody who counts begins where the store stands and hears what is new from here on."""
    desk = Desk(
        line=line,
        standing=Standing(),
        accounts=await Accounts.of(line.store),
        insights=await Insights.of(readers),
        readers=readers,
        counters=Metrics(__version__),
        log=log,
        results=ModelResults(folder),
    )
    rest = TargetRest(line.settling, line.bus.publish)
    for hears in (desk.accounts.hear, desk.insights.hear, desk.counters.hear, rest.hear):
        line.bus.subscribe(hears)
    return desk


async def _obey(signals: AsyncIterator[int], started: Sequence[Daemon], scope: anyio.CancelScope) -> None:
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
