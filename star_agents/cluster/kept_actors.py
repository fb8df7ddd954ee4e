"""Actors of one kind that are kept at work: at most one on each node, another one started where one is lost.

Ray restarts nothing (``Actor``). A node that does not start one is left alone for a while, longer each time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

from star_agents.cluster.actors import Actor, Needs
from star_agents.cluster.connection import Connection
from star_agents.cluster.nodes import Change, Node
from star_agents.errors import ClusterError

_FIRST_REST_S = 1.0
_LONGEST_REST_S = 60.0
_LOOK_S = 1.0
"""Seconds between two looks at what is missing, where nothing else happens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """What actors to keep."""

    kind: type
    """Their class, which every node can import; it has ``ready()``."""
    what: str
    """What one is called in messages."""
    most: int
    """As many at the most, one on each node."""
    needs: Needs


class KeptActors:
    """``async with KeptActors(...) as kept``: entered when each node has started its first actor, or could not.

    Args:
        connection: To the cluster; it outlives this.
        kind: What actors to keep.
        on_up: Hears in the event loop of each that is at work.
        on_lost: Hears of each that was on a node which is lost.
        tell: Hears, in a sentence each, of nodes that start none.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        connection: Connection,
        kind: Kind,
        *,
        on_up: Callable[[Actor], None],
        on_lost: Callable[[Actor], None],
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._kind = kind
        self._on_up = on_up
        self._on_lost = on_lost
        self._tell = tell
        self._clock = clock
        self._at_work: dict[str, Actor] = {}
        """By node."""
        self._rests: dict[str, tuple[int, float]] = {}
        """By node that started none, or lost one: how often in a row, and until when it is left alone."""
        self._news = anyio.Event()
        self._tasks: TaskGroup | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    @property
    def actors(self) -> tuple[Actor, ...]:
        """Those at work."""
        return tuple(self._at_work.values())

    async def __aenter__(self) -> Self:
        self._unsubscribe = self._connection.on_change(self._hear)
        await self._fill()
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._keep)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        tasks, self._tasks = self._tasks, None
        assert tasks is not None, "entered"
        self._unsubscribe()
        tasks.cancel_scope.cancel()
        await tasks.__aexit__(None, None, None)
        for actor in self.actors:
            await actor.end()

    def replace(self, actor: Actor) -> None:
        """Say that one is lost or of no use: it is ended, and another one started."""
        if self._tasks is None:
            return  # All of them are ended.
        if self._at_work.get(actor.node.id) is actor:
            del self._at_work[actor.node.id]
            self._rest(actor.node)
        self._tasks.start_soon(actor.end)
        self._news.set()

    def _hear(self, change: Change) -> None:
        for node in change.lost:
            self._rests.pop(node.id, None)
            if (actor := self._at_work.pop(node.id, None)) is not None:
                self._on_lost(actor)
        self._news.set()

    async def _keep(self) -> None:
        while True:
            self._news = anyio.Event()
            await self._fill()
            with anyio.move_on_after(_LOOK_S):
                await self._news.wait()

    async def _fill(self) -> None:
        """Start what is missing, all at once; for a node that starts none, one that was not tried yet stands in."""
        tried: set[str] = set()
        while nodes := self._free(tried)[: max(0, self._kind.most - len(self._at_work))]:
            tried.update(node.id for node in nodes)
            async with anyio.create_task_group() as starting:
                for node in nodes:
                    starting.start_soon(self._start, node)

    def _free(self, tried: set[str]) -> list[Node]:
        """Nodes that may start one. Those that have not answered come last: Ray lists a dead one for a while."""
        now = self._clock()
        nodes = self._connection.nodes.values()
        free = (node for node in nodes if node.id not in self._at_work and node.id not in tried)
        rested = (node for node in free if self._rests.get(node.id, (0, 0.0))[1] <= now)
        return sorted(rested, key=lambda node: not self._connection.has_answered(node))

    async def _start(self, node: Node) -> None:
        kind = self._kind
        try:
            actor = await Actor.start(self._connection, kind.kind, node=node, needs=kind.needs, what=kind.what)
        except ClusterError as error:
            if self._rest(node) == 1:
                self._tell(f"{error}; it is tried again")
            return
        if node.id not in self._connection.nodes:
            await actor.end()
            return
        self._at_work[node.id] = actor
        self._on_up(actor)

    def _rest(self, node: Node) -> int:
        """Leave a node alone for a while; returns how often in a row."""
        times = self._rests.get(node.id, (0, 0.0))[0] + 1
        rest_s = min(_LONGEST_REST_S, _FIRST_REST_S * 2.0 ** min(times - 1, 10))
        self._rests[node.id] = (times, self._clock() + rest_s)
        return times
