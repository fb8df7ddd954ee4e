"""One actor: an object of ours in a process on a node that we name. Ray starts it, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import anyio

from star_agents.cluster.connection import Connection
from star_agents.cluster.failures import translated
from star_agents.cluster.nodes import Node
from star_agents.errors import ActorLost, ClusterError

BESIDE = "beside"
"""Ray's name for the group of methods that are answered beside the others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Needs:
    """What Ray sets aside for an actor."""

    cpus: float = 1.0
    gpus: float = 0.0
    threads: int = 1
    """Calls that it takes at once; an actor whose methods are coroutines takes as many without threads."""
    beside: tuple[str, ...] = ()
    """Methods that are answered, one at a time, whatever else it is at."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """Variables of its process beside those of the node; giving any makes it start slower."""


class Actor:
    """A running actor. Made by ``start``; nobody but its maker has it, and it ends with the connection."""

    def __init__(
        self, connection: Connection, handle: Any, node: Node, what: str, beside: tuple[str, ...] = ()
    ) -> None:
        self._connection = connection
        self._handle = handle
        self._beside = beside
        self.answered: Any = None
        """What ``ready()`` returned."""
        self.node = node
        self.what = what
        """What it is called in messages."""

    @classmethod
    async def start(
        cls, connection: Connection, kind: type, *args: Any, node: Node, needs: Needs, what: str = "actor"
    ) -> Actor:
        """Start an object of class ``kind``, which every node can import, on ``node`` and nowhere else.

        It must have a method ``ready()``, which is called first: so long, and no longer than
        ``cluster.start_timeout_s``, starting takes.

        Raises:
            ActorLost: the node is gone, or did not start it in time.
            ClusterError: the actor cannot be made.
        """
        doing = f"starting the {what} on node {node.name}"
        if await connection.is_gone(node):  # Ray would wait until it knows, and for a head that is gone, too.
            raise ActorLost(f"{doing} failed: the node is lost")
        handle = await connection.call(doing, _make, connection.ray, kind, args, node, needs)
        actor = cls(connection, handle, node, what, needs.beside)
        timeout_s = connection.config.start_timeout_s
        try:
            with anyio.fail_after(timeout_s):
                actor.answered = await actor.ask("ready")
        except TimeoutError:
            await actor.end()
            raise ActorLost(f"{doing} took more than {timeout_s:,.0f} s: has it {_in_words(needs)} left?") from None
        except BaseException:
            await actor.end()
            raise
        return actor

    async def ask(self, method: str, *args: Any) -> Any:
        """What a method of the object returns. A caller that is cancelled leaves the actor at work.

        Raises:
            ActorLost: the actor is gone; it may have done what it was asked, or not.
            ClusterError: it raised what is none of our errors.
            StarAgentsError: of ours, as the object raised it.
        """
        doing = f"asking the {self.what} on node {self.node.name}"
        try:
            asked = getattr(self._handle, method)
            if method in self._beside:
                asked = asked.options(concurrency_group=BESIDE)
            reference = asked.remote(*args)
            return await _result_of(reference)
        except Exception as error:
            raise translated(error, doing) from error

    def tell(self, method: str, *args: Any) -> None:
        """Have a method of the object called and wait for nothing, not even to hear that the actor is gone; it costs
        half of ``ask``. Raises ClusterError where it cannot be sent."""
        try:
            getattr(self._handle, method).options(num_returns=0).remote(*args)
        except Exception as error:
            raise translated(error, f"telling the {self.what} on node {self.node.name}") from error

    async def end(self) -> None:
        """End the actor's process, whatever it does. One that is gone is no error."""
        with anyio.CancelScope(shield=True):
            try:
                await self._connection.call("ending an actor", self._connection.ray.kill, self._handle)
            except ClusterError:
                return


async def _result_of(reference: Any) -> Any:
    """What comes of it. Ray's future is never cancelled: its client fails over one that is, in a thread of its own."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[Any] = loop.create_future()

    def hand_over(done: Future[Any]) -> None:
        if result.done():
            return
        if (error := done.exception()) is not None:
            result.set_exception(error)
        else:
            result.set_result(done.result())

    def hear(done: Future[Any]) -> None:
        with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            loop.call_soon_threadsafe(hand_over, done)

    reference.future().add_done_callback(hear)
    return await result


def _make(ray: Any, kind: type, args: tuple[Any, ...], node: Node, needs: Needs) -> Any:
    strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node_id=node.id, soft=False)
    environment = {"runtime_env": {"env_vars": dict(needs.environment)}} if needs.environment else {}
    groups = {"concurrency_groups": {BESIDE: 1}} if needs.beside else {}
    remote = ray.remote(**groups)(kind) if groups else ray.remote(kind)
    made = remote.options(
        num_cpus=needs.cpus,
        num_gpus=needs.gpus,
        max_restarts=0,
        max_task_retries=0,
        max_concurrency=needs.threads,
        scheduling_strategy=strategy,
        **environment,
    )
    return made.remote(*args)


def _in_words(needs: Needs) -> str:
    return f"{needs.cpus:g} CPUs and {needs.gpus:g} GPUs"
