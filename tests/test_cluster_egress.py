"""Calls that actors of a cluster send: same outcomes as from one machine, a lost node is counted and mended, and no key
is seen anywhere."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from lines import agents_yaml, results, run, seeds
from openai_server import Answer, Body, Hang, Move, OpenAIServer, brain
from ray_cluster import LocalCluster

from star_agents.agents.egress.sender import EgressSender
from star_agents.agents.egress.worker import EgressWorker
from star_agents.agents.transports.http import HttpRequest
from star_agents.cli.egress_check import egress_findings
from star_agents.cluster import Actor, Connection, Needs
from star_agents.config.cluster import ClusterConfig
from star_agents.config.models import Config
from star_agents.config.reading import parse_config
from star_agents.engine.egress import egress_over
from star_agents.events import EgressLost, Event
from star_agents.observe.bus import Bus
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import Store

pytestmark = pytest.mark.ray
CANARY = "sk-canary-71c04e9a55"


class Breaks(EgressWorker):
    """One that fails over what it is to send, with the request in its frame."""

    async def put(self, packed: bytes) -> None:
        key = packed.decode("latin-1")
        raise RuntimeError(f"cannot send {key}")

    async def take(self) -> bytes:
        raise RuntimeError(f"nothing of {CANARY}")


def config_of(server: OpenAIServer, cluster: LocalCluster, egress: int) -> Config:
    told = agents_yaml(server.url, replaced="concurrency: 1\nrandom_seed: 7")
    return parse_config(f"{told}\ncluster: {{ray: '{cluster.address}', egress: {egress}}}" if egress else told)


async def salted(folder: Path) -> Path:
    """A folder whose prompts bear the same codes as any other's."""
    async with await Store.open(folder) as store:
        await store.meta_set_default("salt", "5a" * 32)
    return folder


@asynccontextmanager
async def egress(cluster: LocalCluster, most: int) -> AsyncIterator[tuple[Connection, EgressSender, list[Event]]]:
    bus, heard = Bus(), list[Event]()
    bus.subscribe(heard.append)
    config = ClusterConfig(ray=cluster.address, egress=most)
    async with Connection(config, tell=print) as connection, egress_over(connection, bus) as sender:
        try:
            yield connection, sender, heard
        finally:
            await sender.aclose()


def request_to(server: OpenAIServer) -> HttpRequest:
    body = b'{"model": "m", "messages": [{"role": "user", "content": "Say it."}]}'
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {CANARY}"}
    return HttpRequest(url=f"{server.url}/chat/completions", headers=headers, body=body, timeout_s=60.0)


async def test_a_run_whose_calls_actors_send_has_the_outcomes_of_one_without_a_cluster(
    ray_cluster: LocalCluster, tmp_path: Path
) -> None:
    ray_cluster.nodes(1)
    async with OpenAIServer() as server:
        for name, actors in (("here", 0), ("there", 2)):
            out = await salted(tmp_path / name)
            assert (await run(config_of(server, ray_cluster, actors), seeds(8), out)).stopped_by == ""
        half = len(server.requests) // 2
        bodies = [json.dumps(one.body, sort_keys=True) for one in server.requests]
        assert sorted(bodies[:half]) == sorted(bodies[half:])
    here, there = ([one.outcome for one in results(tmp_path / name)] for name in ("here", "there"))
    assert here == there


async def test_nodes_that_are_killed_cost_a_run_no_seed_and_no_row_and_what_was_in_flight_is_counted(
    ray_cluster: LocalCluster, tmp_path: Path
) -> None:
    kills, rounds, numbers = 2, list[str](), itertools.count(1)
    nodes = ray_cluster.nodes(2)

    async def respond(body: Body) -> Move:
        if next(numbers) in (8, 20) and len(rounds) < kills:
            rounds.append(nodes.pop())
            await anyio.to_thread.run_sync(ray_cluster.kill, rounds[-1])
        return brain(body)

    async with OpenAIServer(respond) as server:
        config = config_of(server, ray_cluster, 3).model_copy(update={"concurrency": 6})
        result = await run(config, seeds(12), tmp_path / "out")
        assert len(rounds) == kills
        with StoreReader(tmp_path / "out") as reader:
            counts = reader.counts()
        done = results(tmp_path / "out")
        assert (result.stopped_by, len(done), len({one.seed.id for one in done})) == ("", 12, 12)
        assert counts.calls_pending == 0
        assert len(server.charged) <= counts.calls_answered + counts.calls_maybe_paid
        assert result.summary["counts"]["dropped"] == 0


async def test_a_lost_node_is_told_with_what_it_had_and_another_one_takes_its_place(ray_cluster: LocalCluster) -> None:
    release = asyncio.Event()
    ray_cluster.nodes(0)
    async with (
        OpenAIServer(lambda body: Hang(release=release, then=Answer(text="late"))) as server,
        egress(ray_cluster, 2) as (connection, sender, heard),
    ):
        assert len(sender.links) == 1, "the head"
        assert sender.state().sentence.endswith("(0 in flight, 0 sent); 0 from here")
        node = ray_cluster.add()
        await connection.look()
        await until(lambda: len(sender.links) == 2)
        calls = [asyncio.create_task(sender.send(request_to(server))) for _ in range(4)]
        await server.until(lambda s: s.in_flight == 4)
        await anyio.to_thread.run_sync(ray_cluster.kill, node)
        await until(lambda: any(isinstance(one, EgressLost) for one in heard))
        release.set()
        came = await asyncio.gather(*calls, return_exceptions=True)
        assert sorted(type(one).__name__ for one in came) == ["CallLost", "CallLost", "HttpReply", "HttpReply"]
        (lost,) = [one for one in heard if isinstance(one, EgressLost)]
        assert lost.calls == 2
        assert node[:8] in lost.node
        assert "they are sent again, and count as maybe paid twice" in lost.message
        assert (await sender.send(request_to(server))).status == 200
        state = sender.state()
        assert (state.sent_here, state.lost, state.calls_lost) == (0, 1, 2)
        assert [(one.in_flight, one.sent) for one in state.processes] == [(0, 3)]


async def test_nodes_that_are_dead_and_still_listed_take_no_place_from_one_that_lives(
    ray_cluster: LocalCluster,
) -> None:
    dead = ray_cluster.nodes(2)
    for node in dead:
        ray_cluster.kill(node)
    async with egress(ray_cluster, 1) as (connection, sender, _):
        (head,) = (one.name for id, one in connection.nodes.items() if id not in dead)
        assert [link.name for link in sender.links] == [f"node {head}"]


async def test_no_key_stands_in_what_ray_writes_although_an_actor_fails_with_it_in_its_frame(
    ray_cluster: LocalCluster, capfd: pytest.CaptureFixture[str]
) -> None:
    ray_cluster.nodes(0)
    async with OpenAIServer() as server, egress(ray_cluster, 1) as (connection, sender, heard):
        for _ in range(3):
            await sender.send(request_to(server))
        await until(lambda: bool(sender.links))
        (link,) = sender.links
        node = next(one for one in connection.nodes.values() if link.name.endswith(one.name))
        actor = await Actor.start(connection, Breaks, node=node, needs=Needs(cpus=0.0, threads=4))
        actor.tell("put", CANARY.encode())
        with pytest.raises(Exception, match="RuntimeError") as caught:
            await actor.ask("take")
        assert CANARY not in str(caught.value)
        assert not any(CANARY in str(getattr(one, "message", "")) for one in heard)
    written = [path for path in (ray_cluster.session / "logs").rglob("*") if path.is_file()]
    assert len(written) > 5
    assert [path.name for path in written if CANARY.encode() in path.read_bytes()] == []
    said = capfd.readouterr()
    assert CANARY not in said.out + said.err


async def test_check_says_who_sends_and_who_cannot(ray_cluster: LocalCluster) -> None:
    ray_cluster.nodes(0)
    async with OpenAIServer() as server:
        config = config_of(server, ray_cluster, 1)
        ((is_ok, said),) = await egress_findings(config)
        assert is_ok
        assert said.startswith("calls are sent by node ")
        assert await egress_findings(config_of(server, ray_cluster, 0)) == []
        whole = config.agents["a"].model_copy(update={"transport": "litellm"})
        found = await egress_findings(config.model_copy(update={"agents": {**config.agents, "a": whole}}))
        assert found[1:] == [(True, "sent from here all the same, since LiteLLM sends for them: a")]


async def until(fact: Callable[[], bool], timeout_s: float = 60.0) -> None:
    with anyio.fail_after(timeout_s):
        while not fact():  # noqa: ASYNC110  what is waited for is another process's
            await anyio.sleep(0.01)
