"""Places for scorer processes on the nodes of a cluster: one for each device, as nodes come and go."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskGroup

import star_agents
from star_agents.cluster.actors import Actor, Needs
from star_agents.cluster.connection import Connection
from star_agents.cluster.nodes import Change, Node
from star_agents.config.cluster import ClusterConfig
from star_agents.engine.hosted_scorer import HostedScorer
from star_agents.errors import ActorLost, ClusterError, ScorerError
from star_agents.scoring.facts import Usage
from star_agents.scoring.hangs import Signs, Watch
from star_agents.scoring.places import Place, PlaceLost
from star_agents.scoring.process import Sleep, WorkerDied
from star_agents.text.model_names import names_a_folder

LOOKS = "signs"
"""The method that answers while the models compute."""


class ClusterPlaces:
    """Every place of a cluster.

    Args:
        connection: An entered one.
        device: ``scoring.device``: ``cpu`` takes no GPU, and else a cluster that has GPUs is used where they are.
        actor: What runs at a place.
    """

    def __init__(self, connection: Connection, *, device: str = "auto", actor: type = HostedScorer) -> None:
        self._connection = connection
        self._device = device
        self._actor = actor
        self._on_gpu = device == "cuda"
        self._places: dict[str, list[Place]] = {}
        self._new: list[Place] = []
        self._arrived = anyio.Event()
        self._is_watching = False

    async def first(self) -> Sequence[Place]:
        """Of all nodes that there are. Raises ScorerError where none has room."""
        nodes = self._connection.nodes
        self._on_gpu = uses_gpus(nodes.values(), self._connection.config, self._device)
        if not self._is_watching:
            self._connection.on_change(self._hear)
            self._is_watching = True
        found = [place for node in nodes.values() for place in self._places_on(node)]
        if not found:
            lacks = "a GPU" if self._on_gpu else f"{self._connection.config.cpus_per_scorer:g} CPUs"
            raise ScorerError(
                f"no node of Ray's cluster has {lacks} for the scorer: {'; '.join(self._connection.lines())}"
            )
        return found

    def others(self, devices: int) -> Sequence[Place]:
        """None: the cluster has told of all."""
        del devices
        return []

    async def more(self) -> Sequence[Place]:
        """Wait for nodes that join."""
        while not self._new:
            await self._arrived.wait()
        found, self._new = self._new, []
        self._arrived = anyio.Event()
        return found

    def _hear(self, change: Change) -> None:
        for node in change.lost:
            for place in self._places.pop(node.id, []):
                place.gone.set()
        for node in change.joined:
            self._new += self._places_on(node)
        if self._new:
            self._arrived.set()

    def _places_on(self, node: Node) -> list[Place]:
        config = self._connection.config
        needs = Needs(
            cpus=config.cpus_per_scorer, gpus=config.gpus_per_scorer if self._on_gpu else 0.0, beside=(LOOKS,)
        )

        async def start(tasks: TaskGroup, what: str, /) -> ActorProcess:
            del tasks  # Ray listens
            return await ActorProcess.start(self._connection, self._actor, node, needs, what)

        count = slots_of(node, config, on_gpu=self._on_gpu)
        # Number 0 each: an actor sees the GPU that Ray gave it, and no other.
        self._places[node.id] = [Place(start, name=node.name) for _ in range(count)]
        return self._places[node.id]


def uses_gpus(nodes: Iterable[Node], config: ClusterConfig, device: str) -> bool:
    """Whether the scorer models of a cluster run on GPUs, by ``scoring.device``: scores of both kinds do not mix."""
    return device == "cuda" or (device == "auto" and any(slots_of(node, config, on_gpu=True) for node in nodes))


def slots_of(node: Node, config: ClusterConfig, *, on_gpu: bool) -> int:
    """How many copies of the scorer models a node takes."""
    most = config.scorers_per_node
    if on_gpu:
        room = math.floor(node.gpus / config.gpus_per_scorer + 1e-6)
        room = room if most is None else min(room, most)
    else:
        room = most or 1
    if config.cpus_per_scorer:
        room = min(room, math.floor(node.cpus / config.cpus_per_scorer + 1e-6))
    return room


class ActorProcess:
    """A scorer process behind an actor: what ``Running`` asks for."""

    def __init__(self, connection: Connection, actor: Actor) -> None:
        self._connection = connection
        self._actor = actor
        self._asked = 0
        self.usage = Usage()
        """As of the last answer."""

    @classmethod
    async def start(cls, connection: Connection, kind: type, node: Node, needs: Needs, what: str) -> ActorProcess:
        """Raises PlaceLost where the node is gone, ScorerError where it cannot start the actor."""
        try:
            threads = os.environ.get("OMP_NUM_THREADS")
            actor = await Actor.start(connection, kind, threads, node=node, needs=needs, what=what)
        except ActorLost as error:
            if await connection.is_gone(node):
                raise PlaceLost(str(error)) from error
            raise ScorerError(str(error)) from error
        except ClusterError as error:
            raise ScorerError(str(error)) from error
        there = actor.answered["release"]
        if there != star_agents.__version__:
            await actor.end()
            raise ScorerError(f"node {node.name} has star-agents {there} and not {star_agents.__version__}, as here")
        return cls(connection, actor)

    @property
    def pid(self) -> int:
        """On its node."""
        return int(self._actor.answered["pid"])

    async def ask(
        self, request: Mapping[str, Any], watch: Watch, *, tell: Callable[[str], None], sleep: Sleep = anyio.sleep
    ) -> Any:
        """The result of a request. Raises ScorerError, WorkerDied, PlaceLost."""
        self._asked += 1
        line = json.dumps({"id": self._asked, **_for_any_folder(request)}).encode()
        found: bytes | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._look_on, watch, sleep, tasks.cancel_scope)
            try:
                found = await self._actor.ask("answer", line)
            except ClusterError as error:
                watch.verdict = str(error)
            tasks.cancel_scope.cancel()
        if found is None:
            if await self._connection.is_gone(self._actor.node):
                tell(f"{self._what} is lost with its node: what it was asked is asked elsewhere")
                raise PlaceLost(watch.verdict)
            raise WorkerDied(watch.verdict)
        answer = json.loads(found)
        if "error" in answer:
            raise ScorerError(f"node {self._actor.node.name}: {answer['error']}")
        self.usage = Usage(**answer["usage"])
        return answer["result"]

    async def end(self) -> str:
        """End the process."""
        await self._actor.end()
        return f"its last words stand in Ray's log on node {self._actor.node.name}"

    @property
    def _what(self) -> str:
        return f"{self._actor.what} {self.pid} on node {self._actor.node.name}"

    async def _look_on(self, watch: Watch, sleep: Sleep, exchange: anyio.CancelScope) -> None:
        while not watch.verdict:
            await sleep(watch.limits.look_s)
            watch.look(await self._signs(watch.limits.look_s))
        exchange.cancel()

    async def _signs(self, patience_s: float) -> Signs:
        """Nothing is known where it does not answer: a library may hold the interpreter, or somebody has stopped it."""
        with anyio.move_on_after(patience_s):
            try:
                found: Signs = await self._actor.ask(LOOKS)
                return found
            except ClusterError:  # Whoever waits for its answer hears that, too.
                await anyio.sleep_forever()
        return Signs()


def _for_any_folder(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Folders of models by their whole path: a process on a node stands in another folder."""
    if "paths" not in request:
        return request
    paths = {
        name: str(Path(path).absolute()) if names_a_folder(path) else path for name, path in request["paths"].items()
    }
    return {**request, "paths": paths}
