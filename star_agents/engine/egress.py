"""Processes of the cluster that send calls: each actor is a link of the sender, from its start to its loss."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from star_agents.agents.egress.link import Link
from star_agents.agents.egress.sender import EgressSender
from star_agents.agents.egress.worker import EgressWorker
from star_agents.agents.transports.http import HttpPool
from star_agents.cluster import Actor, Connection, Needs
from star_agents.cluster.kept_actors import KeptActors, Kind
from star_agents.config.cluster import ClusterConfig
from star_agents.errors import ClusterError
from star_agents.events import ConnectionNoted, EgressLost
from star_agents.observe.bus import Bus

WHAT = "sender of calls"
_AT_ONCE = 16
"""Methods of an actor that run at once: one waits for replies, the others begin to send."""


class _Channel:
    """An actor as an ``EgressChannel``."""

    def __init__(self, actor: Actor) -> None:
        self.name = f"node {actor.node.name}"
        self._actor = actor

    def put(self, packed: bytes) -> None:
        self._actor.tell("put", packed)

    async def take(self) -> bytes:
        packed = await self._actor.ask("take")
        if not isinstance(packed, bytes):
            raise ClusterError(f"{self.name} hands out {type(packed).__name__}")
        return packed


async def join_cluster(config: ClusterConfig | None, stack: AsyncExitStack, bus: Bus) -> Connection | None:
    """The cluster that agents.yaml names, for as long as the stack; ``None`` where it names none.

    Raises:
        ClusterError: It cannot be reached.
    """
    if config is None:
        return None
    loop = asyncio.get_running_loop()

    def tell(message: str) -> None:  # in any thread
        loop.call_soon_threadsafe(bus.publish, ConnectionNoted(message=message))

    return await stack.enter_async_context(Connection(config, tell=tell))


async def sender_over(cluster: Connection | None, stack: AsyncExitStack, bus: Bus) -> EgressSender | None:
    """Who sends calls from the cluster, for as long as the stack; ``None``: this process does."""
    if cluster is None or not cluster.config.egress:
        return None
    return await stack.enter_async_context(egress_over(cluster, bus))


@asynccontextmanager
async def egress_over(connection: Connection, bus: Bus) -> AsyncIterator[EgressSender]:
    """Who sends calls while the cluster has nodes: as many actors as ``cluster.egress`` says, one on a node.

    It is entered when they are at work; without any, calls are sent from here, and told so. Whoever is handed the
    sender closes it, before this ends: actors that go take along what is in flight.
    """
    sender = EgressSender(HttpPool())
    links: dict[Actor, Link] = {}
    here = connection.own_address()

    def up(actor: Actor) -> None:
        links[actor] = sender.join(
            _Channel(actor),
            is_here=bool(here) and actor.node.address == here,
            on_lost=lambda name, error, calls: lost(actor, error, calls),
        )

    def lost(actor: Actor, error: Exception, calls: int) -> None:
        links.pop(actor, None)
        kept.replace(actor)
        bus.publish(EgressLost(node=actor.node.name, calls=calls, message=in_words(actor, error, calls)))

    def node_lost(actor: Actor) -> None:
        if (link := links.get(actor)) is not None:
            link.lose(ConnectionAbortedError("its node is lost"))

    kind = Kind(kind=EgressWorker, what=WHAT, most=connection.config.egress, needs=Needs(cpus=0.0, threads=_AT_ONCE))

    def tell(message: str) -> None:
        bus.publish(ConnectionNoted(message=message))

    kept = KeptActors(connection, kind, on_up=up, on_lost=node_lost, tell=tell)
    async with kept:
        if not links:
            tell("no node of the cluster sends calls; they are sent from here")
        try:
            yield sender
        finally:
            for link in links.values():
                link.close()


def in_words(actor: Actor, error: Exception, calls: int) -> str:
    """What the loss of an actor comes to."""
    again = "nothing was in flight there" if not calls else f"{calls:,} calls were in flight there"
    more = "" if not calls else ": they are sent again, and count as maybe paid twice"
    return f"the {WHAT} on node {actor.node.name} is lost ({error}); {again}{more}"
