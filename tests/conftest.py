"""What holds for every test: nothing leaves this machine."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from ray_cluster import LocalCluster, local_cluster

import star_agents
from star_agents.process.garbage_collection import look_less_often, spare_what_stays

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Tests run side by side, and a second thread for a tiny model waits more than it computes.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# How long an example takes is the machine's affair.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
# As in the product: what was imported and collected stays, and walking it was a sixth of what these processes computed.
look_less_often()

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


def _refuse_the_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect" or not isinstance(arguments[1], tuple):
        return
    if arguments[0].type == socket.SOCK_DGRAM:
        return  # Connecting sends nothing: Ray asks the system so which address this machine has.
    host = arguments[1][0]
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not (local or _is_this_machine(host)):
        raise RuntimeError(f"a test tried to reach {host}")


def _is_this_machine(host: str) -> bool:
    """Whether the address is one of this machine's own: no other can be bound. Ray speaks to itself by it."""
    try:
        with socket.socket() as one:
            one.bind((host, 0))
    except OSError:
        return False
    return True


sys.addaudithook(_refuse_the_network)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where workers share the files, those with long tests come first: none of them shall be waited for alone at the
    end. A test that may take longer than others says so by ``timeout``; of other files those with most tests come
    first."""
    if not hasattr(config, "workerinput"):
        return
    tests = Counter(item.path for item in items)
    longest: dict[Path, float] = {}
    for item in items:
        mark = item.get_closest_marker("timeout")
        longest[item.path] = max(longest.get(item.path, 0), mark.args[0] if mark and mark.args else 0)
    items.sort(key=lambda item: (-longest[item.path], -tests[item.path]))


def pytest_collection_finish() -> None:
    """The items and all that was imported for them stay to the end."""
    spare_what_stays()


@pytest.fixture
def shared_data() -> Path:
    """Real data that lies beside a developer's checkout; tests that want it skip elsewhere."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the folder with real data is not beside this checkout")
    return SHARED_DATA


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[LocalCluster]:
    """A head of Ray's without nodes; a test adds its own, and kills them."""
    with local_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def arena_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished folder of an arena, with rows of every shape; read it only."""
    out = tmp_path_factory.mktemp("arena") / "arena_out"
    shipped = REPOSITORY / "star_agents" / "recipes" / "configs" / "arena.yaml"
    config = out.parent / "agents.yaml"
    config.write_text(f"{shipped.read_text()}\nadmission: {{length: {{response: [12, 400], action: report}}}}\n")
    star_agents.run(config, "offline", out=out, limit=12, progress=False)
    return out
