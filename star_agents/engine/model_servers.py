"""The servers of `serve` in agents.yaml: started beside the work, kept up, exchanged by an edit, ended with it.

    async with ModelServers(store.folder, tell=bus.publish) as servers:
        client = AgentClient(config.agents, place=servers.place, ...)
        servers.put_in_force(config, client.holds)

Whatever agents are at a server's address are held while it cannot be asked: their calls wait and draws pass them over,
as with an agent that is down, and nobody else is held up. Each server is a ``process.server.Server``.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from star_agents.agents.deployment_groups import DeploymentGroups, Origin
from star_agents.agents.local_network import host_of
from star_agents.agents.model_lists import Server as ListServer
from star_agents.agents.model_lists import look, open_session
from star_agents.agents.transports.direct_routes import key_by_habit
from star_agents.config.base import SECRET_REFERENCE
from star_agents.config.models import AgentConfig, Config, DeploymentConfig
from star_agents.config.references import look_up_secret
from star_agents.config.serving import Served, origin_of, placed, served_by
from star_agents.engine.local_agents import agents_at_work
from star_agents.events import ServerChanged
from star_agents.observe.status import ServerState
from star_agents.process.gpu_memory import gpu_memory_by_session
from star_agents.process.server import (
    STEADY_S,
    WATCH_S,
    Found,
    Server,
    ServerGone,
    ServerOrder,
    What,
    answers,
    free_port,
)
from star_agents.records.failures import one_line
from star_agents.text.redaction import redactor

FOLDER = "servers"
"""Where logs lie, in the folder of the run."""
LONGEST_BACKOFF_S = 60.0
LOOK_S = 0.25
"""Seconds between two looks at whether calls to a server that is to end have ended, or one is asked for the first
time."""
GPU_S = 30.0
"""Seconds between two looks at the GPU's memory."""
_SHOWN_NAMES = 5
_LONGEST = 1200
"""Characters of a message."""
_NOT_ASKED = "its server is not started: nobody has asked for it yet"


@dataclass(eq=False, slots=True)
class _Kept:
    """One server at work."""

    served: Served
    server: Server
    address: str
    users: list[tuple[str, DeploymentConfig]]
    """Agents and the endpoints of theirs that are here."""
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    is_wanted: anyio.Event = field(default_factory=anyio.Event)
    is_settled: anyio.Event = field(default_factory=anyio.Event)
    """Set once it is known whether it can be asked."""
    is_over: anyio.Event = field(default_factory=anyio.Event)
    is_leaving: bool = False
    tries_again: bool = False

    @property
    def origin(self) -> Origin:
        return origin_of(self.address)

    @property
    def agents(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for name, _ in self.users))


class ModelServers:
    """The servers of one config; they run while this is entered.

    Args:
        folder: Of the run: where logs lie.
        tell: Hears what happens to them.
        environ: Where ``os.environ/NAME`` is looked up.
        sleep: Waits.
        keeps_logs: Whether the folder outlives the servers.
    """

    def __init__(
        self,
        folder: Path,
        *,
        tell: Callable[[ServerChanged], None],
        environ: Mapping[str, str] = os.environ,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        keeps_logs: bool = True,
    ) -> None:
        self._folder, self._publish, self._environ, self._keeps_logs = folder, tell, environ, keeps_logs
        self._drain_s, self._sleep = 0.0, sleep
        self._ports: dict[Served, int] = {}
        self._kept: dict[Served, _Kept] = {}
        self._leaving: list[_Kept] = []
        self._holds: DeploymentGroups | None = None
        self._tasks: TaskGroup | None = None
        self._gpu: Mapping[int, int] = {}
        self._watches_gpu = False

    async def __aenter__(self) -> Self:
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End all of them at once."""
        assert self._tasks is not None, "entered"
        tasks, self._tasks = self._tasks, None
        for kept in (*self._kept.values(), *self._leaving):
            if kept.server.pid is not None and not kept.is_leaving:
                self._tell(kept, "stopping", f"the server of {_names(kept)} is ended")
        tasks.cancel_scope.cancel()  # What a server has started ends under a shield of its own.
        await tasks.__aexit__(None, None, None)

    def place(self, agents: Mapping[str, AgentConfig]) -> Mapping[str, AgentConfig]:
        """The agents with the addresses of their servers; a port that is free is chosen once for each."""
        return placed(agents, self._port_of)

    def _port_of(self, served: Served) -> int:
        if served.port is not None:
            return served.port
        if served not in self._ports:
            self._ports[served] = free_port()
        return self._ports[served]

    def put_in_force(self, config: Config, holds: DeploymentGroups | None = None, *, all_at_once: bool = False) -> None:
        """Start what agents.yaml asks for now, and end what it no longer does, once calls in flight there have ended.

        They are waited for up to `server.drain_s`. Servers of agents that the work does not name are started when they
        are asked, unless ``all_at_once``.
        """
        assert self._tasks is not None, "entered"
        self._holds, self._drain_s = holds, config.server.drain_s
        wanted: dict[Served, list[tuple[str, DeploymentConfig]]] = {}
        for name, agent in config.agents.items():
            for endpoint in agent.endpoints:
                if (served := served_by(endpoint)) is not None:
                    wanted.setdefault(served, []).append((name, endpoint))
        self.try_again()
        gone = [self._kept.pop(served) for served in self._kept.keys() - wanted.keys()]
        if wanted and not self._watches_gpu:
            self._watches_gpu = True
            self._tasks.start_soon(self._watch_gpu)
        at_work = set(config.agents if all_at_once else agents_at_work(config))
        for served, users in wanted.items():
            if served not in self._kept:
                self._kept[served] = self._made(served, users)
            kept = self._kept[served]
            kept.users = users
            if at_work & set(kept.agents):
                kept.is_wanted.set()
        for kept in gone:
            kept.is_leaving = True
            self._leaving.append(kept)
            self._tasks.start_soon(self._let_go, kept)

    def try_again(self) -> None:
        """Start those anew that were given up."""
        for kept in self._kept.values():
            kept.tries_again = kept.server.state == "down"

    def hurry(self) -> None:
        """End all of them at once; what is in their hands is lost."""
        for kept in (*self._kept.values(), *self._leaving):
            kept.server.hurry()

    async def settled(self) -> None:
        """Wait until each that is started can be asked, or is given up."""
        for kept in self._kept.values():
            if kept.is_wanted.is_set():
                await kept.is_settled.wait()

    def states(self) -> list[ServerState]:
        """State of each server, those that are about to end included."""
        return [self._state(kept) for kept in (*self._kept.values(), *self._leaving)]

    # One server

    def _made(self, served: Served, users: list[tuple[str, DeploymentConfig]]) -> _Kept:
        port, serve, agent = self._port_of(served), served.settings, users[0][0]
        order = ServerOrder(
            name=agent,
            command=served.command(port),
            ready=served.ready(port),
            log=self._log(served, agent),
            restarts=serve.restarts,
            ready_within_s=serve.ready_within_s,
            stop_s=serve.stop_s,
            backoff_s=serve.backoff_s,
            longest_backoff_s=LONGEST_BACKOFF_S,
            unanswered_s=serve.unanswered_s,
            steady_s=STEADY_S,
            env={name: self._value(text) for name, text in serve.env.items()},
            secrets=[name for name, text in serve.env.items() if SECRET_REFERENCE.fullmatch(text)],
            keeps_log=self._keeps_logs,
            settings=f"agents.{agent}.serve.restarts",
            ready_setting=f"agents.{agent}.serve.ready_within_s",
        )
        server = Server(
            order,
            tell=lambda what, told: self._hear(kept, what, told),
            look=lambda: self._look(kept),
            sleep=self._sleep,
        )
        kept = _Kept(served, server, served.address(port), users)
        if self._holds is not None:
            self._holds.hold(kept.origin, _NOT_ASKED)
        assert self._tasks is not None, "entered"
        self._tasks.start_soon(self._keep, kept)
        return kept

    def _log(self, served: Served, agent: str) -> Path:
        """No two servers write one log: the second of an agent's deployments has ``AGENT@1.log``. The one that an edit
        puts in the place of another has that one's, and so begins when that has ended."""
        taken = {kept.server.order.log for kept in self._kept.values()}
        names = (f"{agent}{f'@{number}' if number else ''}.log" for number in itertools.count())
        free = (path for path in (self._folder / FOLDER / name for name in names) if path not in taken)
        return next(free) if served.settings.log is None else self._folder / served.settings.log

    def _value(self, text: str) -> str:
        """Raises ValueError where it is a variable that is not set, which reading agents.yaml has refused before."""
        return look_up_secret(text, self._environ) if SECRET_REFERENCE.fullmatch(text) else text

    async def _keep(self, kept: _Kept) -> None:
        """Keep it up until its scope is cancelled."""
        try:
            with kept.scope:
                while not kept.is_wanted.is_set():
                    if self._holds is not None and self._holds.waiting_at(kept.origin):
                        kept.is_wanted.set()
                    else:
                        await self._sleep(LOOK_S)
                for other in [one for one in self._leaving if one.origin == kept.origin]:
                    await other.is_over.wait()
                while True:
                    kept.tries_again = False
                    try:
                        await kept.server.keep()
                    except ServerGone:
                        await self._until_there(kept)
        finally:
            kept.is_over.set()

    async def _until_there(self, kept: _Kept) -> None:
        """Wait until a server that was given up can be asked after all, or somebody wants it tried again."""
        while not kept.tries_again:
            await self._sleep(min(WATCH_S, kept.server.order.unanswered_s / 2))
            if (await self._look(kept)).what == "ours":
                return

    async def _let_go(self, kept: _Kept) -> None:
        """End a server that agents.yaml no longer asks for."""
        calls = self._holds.calls_at(kept.origin) if self._holds is not None else 0
        waits = f"once {calls:,} calls have ended, {self._drain_s:g} s at the most" if calls else "now"
        if kept.server.pid is not None:
            told = f"agents.yaml no longer asks for the server of {_names(kept)}; it is ended {waits}"
            self._tell(kept, "stopping", told)
        with anyio.move_on_after(self._drain_s) as limit:
            while self._holds is not None and self._holds.calls_at(kept.origin):
                await self._sleep(LOOK_S)
        left = f"; calls in flight were cut off after {self._drain_s:g} s" if limit.cancelled_caught else ""
        kept.scope.cancel()
        await kept.is_over.wait()
        self._leaving.remove(kept)
        self._ports.pop(kept.served, None)
        if self._holds is not None and all(one.origin != kept.origin for one in self._kept.values()):
            self._holds.forget(kept.origin)
        self._tell(kept, "stopped", f"the server of {_names(kept)} has ended{left}")

    def _hear(self, kept: _Kept, what: What, message: str) -> None:
        """Something happened: calls pass, or wait, or need wait no longer."""
        told = _told(message)
        kept.server.trouble = _told(kept.server.trouble)
        if what in ("ready", "attached", "down"):
            kept.is_settled.set()
        if self._holds is None or kept.is_leaving:
            pass
        elif what in ("ready", "attached"):
            self._holds.release(kept.origin)
        else:
            self._holds.hold(kept.origin, told, for_good=what == "down")
        self._tell(kept, what, told)

    def _tell(self, kept: _Kept, what: str, message: str) -> None:
        server = kept.server
        self._publish(
            ServerChanged(
                agents=kept.agents,
                what=what,
                address=host_of(kept.address),
                pid=server.pid,
                restarts=server.restarts,
                message=message,
            )
        )

    async def _look(self, kept: _Kept) -> Found:
        """What answers at its address, before anything is started there."""
        is_ready = await anyio.to_thread.run_sync(answers, kept.server.order.ready)
        if is_ready is None:
            return Found("free")
        host, models = host_of(kept.address), [one.model.partition("/")[2] for _, one in kept.users]
        key = self._key_of(kept.users[0][1])
        server = ListServer(speaks=kept.served.speaks, base=kept.address.rstrip("/"), key=key)
        async with open_session() as session:
            shelf = await look(session, server, models[0])
        if shelf is None:
            return Found("taken", f"something listens at {host} already, and tells no list of models")
        if missing := [model for model in models if not shelf.has(model)]:
            there = ", ".join(shelf.names[:_SHOWN_NAMES]) or "no model"
            return Found("taken", f"what answers at {host} has {there}, and not {missing[0]}")
        if not is_ready:
            return Found("taken", f"what answers at {host} is not ready: {kept.server.order.ready}")
        return Found("ours", f"{host} answers, and has {models[0]}")

    def _key_of(self, endpoint: DeploymentConfig) -> str | None:
        if endpoint.api_key is not None:
            return look_up_secret(endpoint.api_key, self._environ)
        return key_by_habit(endpoint.model.partition("/")[0], self._environ)

    # What is told of them

    async def _watch_gpu(self) -> None:
        """Where there is nothing that knows of GPUs, nobody asks again."""
        while shutil.which("nvidia-smi") is not None:
            if any(kept.server.pid for kept in self._kept.values()):
                self._gpu = await anyio.to_thread.run_sync(gpu_memory_by_session)
            await self._sleep(GPU_S)

    def _state(self, kept: _Kept) -> ServerState:
        server = kept.server
        told: dict[str, Any] = {
            "state": "stopping" if kept.is_leaving else server.state,
            "pid": server.pid,
            "ready_after_s": server.ready_after_s,
            "restarts": server.restarts,
            "gpu_memory": None if server.pid is None else self._gpu.get(server.pid),
            "trouble": _NOT_ASKED if server.state == "waiting" else server.trouble,
        }
        sentence = in_words(kept.agents, host_of(kept.address), told)
        return ServerState(
            agents=kept.agents, address=host_of(kept.address), log=str(server.order.log), sentence=sentence, **told
        )


def in_words(agents: Sequence[str], host: str, told: Mapping[str, Any]) -> str:
    """How a server does, in a sentence."""
    facts = [str(told["state"])]
    if told["pid"] is not None:
        gpu = told["gpu_memory"]
        facts.append(f"process {told['pid']}")
        facts.append("GPU memory unknown" if gpu is None else f"{gpu / 2**30:.1f} GiB of GPU memory")
    if told["ready_after_s"] is not None and told["pid"] is not None:
        facts.append(f"ready after {told['ready_after_s']:.1f} s")
    if told["restarts"]:
        facts.append(f"started again {told['restarts']} {'time' if told['restarts'] == 1 else 'times'}")
    return (
        f"server of {', '.join(agents)} at {host}: {', '.join(facts)}{'; ' if told['trouble'] else ''}{told['trouble']}"
    )


def _names(kept: _Kept) -> str:
    return ", ".join(kept.agents)


def _told(message: str) -> str:
    """What a server said stands in it: in one line, and without secrets."""
    return one_line(redactor.text(message), _LONGEST)
