"""SIGTERM while actors of a cluster score and send: what is in flight is awaited, actors end, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from anyio.to_thread import run_sync
from daemons import Running, get, post, rows, start
from lines import agents_yaml, results
from openai_server import Answer, Body, Hang, Move, OpenAIServer
from ray_cluster import LocalCluster
from storage_commands import star
from tiny_models import save_model
from tiny_rewards import CHAT

pytestmark = pytest.mark.ray


def config_text(url: str, cluster: LocalCluster, model: str, drain_s: float = 60) -> str:
    """Scores on the node, sends by the head and the node."""
    star = f"selection: ifd\nserver: {{drain_s: {drain_s}}}\nconcurrency: 4\n"
    scoring = f"scoring: {{small: '{model}', large: '{model}', device: cpu}}\n"
    return agents_yaml(url, replaced=f"{star}{scoring}cluster: {{ray: '{cluster.address}', egress: 2}}")


def reply(body: Body) -> str:
    return f"Here is what {body['model']} says of it."


async def test_a_daemon_drains_with_actors_at_work_and_leaves_none_behind(
    ray_cluster: LocalCluster, tmp_path: Path
) -> None:
    ray_cluster.nodes(1)
    release = asyncio.Event()

    def moves(body: Body) -> Move:
        return Hang(release=release, then=Answer(text=reply(body)))

    async with OpenAIServer(moves) as server:
        text = config_text(server.url, ray_cluster, save_model(tmp_path / "model", CHAT))
        daemon, base = await run_sync(start, tmp_path, text)
        with daemon:
            await run_sync(post, base, rows(0, 12))
            await server.until(lambda it: it.in_flight >= 4)
            state = await run_sync(get, base, "/v1/status")
            assert sum(one["in_flight"] for one in state["egress"]["processes"]) >= 4
            assert len(await run_sync(ray_cluster.actors)) == 3, "two send, one scores"
            daemon.process.send_signal(signal.SIGTERM)
            await run_sync(daemon.wait_for, "state_changed", lambda line: line["state"] == "draining")
            release.set()
            assert await run_sync(daemon.process.wait, 120) == 0, (daemon.lines[-5:], daemon.other)
        assert not [line for line in daemon.lines if line["event"] in ("egress_lost", "scorer_trouble")]
        assert not taken_by_ray(daemon), "it would have aborted three seconds later"
        assert len(server.charged) == len(server.requests), "what was in flight was awaited"
        await until(lambda: not ray_cluster.actors())
        seeds, calls = await run_sync(counted, tmp_path / "data")
        assert (seeds["waiting"] + len(results(tmp_path / "data")), seeds["working"]) == (12, 0)
        assert (calls["answered"], calls["pending"], calls["maybe_paid_twice"]) == (len(server.charged), 0, 0)


async def test_a_run_that_is_stopped_past_its_drain_limit_loses_no_seed_and_leaves_no_actor(
    ray_cluster: LocalCluster, tmp_path: Path
) -> None:
    ray_cluster.nodes(1)
    async with OpenAIServer(lambda body: Hang(release=asyncio.Event())) as server:
        config = tmp_path / "agents.yaml"
        config.write_text(config_text(server.url, ray_cluster, save_model(tmp_path / "model", CHAT), drain_s=1))
        (tmp_path / "seeds.jsonl").write_text("\n".join(map(json.dumps, rows(0, 12))))
        with Running("run", "-c", config, "-s", tmp_path / "seeds.jsonl", "-o", tmp_path / "out") as batch:
            await server.until(lambda it: it.in_flight >= 4, timeout=120)
            assert len(await run_sync(ray_cluster.actors)) == 3
            assert await run_sync(batch.end) == 128 + signal.SIGTERM
            assert not taken_by_ray(batch)
        await until(lambda: not ray_cluster.actors())
        seeds, _ = await run_sync(counted, tmp_path / "out")
        assert (seeds["waiting"], seeds["working"]) == (12, 0)
        server.handler = lambda body: Answer(text=reply(body))


def taken_by_ray(process: Running) -> list[str]:
    """What Ray's C++ says of a signal that it takes for a crash."""
    return [line for line in process.other if "SIGTERM received" in line]


def counted(folder: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Seeds and calls of a folder nobody works on."""
    found = star("status", folder, "--json").data
    return found["seeds"], found["calls"]


async def until(fact: Callable[[], bool], timeout_s: float = 60.0) -> None:
    with anyio.fail_after(timeout_s):
        while not await run_sync(fact):  # noqa: ASYNC110  what is waited for is another process's
            await anyio.sleep(0.1)
