"""A cluster of Ray's in this machine: a head without work, and nodes that tests add and kill."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

STORE_BYTES = 80 * 2**20
"""Ray's least, about."""
TESTS = Path(__file__).parent
LONGEST_S = 60.0
PATIENCE_MS = 5_000
"""For an answer: who is dead refuses at once, and a machine at its limits is slow."""
PERIOD_MS = 500
"""Between two looks of the head at a node; three missed ones are a death."""


class LocalCluster:
    """Nodes are processes of this machine. ``address`` is what ``cluster: {ray: ...}`` takes.

    Args:
        port: Of the head; 0: any.
    """

    def __init__(self, port: int = 0) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # As the product has it; Ray is loaded here already.
        # The door forks a process for each client beside threads of gRPC, which now and then crash in it.
        os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
        os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's own, 15, starves beside tests at work.
        # What tests define is imported by the processes of the nodes.
        os.environ["PYTHONPATH"] = os.pathsep.join([str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
        utils: Any = pytest.importorskip("ray.cluster_utils", reason="ray is not installed: star-agents[ray]")
        fast = {"health_check_period_ms": PERIOD_MS, "health_check_timeout_ms": PATIENCE_MS}
        head = {
            "num_cpus": 0,
            "include_dashboard": False,
            "object_store_memory": STORE_BYTES,
            **({"gcs_server_port": port} if port else {}),
            "_system_config": {**fast, "health_check_failure_threshold": 3},
        }
        with _signals_kept():
            self._cluster = utils.Cluster(initialize_head=True, head_node_args=head)
        self._nodes: list[Any] = []
        self._killed: set[str] = set()
        """Of which the head may not know yet that they are dead."""
        self._door = ""

    @property
    def address(self) -> str:
        """Of the head."""
        return str(self._cluster.address)

    def open_door(self) -> str:
        """What ``cluster: {ray: ...}`` takes on a machine that is no node, once the head answers there."""
        if not self._door:
            head, port = self._cluster.head_node, free_port()
            head._ray_params.ray_client_server_port = port
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)  # Ray leaves a log file of it open.
                head.start_ray_client_server()
            give_up = time.monotonic() + LONGEST_S
            while not _accepts(port):
                assert time.monotonic() < give_up, "the head answers at its door"
                time.sleep(0.05)
            self._door = f"ray://127.0.0.1:{port}"
        return self._door

    @property
    def release(self) -> dict[str, Any]:
        """What the head says of its releases to whoever connects."""
        found = self._head_knows().internal_kv_get(b"CLUSTER_METADATA", b"cluster")
        return dict(json.loads(found))

    @release.setter
    def release(self, said: dict[str, Any]) -> None:
        self._head_knows().internal_kv_put(b"CLUSTER_METADATA", json.dumps(said).encode(), True, b"cluster")

    def _head_knows(self) -> Any:
        return self._cluster.head_node.get_gcs_client()

    @property
    def session(self) -> Path:
        """Where Ray keeps its logs and sockets."""
        return Path(self._cluster.head_node.get_session_dir_path())

    def nodes(self, count: int) -> list[str]:
        """Ids of so many and no more beside the head, which lists no other: those that live are kept."""
        while len(self._nodes) > count:
            self.kill(self._nodes[-1].node_id)
        give_up = time.monotonic() + LONGEST_S
        while self._killed & {row["NodeID"] for row in self._cluster.global_state.node_table() if row["Alive"]}:
            assert time.monotonic() < give_up, "the head has seen that its nodes are dead"
            time.sleep(PERIOD_MS / 5_000)
        self._killed.clear()
        while len(self._nodes) < count:
            self.add()
        return [str(node.node_id) for node in self._nodes]

    def add(self, *, cpus: int = 1, gpus: int = 0) -> str:
        """One node more; its id. In the main thread alone."""
        with _signals_kept():
            node = self._cluster.add_node(num_cpus=cpus, num_gpus=gpus, object_store_memory=STORE_BYTES, wait=True)
        self._nodes.append(node)
        return str(node.node_id)

    def actors(self) -> list[str]:
        """Of every actor that is not dead, its class and state, whoever started it."""
        table = self._cluster.global_state.actor_table(None, None, None)
        return [f"{row['ActorClassName']} {row['State']}" for row in table.values() if row["State"] != "DEAD"]

    def kill(self, node: str) -> None:
        """End a node as a power cut would: its raylet first, by SIGKILL."""
        found = next(one for one in self._nodes if one.node_id == node)
        self._nodes.remove(found)
        self._killed.add(node)
        self._cluster.remove_node(found, allow_graceful=False)

    def power_off(self) -> None:
        """End the head and every node as a power cut would."""
        for node in [*self._nodes, self._cluster.head_node]:
            node.kill_all_processes(check_alive=False, allow_graceful=False)
        self._nodes.clear()

    def shutdown(self) -> None:
        """Everything."""
        self._cluster.shutdown()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself wherever it starts a node."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def free_port() -> int:
    """One that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


@contextmanager
def local_cluster(port: int = 0) -> Iterator[LocalCluster]:
    """A cluster for as long as the context."""
    cluster = LocalCluster(port)
    try:
        yield cluster
    finally:
        cluster.shutdown()
