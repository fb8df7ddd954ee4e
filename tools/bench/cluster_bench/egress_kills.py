"""Nodes killed under calls that are in flight on them: what the journal says in the end.

A journal, a client and workers that ask, each call for a seed of its own, through two actors: one on the head, one on a
node. The node is killed as soon as a call is in flight there, as a power cut would do it, and another one joins. The
provider keeps its own book of what it answered.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import anyio
from calls_bench.rows import Row
from openai_server import Answer, Body, Move, OpenAIServer
from ray_cluster import LocalCluster, local_cluster

from cluster_bench.portions import added_up
from star_agents.agents.client import AgentClient
from star_agents.agents.egress.sender import EgressSender
from star_agents.bench.paid_calls import PaidCalls
from star_agents.cluster import Connection
from star_agents.config.cluster import ClusterConfig
from star_agents.config.models import AgentConfig
from star_agents.engine.egress import egress_over
from star_agents.observe.bus import Bus
from star_agents.records import Message
from star_agents.storage.store import Store

WORKERS = 8
LATENCY_S = 0.05
KILLS = 100


def kills(rounds: int, scale: float, cores: set[int], portions: Path | None) -> list[Row]:
    """A hundred kills at scale 1, one row."""
    del rounds, cores
    with local_cluster() as cluster:
        counts = asyncio.run(_kills(cluster, max(3, round(KILLS * scale))))
    return [_row(added_up(portions, "kills", counts))]


async def _kills(cluster: LocalCluster, most: int) -> Mapping[str, int]:
    async def respond(body: Body) -> Move:
        await asyncio.sleep(LATENCY_S)
        return Answer(text=str(body["messages"][-1]["content"]))

    config, bus = ClusterConfig(ray=cluster.address, egress=2), Bus()
    with tempfile.TemporaryDirectory() as folder:
        async with (
            OpenAIServer(respond) as server,
            await Store.open(Path(folder)) as store,
            Connection(config, tell=lambda told: None, look_s=0.2) as connection,
            egress_over(connection, bus) as sender,
        ):
            agent = AgentConfig(model="hosted_vllm/m", api_base=server.url)
            client = AgentClient({"a": agent}, http=sender)
            revision, over, numbers = await store.add_revision("bench", "{}"), asyncio.Event(), itertools.count()
            wrong = done = 0

            async def ask() -> None:
                nonlocal wrong
                for number in numbers:
                    if over.is_set():
                        return
                    calls = PaidCalls(f"seed-{number}", revision, store, bus, asyncio.get_running_loop().time)
                    told = [Message(role="user", content=f"Number {number}.")]
                    (reply,) = await calls.ask_many(client, "a", told, "say", {}, 1)
                    wrong += reply.text != told[0].content

            async with anyio.create_task_group() as tasks:
                for _ in range(WORKERS):
                    tasks.start_soon(ask)
                for _ in range(most):
                    if not await _kill_one(cluster, sender):
                        break
                    done += 1
                    print(f"  killed {done} of {most}", file=sys.stderr, flush=True)
                over.set()
            counts, state = await store.counts(), sender.state()
            await client.aclose()
    return {
        "kills": done,
        "unheard": done - state.lost,
        "answered": counts.calls_answered,
        "again": counts.calls_maybe_paid,
        "pending": counts.calls_pending,
        "wrong": wrong,
        "charged": len(server.charged),
        "lost": state.calls_lost,
    }


async def _kill_one(cluster: LocalCluster, sender: EgressSender) -> bool:
    """Whether there was a node to kill: on a machine at its limits Ray gives one up that takes 30 s to start."""
    before = {link.name for link in sender.links}
    try:
        node = cluster.add()
    except Exception as error:
        print(f"  ended early: {error}", file=sys.stderr, flush=True)
        return False
    await _until(lambda: any(link.name not in before for link in sender.links) and len(sender.links) == 2)
    new = next(link for link in sender.links if link.name not in before)
    await _until(lambda: new.in_flight > 0)
    await anyio.to_thread.run_sync(cluster.kill, node)
    await _until(lambda: new not in sender.links)
    return True


async def _until(fact: Callable[[], bool]) -> None:
    with anyio.fail_after(120):
        while not fact():  # noqa: ASYNC110  what is waited for is another process's
            await anyio.sleep(0.005)


def _row(found: Mapping[str, int]) -> Row:
    missed = found["pending"] + found["wrong"] + abs(found["unheard"]) + abs(found["again"] - found["lost"])
    twice = found["charged"] - found["answered"]
    return Row(
        key="kills.egress",
        what=f"a node killed {found['kills']} times with calls in flight on it: calls lost, wrong, or answered and not "
        "counted",
        measured=f"**{missed}**; {found['answered']:,} calls answered, {found['lost']:,} were in flight at a kill, "
        f"{found['again']:,} told as maybe paid twice, the provider charged {twice:,} of them twice",
        target="0; no more charged twice than told",
        holds=missed == 0 and twice <= found["again"],
    )
