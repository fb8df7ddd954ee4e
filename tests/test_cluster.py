"""A cluster of Ray's: who is there, who is lost, and what of Ray reaches the rest of the program."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from ray_cluster import LocalCluster, free_port

from star_agents.cluster import Actor, Connection, Needs, Node
from star_agents.cluster.failures import LOST, RAISED, REFUSED, all_of_ray, translated
from star_agents.cluster.nodes import change_between, nodes_in
from star_agents.cluster.tokens import show_token
from star_agents.config.cluster import ClusterConfig
from star_agents.errors import ActorLost, ClusterError, ScorerError

pytestmark = pytest.mark.ray
SECRET = "sk-" + "a" * 40


class Echo:
    """What an actor of these tests is."""

    def ready(self) -> str:
        return "ready"

    def echo(self, text: str) -> str:
        return text

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def raise_ours(self) -> None:
        raise ScorerError("no such model")

    def raise_foreign(self, text: str) -> None:
        raise ValueError(f"cannot read {text}")


def config_of(cluster: LocalCluster) -> ClusterConfig:
    return ClusterConfig(ray=cluster.address)


def test_every_exception_of_ray_has_its_place() -> None:
    pytest.importorskip("ray")
    assert set(all_of_ray()) == LOST | REFUSED | RAISED


@pytest.mark.parametrize("name", sorted(LOST | REFUSED))
def test_an_exception_of_ray_becomes_ours_of_the_right_kind(name: str) -> None:
    pytest.importorskip("ray")
    kind = all_of_ray()[name]
    # Without what its constructor wants, which differs from one to the next.
    error = type(name, (kind,), {"__init__": lambda self: None, "__str__": lambda self: "what Ray says"})()
    assert type(translated(error, "asking")) is (ActorLost if name in LOST else ClusterError)


def test_what_is_no_error_of_rays_stays_what_it_is() -> None:
    stop = KeyboardInterrupt()
    assert translated(stop, "asking") is stop


def test_importing_the_room_loads_no_ray() -> None:
    code = "import sys, star_agents.cluster; print('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.split() == [b"False"]


def test_nodes_are_those_alive_and_a_change_is_who_came_and_who_went() -> None:
    rows = [{"NodeID": id, "Alive": id != "c", "Resources": {"CPU": 4.0}} for id in "bac"]
    before = nodes_in(rows[:1])
    now = nodes_in(rows[1:])
    change = change_between(before, now)
    assert (list(nodes_in(rows)), [one.id for one in change.joined], [one.id for one in change.lost]) == (
        ["a", "b"],
        ["a"],
        ["b"],
    )
    assert not change_between(now, now)


@pytest.mark.parametrize("address", ["", "auto ", "http://head:6379", "ray://head", "head:port"])
def test_an_address_that_means_nothing_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="give auto, local"):
        ClusterConfig(ray=address)


async def test_without_a_cluster_it_is_said_how_to_start_one() -> None:
    with pytest.raises(ClusterError, match=r"nothing answers at 127\.0\.0\.1:1 .*is it running"):
        async with Connection(ClusterConfig(ray="127.0.0.1:1"), tell=print):
            pass


async def test_auto_is_the_cluster_that_this_machine_is_in(
    ray_cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", ray_cluster.address)  # what `ray start` writes down for the whole machine
    async with Connection(ClusterConfig(ray="auto"), tell=print) as connection:
        assert len(connection.nodes) == 1


@pytest.mark.parametrize("door", ["head", "client"])
async def test_a_cluster_that_asks_for_a_token_which_is_not_here_is_told_at_once(
    door: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grpc: Any = pytest.importorskip("grpc")
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    class Refuses(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, details: object) -> object:
            return grpc.unary_unary_rpc_method_handler(
                lambda request, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "no token")
            )

    server = grpc.server(ThreadPoolExecutor(1), handlers=[Refuses()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with pytest.raises(ClusterError, match="asks for a token and none is shown: put that of its head"):
            await anyio.to_thread.run_sync(partial(show_token, f"127.0.0.1:{port}", is_client=door == "client"))
    finally:
        server.stop(None).wait()


@pytest.mark.slow
async def test_a_head_that_is_lost_is_told_and_connected_to_again_when_one_is_back() -> None:
    port = free_port()
    told, back = list[str](), anyio.Event()
    clusters = [LocalCluster(port)]
    id = clusters[0].add()
    try:
        async with Connection(config_of(clusters[0]), tell=told.append, look_s=0.2) as connection:
            node = connection.nodes[id]
            actor = await Actor.start(connection, Echo, node=node, needs=Needs(), what="echo")
            clusters.pop().power_off()
            while connection.nodes:  # noqa: ASYNC110  what is waited for is another process's
                await anyio.sleep(0.05)
            with pytest.raises(ActorLost, match="the node is lost"):
                await Actor.start(connection, Echo, node=node, needs=Needs())
            connection.on_change(lambda change: back.set() if change.joined else None)
            clusters.append(LocalCluster(port))
            await back.wait()
            another = clusters[0].add()
            await connection.look()
            with pytest.raises(ClusterError):
                await actor.ask("echo", "hello")
            new = await Actor.start(connection, Echo, node=connection.nodes[another], needs=Needs(), what="echo")
            assert await new.ask("echo", "hello") == "hello"
    finally:
        for cluster in clusters:
            cluster.shutdown()
    assert any("Ray's cluster is gone: nothing answers at" in line for line in told)


async def test_an_actor_answers_raises_our_errors_and_hides_what_foreign_ones_say(ray_cluster: LocalCluster) -> None:
    (node,) = ray_cluster.nodes(1)
    async with Connection(config_of(ray_cluster), tell=print) as connection:
        actor = await Actor.start(connection, Echo, node=connection.nodes[node], needs=Needs(), what="echo")
        assert await actor.ask("echo", "hello") == "hello"
        with pytest.raises(ScorerError, match=r"^no such model$"):
            await actor.ask("raise_ours")
        with pytest.raises(ClusterError, match=r"ValueError$") as caught:
            await actor.ask("raise_foreign", SECRET)
        assert SECRET not in str(caught.value)
        await actor.end()
        with pytest.raises(ActorLost, match="asking the echo on node"):
            while True:  # Ray ends it in its own time.
                await actor.ask("echo", "hello")


async def test_a_lost_node_ends_its_calls_and_is_told_and_one_that_joins_is(
    ray_cluster: LocalCluster, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    changed = anyio.Event()
    (id,) = ray_cluster.nodes(1)
    async with Connection(config_of(ray_cluster), tell=told.append, look_s=0.1) as connection:
        node = connection.nodes[id]
        actor = await Actor.start(connection, Echo, node=node, needs=Needs(), what="echo")
        connection.on_change(lambda change: changed.set() if change.lost else None)
        assert not await connection.is_gone(node)
        async with anyio.create_task_group() as tasks:

            async def is_lost() -> None:
                with pytest.raises(ActorLost):
                    await actor.ask("sleep", 600)

            tasks.start_soon(is_lost)
            await anyio.to_thread.run_sync(ray_cluster.kill, id)
            assert await connection.is_gone(node)
        await changed.wait()
        with pytest.raises(ActorLost):
            await Actor.start(connection, Echo, node=node, needs=Needs())
        another = ray_cluster.add()
        await connection.look()
        assert (another in connection.nodes, id in connection.nodes, connection.lost) == (True, False, 1)
    assert {f"Ray's cluster: a node is lost: {node.name}: 1 CPUs, 0 GPUs"} < set(told)
    assert any("a node joins" in line for line in told)
    assert not any("\n" in line for line in told)
    assert capfd.readouterr().out == ""


def test_a_process_that_was_forked_from_one_which_used_ray_is_refused_and_not_left_waiting(
    ray_cluster: LocalCluster,
) -> None:
    async def connect() -> None:
        async with Connection(config_of(ray_cluster), tell=print):
            pass

    def in_fork() -> str:
        told, tells = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which is what this is about
            child = os.fork()
        if not child:
            try:
                anyio.run(connect)
                os.write(tells, b"connected")
            except ClusterError as error:
                os.write(tells, str(error).encode())
            finally:
                os._exit(0)
        os.close(tells)
        with os.fdopen(told) as said:
            found = said.read()
        os.waitpid(child, 0)
        return found

    anyio.run(connect)
    assert "this process was forked from one that had used Ray" in in_fork()
    anyio.run(connect)


NOTEBOOK = """
import os, sys, anyio, ray
from star_agents.cluster import Connection
from star_agents.config.cluster import ClusterConfig
from star_agents.errors import ClusterError

async def enter():
    async with Connection(ClusterConfig(ray=sys.argv[1]), tell=print):
        print("entered")

ray.init(address=sys.argv[1], log_to_driver=False, configure_logging=False)
if os.fork() == 0:
    try:
        anyio.run(enter)
    except ClusterError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
anyio.run(enter)
"""


def test_a_fork_of_a_process_that_connected_by_itself_is_refused_and_that_process_is_not(
    ray_cluster: LocalCluster,
) -> None:
    command = [sys.executable, "-c", NOTEBOOK, ray_cluster.address]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.splitlines()
    assert ["was forked from one that had used Ray" in told[0], *told[1:]] == [True, "entered"]


def test_a_node_is_named_so_that_several_of_one_machine_differ() -> None:
    names = {Node(id=id * 16, address="10.0.0.1", port=1, host="gpu1").name for id in "ab"}
    assert names == {"gpu1 (aaaaaaaa)", "gpu1 (bbbbbbbb)"}


def test_only_one_file_knows_the_exceptions_of_ray() -> None:
    import star_agents.cluster.actors as actors  # noqa: PLC0415
    import star_agents.cluster.connection as connection  # noqa: PLC0415

    for module in (actors, connection):
        assert "exceptions" not in inspect.getsource(module)
