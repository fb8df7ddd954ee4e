"""What `doctor` and `check` say of the cluster, and what every command says where Ray is missing."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from anyio import to_thread
from daemons import provider, start
from lines import agents_yaml
from openai_server import OpenAIServer
from page_browser import add, chromium, config, opened, seeds
from playwright.sync_api import expect
from ray_cluster import LocalCluster
from storage_commands import Shown, star
from tiny_models import save_model
from tiny_rewards import CHAT

from star_agents.errors import ClusterError

pytestmark = pytest.mark.ray
CLUSTER = ClusterError.exit_code
OFFLINE = """
agents: {tutor: {model: offline/tutor}, referee: {model: offline/referee, roles: []}}
star: {referee: {agents: [referee]}, selection: referee}
"""


def agents_file(folder: Path, ray: str, more: str = "") -> Path:
    path = folder / "agents.yaml"
    path.write_text(f"{OFFLINE}cluster: {{ray: '{ray}'{more}}}\n")
    return path


def doctor(folder: Path, config: Path) -> tuple[int, list[tuple[str, str, str]]]:
    shown = star("doctor", folder / "data", "-c", config, "--json")
    found = [(one["part"], one["state"], one["detail"]) for one in shown.data]
    return shown.code, [one for one in found if one[0] in ("ray", "cluster", "node")]


@contextmanager
def of_another_release(cluster: LocalCluster) -> Iterator[None]:
    """The head says so of itself; nobody checks but those who connect."""
    before = cluster.release
    cluster.release = {**before, "ray_version": "2.40.0", "python_version": "3.10.4"}
    try:
        yield
    finally:
        cluster.release = before


def test_doctor_names_releases_nodes_and_what_each_would_run(ray_cluster: LocalCluster, tmp_path: Path) -> None:
    (id,) = ray_cluster.nodes(1)
    config = agents_file(tmp_path, ray_cluster.address, ", egress: 1, cpus_per_scorer: 1")
    config.write_text(config.read_text().replace("selection: referee", "selection: ifd"))
    code, found = doctor(tmp_path, config)
    assert code == 0
    assert [one[:2] for one in found] == [("ray", "ok"), ("cluster", "ok"), ("node", "ok"), ("node", "ok")]
    assert f"2 nodes answer; Ray {found[0][2]} and Python " in found[1][2]
    told = {one[2] for one in found[2:]}
    assert sum("runs a process that sends calls" in line or "and a process" in line for line in told) == 1
    (node,) = (line for line in told if f"({id[:8]}): 1 CPUs, 0 GPUs" in line)
    assert "1 copy of the scorer models" in node
    assert not any("copy" in line for line in told - {node}), "the head has no CPU for one"


def test_a_cluster_of_another_release_is_told_with_both(ray_cluster: LocalCluster, tmp_path: Path) -> None:
    with of_another_release(ray_cluster):
        code, found = doctor(tmp_path, agents_file(tmp_path, ray_cluster.address))
    assert (code, found[-1][:2]) == (1, ("cluster", "FAILED"))
    assert "its head has Ray 2.40.0 and Python 3.10.4: install the same here" in found[-1][2]


def test_a_cluster_that_cannot_be_reached_fails_doctor_with_what_to_do(tmp_path: Path) -> None:
    code, found = doctor(tmp_path, agents_file(tmp_path, "127.0.0.1:1"))
    assert (code, [one[:2] for one in found]) == (1, [("ray", "ok"), ("cluster", "FAILED")])
    assert "nothing answers at 127.0.0.1:1 (is it running" in found[1][2]


def test_one_of_this_machine_alone_is_not_started_to_look_at(tmp_path: Path) -> None:
    code, found = doctor(tmp_path, agents_file(tmp_path, "local"))
    assert (code, found[1][2]) == (0, "local: one of this machine alone, which each run starts for itself")


async def test_check_tells_the_same_of_nodes(ray_cluster: LocalCluster, tmp_path: Path) -> None:
    ray_cluster.nodes(0)
    config = tmp_path / "agents.yaml"
    async with OpenAIServer() as server:
        config.write_text(f"{agents_yaml(server.url)}\ncluster: {{ray: '{ray_cluster.address}', egress: 1}}")
        shown: Shown = await to_thread.run_sync(star, "check", "-c", config, "--json")
    assert shown.code == 0, shown
    details = {one["part"]: one["detail"] for one in shown.data if one["part"] in ("cluster", "node", "egress")}
    assert "1 node answers; " in details["cluster"]
    assert details["node"].endswith("runs a process that sends calls")
    assert details["egress"].startswith("calls are sent by node ")


@pytest.mark.parametrize(
    ("command", "code"), [("doctor", 1), ("check", 1), ("run", CLUSTER), ("serve", CLUSTER), ("score", CLUSTER)]
)
def test_without_ray_every_command_names_the_extra(
    command: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as the import system has it of a module that is not there
    config = agents_file(tmp_path, "auto")
    (tmp_path / "seeds.jsonl").write_text('{"instruction": "Count to three.", "output": "1 2 3"}\n')
    arguments: dict[str, list[str | Path]] = {
        "doctor": [tmp_path / "data", "-c", config],
        "check": ["-c", config],
        "run": ["-c", config, "-s", tmp_path / "seeds.jsonl", "-o", tmp_path / "out"],
        "serve": ["-c", config, "--data-dir", tmp_path / "out", "--port", "0"],
        "score": [tmp_path, "--small", "m", "--large", "m", "--on", "ray", "-o", tmp_path / "scored"],
    }
    shown = star(command, *arguments[command])
    assert shown.code == code, shown
    said = "".join((shown.out + shown.err).split())
    assert "pipinstall'star-agents[ray]'" in said, "lines of a table break anywhere"


def test_the_page_and_status_say_who_sends_and_which_nodes_score(ray_cluster: LocalCluster, tmp_path: Path) -> None:
    (id,) = ray_cluster.nodes(1)
    scoring = {"small": save_model(tmp_path / "model", CHAT), "device": "cpu"}
    cluster = {"ray": ray_cluster.address, "egress": 2}
    replaced = json.dumps({"selection": "ifd", "scoring": {**scoring, "large": scoring["small"]}, "cluster": cluster})
    with provider(tmp_path / "book.jsonl") as endpoint, chromium() as browser:
        daemon, url = start(tmp_path, config(endpoint, replaced=replaced))
        with daemon, opened(browser, url, width=390, height=844) as page:
            lines = page.locator("#cluster li")
            expect(lines).to_have_count(4)
            expect(page.locator("#cluster")).to_contain_text(
                re.compile(rf"node \S+ \({id[:8]}\) sends calls: 0 in flight, 0")
            )
            expect(page.locator("#cluster")).to_contain_text(
                re.compile(rf"node \S+ \({id[:8]}\) scores: 1 copy, 0 tokens")
            )
            add(url, seeds(0, 1))
            daemon.wait_for("outcome_committed")
            expect(page.locator("#cluster")).to_contain_text(re.compile(r"scores: 1 copy, [1-9][\d,]* tokens"))
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            said = star("status", "--url", url)
            assert "calls are sent by node " in said.out
            assert daemon.end() == 0
