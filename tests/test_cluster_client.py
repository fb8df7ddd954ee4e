"""Ray's client, `ray://HOST:PORT`: from a machine that is no node everything holds that holds on one."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from counting_scorer import CountingScorer
from lines import agents_yaml, results, run, seeds
from openai_server import Answer, Hang, OpenAIServer
from ray_cluster import LocalCluster, local_cluster
from scoring_mortal_worker import count

from star_agents.agents.transports.http import HttpRequest
from star_agents.cluster import Connection
from star_agents.config.cluster import ClusterConfig
from star_agents.config.reading import parse_config
from star_agents.config.sections import ScoringConfig
from star_agents.engine.egress import egress_over
from star_agents.engine.scorer_places import ClusterPlaces
from star_agents.errors import CallLost
from star_agents.events import EgressLost, Event
from star_agents.observe.bus import Bus
from star_agents.records import Sample
from star_agents.scoring import Scorer

pytestmark = pytest.mark.ray


async def test_models_and_calls_are_on_nodes_that_are_reached_through_the_door(
    ray_cluster: LocalCluster, tmp_path: Path
) -> None:
    ray_cluster.nodes(1)
    door = ray_cluster.open_door()
    async with Connection(ClusterConfig(ray=door), tell=print) as connection:
        address = next(iter(connection.nodes.values())).address
        assert connection.own_address() == "", "this process is on no node"
        places = ClusterPlaces(connection, actor=CountingScorer)
        async with Scorer(ScoringConfig(), places=places, tell=print) as scorer:
            samples = [Sample(instruction=f"Say {n}.", response="well " * n) for n in range(1, 20)]
            assert await scorer.score(samples) == [count(sample) for sample in samples]
    async with OpenAIServer(host=address) as server:
        text = f"{agents_yaml(server.url)}\ncluster: {{ray: '{door}', egress: 2}}"
        result = await run(parse_config(text), seeds(6), tmp_path / "out")
        assert (result.stopped_by, len(results(tmp_path / "out"))) == ("", 6)
        assert len(server.charged) > 6


@pytest.mark.slow
async def test_a_node_and_then_the_head_that_are_lost_behind_the_door_are_told_and_nothing_hangs() -> None:
    bus, heard, told, release = Bus(), list[Event](), list[str](), asyncio.Event()
    bus.subscribe(heard.append)
    with local_cluster() as cluster:
        (id,) = cluster.nodes(1)
        config = ClusterConfig(ray=cluster.open_door(), egress=2)
        async with (
            Connection(config, tell=told.append, look_s=0.2) as connection,
            egress_over(connection, bus) as sender,
            OpenAIServer(
                lambda body: Hang(release=release, then=Answer(text="late")), host=connection.nodes[id].address
            ) as server,
        ):
            await until(lambda: len(sender.links) == 2)
            calls = [asyncio.create_task(sender.send(request_to(server))) for _ in range(2)]
            await server.until(lambda s: s.in_flight == 2)
            await anyio.to_thread.run_sync(cluster.kill, id)
            await until(lambda: any(isinstance(one, EgressLost) for one in heard))
            await anyio.to_thread.run_sync(cluster.power_off)
            came = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(one) for one in came] == [CallLost, CallLost]
            release.set()
            await until(lambda: not sender.links and not connection.nodes)
            assert (await sender.send(request_to(server))).status == 200, "sent from here"
            await sender.aclose()
    assert any("Ray's cluster is gone: nothing answers at" in line for line in told)


def test_without_the_library_of_rays_client_the_extra_is_named() -> None:
    code = """
import sys, anyio
sys.modules["grpc"] = None
from star_agents.cluster import Connection
from star_agents.config.cluster import ClusterConfig
from star_agents.errors import ClusterError

async def enter():
    async with Connection(ClusterConfig(ray=sys.argv[1]), tell=print):
        pass

try:
    anyio.run(enter)
except ClusterError as error:
    print(error)
"""
    with socket.create_server(("127.0.0.1", 0)) as door:
        address = f"ray://127.0.0.1:{door.getsockname()[1]}"
        said = subprocess.run([sys.executable, "-c", code, address], capture_output=True, text=True, check=True).stdout
    assert "pip install 'star-agents[ray]'" in said


def request_to(server: OpenAIServer) -> HttpRequest:
    body = b'{"model": "m", "messages": [{"role": "user", "content": "Say it."}]}'
    return HttpRequest(
        url=f"{server.url}/chat/completions", headers={"Content-Type": "application/json"}, body=body, timeout_s=60.0
    )


async def until(fact: Callable[[], bool], timeout_s: float = 90.0) -> None:
    with anyio.fail_after(timeout_s):
        while not fact():  # noqa: ASYNC110  what is waited for is another process's
            await anyio.sleep(0.01)
