"""This process's connection to a cluster: made, watched for nodes that come and go, and given up."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from star_agents.cluster.failures import translated
from star_agents.cluster.nodes import Change, Node, change_between, in_words, nodes_in
from star_agents.cluster.ray_module import PINNED, claim, hear, load, quiet
from star_agents.cluster.tokens import show_token
from star_agents.config.cluster import ClusterConfig
from star_agents.errors import ActorLost, ClusterError

LOOK_S = 2.0
"""Seconds between two looks at the list of nodes."""
MISSED = 5
"""Looks in a row at which the head accepts no connection: then the cluster is gone, and is tried again."""
DOOR_FAILED = "Starting Ray client server failed"
"""What the door for ``ray://`` says when the process that it forks for each client has crashed: gRPC begins its threads
anew in the child, and now and then that ends with SIGSEGV and an empty log. The next one mostly works."""
DOOR_TRIES = 3
_VERSIONS = re.compile(r"Ray: (\S+)\s+Python: (\S+)")
"""In what Ray says to a process of another release: first those of the head, then those of the process."""
KNOCK_S = 2.0
"""Seconds that a node's raylet may take to accept a connection."""
Hears = Callable[[Change], None]


class Connection:
    """``async with Connection(config.cluster, tell=...) as cluster: cluster.nodes``.

    Args:
        config: The ``cluster`` section of agents.yaml.
        tell: Hears, in a sentence each, of nodes that join or are lost, and of what Ray has to say.
        look_s: Seconds between two looks at the list of nodes.
        sleep: Passes that time.

    A process has one connection to Ray; one that is open already, such as a notebook's, is used and left open. Entering
    raises ClusterError where Ray is missing, its cluster cannot be reached, or this process was forked from one that
    had used Ray.
    """

    def __init__(
        self,
        config: ClusterConfig,
        *,
        tell: Callable[[str], None],
        look_s: float = LOOK_S,
        sleep: Callable[[float], Any] = anyio.sleep,
    ) -> None:
        self.config = config
        self.nodes: Mapping[str, Node] = {}
        """Those alive as of the last look, by id."""
        self.lost = 0
        """Nodes lost so far."""
        self.ray: Any = None
        """The library, while connected."""
        self._tell = tell
        self._look_s = look_s
        self._sleep = sleep
        self._tasks: TaskGroup | None = None
        self._heard_by: list[Hears] = []
        self._is_ours = False
        self._reachable: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._said = ""
        self._head = ("", 0)
        """Where the head, or its door for ``ray://``, accepts connections; no port: nowhere that we know."""

    async def __aenter__(self) -> Self:
        self.ray = load()
        claim(self.ray)
        self._loop = asyncio.get_running_loop()
        if not self.ray.is_initialized():
            self._is_ours = True
            await self._connect()
        try:
            self.nodes = await self._list()
            await self._knock_on(self.nodes.values())
            self._head = self._door()
        except BaseException:
            await self._disconnect()
            raise
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._watch)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._tasks is not None, "entered"
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)
        await self._disconnect()

    def on_change(self, hears: Hears) -> Callable[[], None]:
        """Call ``hears`` in the event loop with every change of the nodes; returns what ends that."""
        self._heard_by.append(hears)
        return lambda: self._heard_by.remove(hears)

    def lines(self) -> list[str]:
        """What every node has, one line each."""
        return [in_words(node) for node in self.nodes.values()]

    def own_address(self) -> str:
        """Address of the node that this process is on; empty where it is on none, as with ``ray://``."""
        if self.ray.util.client.ray.is_connected():
            return ""
        node = self.nodes.get(self.ray.get_runtime_context().get_node_id())
        return "" if node is None else node.address

    def has_answered(self, node: Node) -> bool:
        """Whether the node's raylet accepted a connection when the node was first seen. A client behind a firewall
        reaches none."""
        return node.id in self._reachable

    async def is_gone(self, node: Node) -> bool:
        """Whether a node is lost: it is off Ray's list, which takes Ray some tens of seconds, or its raylet no longer
        answers where it did before."""
        if node.id not in self.nodes:
            return True
        return node.id in self._reachable and not await to_thread.run_sync(_knock, node)

    async def call(self, doing: str, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """The result of something of Ray's that blocks, in a thread. Raises ClusterError, ActorLost."""
        if not self.ray.is_initialized():  # Where Ray was loaded before us, it would look for any cluster by itself.
            raise ActorLost(f"{doing} failed: the cluster is gone")
        try:
            return await to_thread.run_sync(partial(function, *args, **options), abandon_on_cancel=True)
        except Exception as error:
            raise translated(error, doing) from error

    async def look(self) -> Change:
        """Look at the list of nodes now, and tell what changed. Raises ClusterError where Ray cannot be asked."""
        now = await self._list()
        await self._knock_on(node for id, node in now.items() if id not in self.nodes)
        return self._found(now)

    def _found(self, now: Mapping[str, Node]) -> Change:
        change = change_between(self.nodes, now)
        self.nodes = now
        for node in change.joined:
            self._tell(f"Ray's cluster: a node joins: {in_words(node)}")
        for node in change.lost:
            self.lost += 1
            self._tell(f"Ray's cluster: a node is lost: {in_words(node)}")
        if change:
            for hears in tuple(self._heard_by):
                hears(change)
        return change

    async def _watch(self) -> None:
        is_told, missed = False, 0
        while True:
            await self._sleep(self._look_s)
            if await self._is_headless():
                missed += 1
                if missed >= MISSED and self._is_ours and self.config.ray != "local":
                    await self._begin_anew()
                    missed = 0
                continue  # Ray would wait for it, and for how long nobody knows.
            missed = 0
            try:
                await self.look()
                is_told = False
            except ClusterError as error:  # It may be back at the next look; actors that are lost say so themselves.
                if not is_told:
                    self._tell(f"Ray's cluster cannot be asked for its nodes: {error}")
                is_told = True

    async def _is_headless(self) -> bool:
        return bool(self._head[1]) and not await to_thread.run_sync(_accepts, *self._head)

    async def _begin_anew(self) -> None:
        """Count every node as lost, wait for the head, and connect to what it then leads, which knows nothing of us."""
        self._tell(f"Ray's cluster is gone: nothing answers at {_joined(self._head)}; it is tried again")
        self._found({})
        await to_thread.run_sync(self.ray.shutdown)  # Whoever waits for Ray waits no longer.
        is_told = False
        while True:
            await self._sleep(self._look_s)
            if await self._is_headless():
                continue
            try:
                await self._connect()
                self._head = self._door()
                return
            except ClusterError as error:
                if not is_told:
                    self._tell(f"{error}; it is tried again")
                is_told = True

    def _door(self) -> tuple[str, int]:
        if self.config.ray.startswith("ray://"):
            host, _, port = self.config.ray.removeprefix("ray://").rpartition(":")
        elif self.ray.util.client.ray.is_connected():
            return "", 0  # A notebook's.
        else:
            host, _, port = str(self.ray.get_runtime_context().gcs_address).rpartition(":")
        return host.strip("[]"), int(port)

    async def _knock_on(self, nodes: Any) -> None:
        for node in nodes:
            if await to_thread.run_sync(_knock, node):
                self._reachable.add(node.id)

    async def _list(self) -> Mapping[str, Node]:
        return nodes_in(await self.call("listing the nodes of Ray's cluster", self.ray.nodes))

    async def _connect(self) -> None:
        doing = f"connecting to Ray (cluster: {{ray: {self.config.ray}}})"
        if self.ray.__version__ != PINNED:
            self._tell(f"ray {self.ray.__version__} is installed, and {PINNED} is what this release is tested with")
        try:
            if self.config.ray == "local":
                # Ray sets handlers of signals here, which only the main thread may.
                self._init(include_dashboard=False)
            else:
                await self._reach()
        except Exception as error:
            raise ClusterError(f"{translated(error, doing)} ({self._advice(error)})") from error

    def _advice(self, error: Exception) -> str:
        if self.config.ray == "auto":
            return "`ray start --head` starts a cluster here, `ray start --address=HOST:6379` joins one"
        if versions := _VERSIONS.findall(str(error)):
            (there, python), *_ = versions
            return f"its head has Ray {there} and Python {python}: install the same here, or the ones of here there"
        if DOOR_FAILED in str(error):
            return (
                "ray_client_server_*.err in Ray's logs of the head says why; where it is empty, start the head with "
                "GRPC_ENABLE_FORK_SUPPORT=0, or make this machine a node and give the head's HOST:6379"
            )
        if isinstance(error, ModuleNotFoundError):
            return "pip install 'star-agents[ray]', which brings what Ray's client needs"
        if self.config.ray.startswith("ray://"):
            return "is its head running, with star-agents[ray] and the Python of here? Its door is port 10001 mostly"
        return "is it running, and of the same Ray and Python as here?"

    async def _reach(self) -> None:
        """Ray waits for minutes for a head that is not there, and is not to be interrupted."""
        host, colon, port = self.config.ray.removeprefix("ray://").rpartition(":")
        if colon:  # Else it is `auto`, and Ray finds it.
            if not await to_thread.run_sync(_accepts, host.strip("[]"), int(port)):
                raise ClusterError(f"nothing answers at {self.config.ray}")
            with quiet():
                is_client = self.config.ray.startswith("ray://")
                await to_thread.run_sync(partial(show_token, f"{host}:{port}", is_client=is_client))
        init = partial(self._init, address=self.config.ray)
        for _ in range(DOOR_TRIES - 1):
            try:
                await to_thread.run_sync(init, abandon_on_cancel=True)
            except ConnectionError as error:
                if DOOR_FAILED not in str(error):
                    raise
                self._tell(f"the door of {self.config.ray} could not start a process for us; it is asked again")
            else:
                return
        await to_thread.run_sync(init, abandon_on_cancel=True)

    def _init(self, **options: Any) -> None:
        with quiet():
            self.ray.init(
                **options, configure_logging=False, log_to_driver=False, logging_level="error", namespace="star_agents"
            )
        hear(self._pass_on)

    def _pass_on(self, line: str) -> None:
        """Ray speaks in a thread of its own, and often twice."""
        if line == self._said or self._loop is None or self._loop.is_closed():
            return
        self._said = line
        with suppress(RuntimeError):  # It was closed just now: nobody listens any more.
            self._loop.call_soon_threadsafe(self._tell, line)

    async def _disconnect(self) -> None:
        if self._is_ours:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(self.ray.shutdown)


def _knock(node: Node) -> bool:
    """Whether the node's raylet accepts a connection."""
    return bool(node.port) and _accepts(node.address, node.port)


def _joined(place: tuple[str, int]) -> str:
    return f"{place[0]}:{place[1]}"


def _accepts(host: str, port: int) -> bool:
    """Whether somebody accepts connections there, at the second try."""
    for pause in (0.2, 0.0):
        try:
            socket.create_connection((host, port), KNOCK_S).close()
        except OSError:
            time.sleep(pause)
        else:
            return True
    return False
