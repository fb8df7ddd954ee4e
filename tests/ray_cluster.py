"""A cluster of Ray's in this machine: a head without work, and nodes that tests add and kill."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

STORE_BYTES = 80 * 2**20
"""Ray's least, about."""
TESTS = Path(__file__).parent
LONGEST_DEATH_S = 60.0
PATIENCE_MS = 5_000
"""For an answer: who is dead refuses at once, and a machine at its limits is slow."""
PERIOD_MS = 500
"""Between two looks of the head at a node; three missed ones are a death."""


class LocalCluster:
    """Nodes are processes of this machine. ``address`` is what ``cluster: {ray: ...}`` takes."""

    def __init__(self, port: int = 0) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
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

    @property
    def address(self) -> str:
        """Of the head."""
        return str(self._cluster.address)

    def add(self, *, cpus: int = 1, gpus: int = 0) -> str:
        """One node more; its id. In the main thread alone."""
        with _signals_kept():
            node = self._cluster.add_node(num_cpus=cpus, num_gpus=gpus, object_store_memory=STORE_BYTES, wait=True)
        self._nodes.append(node)
        return str(node.node_id)

    def kill(self, node: str) -> None:
        """End a node as a power cut would: its raylet first, by SIGKILL."""
        found = next(one for one in self._nodes if one.node_id == node)
        self._nodes.remove(found)
        self._killed.add(node)
        self._cluster.remove_node(found, allow_graceful=False)

    def kill_all(self) -> None:
        """The head stays, and lists no other any more, nor one that was killed before."""
        for node in [one.node_id for one in self._nodes]:
            self.kill(node)
        give_up = time.monotonic() + LONGEST_DEATH_S
        while self._killed & {row["NodeID"] for row in self._cluster.global_state.node_table() if row["Alive"]}:
            assert time.monotonic() < give_up, "the head has seen that its nodes are dead"
            time.sleep(PERIOD_MS / 5_000)
        self._killed.clear()

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


@contextmanager
def local_cluster(port: int = 0) -> Iterator[LocalCluster]:
    """A cluster for as long as the context."""
    cluster = LocalCluster(port)
    try:
        yield cluster
    finally:
        cluster.shutdown()
