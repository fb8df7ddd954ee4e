"""The files of tools/dashboards, held against a real daemon, and against Debian's Prometheus where it is installed."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml
from conftest import REPOSITORY
from daemons import PATIENCE_S, Running
from prometheus_client.parser import text_string_to_metric_families

from star_agents.events import Event
from star_agents.observe.logs.lines import OTHER_LINES, kind_of

DASHBOARDS = REPOSITORY / "tools" / "dashboards"
EVERY_LINE = {"timestamp", "level", "event"}
OURS = re.compile(r"\b(?:star_agents|process)_\w+")
SELECTED = re.compile(r"\b((?:star_agents|process)_\w+)\{([^}]*)\}")
LABEL = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
NEEDS_PROMETHEUS = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="Debian's package `prometheus` is not installed",
)
CONFIG = (REPOSITORY / "agents.yaml").read_text(encoding="utf-8") + "\nbudget_usd: 20\n"
SEEDS = 12
NOTHING_YET = {
    "star_agents_call_retries_total",
    "star_agents_calls_reused_total",
    "star_agents_calls_total",
    "star_agents_deployment_changes_total",
    "star_agents_pool_arms_left_out",
    "star_agents_pool_draws_total",
    "star_agents_pool_mean_reward",
    "star_agents_pool_probability",
    "star_agents_pool_rewards_total",
    "star_agents_recipe_measure_bucket",
}
"""What a run of Star without a fault leaves empty, in whole or (calls that failed) in part: it has no measures or pools
but its own."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the daemon's files lie."""
    return tmp_path_factory.mktemp("daemon")


@pytest.fixture(scope="module")
def daemon(folder: Path) -> Iterator[str]:
    """A daemon that has worked some seeds with the sample agents and the sample scorer; yields its URL."""
    (folder / "agents.yaml").write_text(CONFIG, encoding="utf-8")
    rows = [{"instruction": f"What is {n} plus one?", "output": f"It is {n + 1}."} for n in range(SEEDS)]
    with Running("serve", "-c", folder / "agents.yaml", "--data-dir", folder / "star_data", "--port", "0") as running:
        ready = running.wait_for("state_changed", lambda line: line["state"] == "ready")
        url = str(ready["detail"]).split()[0]
        told = json.dumps(rows).encode()
        request = urllib.request.Request(f"{url}/v1/seeds", told, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60):
            pass
        running.wait_for("outcome_committed", lambda line: line["seq"] == SEEDS)
        yield url


@pytest.fixture(scope="module")
def text(daemon: str) -> str:
    """What the daemon says to a scraper, once it has measured its event loop: so few seeds are done before that."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        with urllib.request.urlopen(f"{daemon}/metrics", timeout=60) as response:
            assert response.headers["Content-Type"].startswith("text/plain")
            told = str(response.read().decode())
        if "\nstar_agents_event_loop_lag_seconds_count 0.0\n" not in told:
            return told
    raise TimeoutError(f"the event loop was not measured within {PATIENCE_S} s")


@pytest.fixture(scope="module")
def labels_of(text: str) -> dict[str, set[str]]:
    """Every name that a query may use, with its labels."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        ends = {
            "counter": ["_total"],
            "histogram": ["_bucket", "_count", "_sum"],
            "summary": ["_count", "_sum"],
        }.get(family.type, [""])
        for end in ends:
            found[family.name + end] = {"instance", "job"}
        for sample in family.samples:
            found.setdefault(sample.name, {"instance", "job"}).update(sample.labels)
    return found


def dashboard() -> dict[str, Any]:
    board: dict[str, Any] = json.loads((DASHBOARDS / "grafana" / "star-agents.json").read_text(encoding="utf-8"))
    return board


def queries() -> list[str]:
    """Every PromQL expression of the dashboard, its variables filled in as Grafana does."""
    board = dashboard()
    said = [
        target["expr"]
        for panel in board["panels"]
        for target in panel.get("targets", ())
        if target["datasource"]["type"] == "prometheus"
    ]
    said += [one["query"]["query"] for one in board["templating"]["list"] if one["type"] == "query"]
    filled = [re.sub(r"label_values\((.*), \w+\)", r"\1", one) for one in said]
    values = {"$__rate_interval": "1m", "$instance": ".*", "$agent": ".*"}
    for name, value in values.items():
        filled = [one.replace(name, value) for one in filled]
    return filled


def alerts() -> list[str]:
    groups = yaml.safe_load((DASHBOARDS / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def test_every_metric_and_label_that_is_asked_for_exists(labels_of: dict[str, set[str]]) -> None:
    expressions = [*queries(), *alerts()]
    assert len(expressions) > 50
    unknown = {name for one in expressions for name in OURS.findall(one) if name not in labels_of}
    assert unknown == set()
    wrong = [
        (name, label)
        for one in expressions
        for name, matchers in SELECTED.findall(one)
        for label in LABEL.findall(matchers)
        # What has not happened yet, such as a failed call, has no sample that could show its labels.
        if len(labels_of[name]) > 2 and label not in labels_of[name]
    ]
    assert wrong == []


def test_every_metric_of_ours_is_shown_or_watched_somewhere(labels_of: dict[str, set[str]]) -> None:
    used = {name for one in (*queries(), *alerts()) for name in OURS.findall(one)}
    told = {re.sub(r"_(bucket|count|sum|total)$", "", name) for name in labels_of if name.startswith("star_agents_")}
    unused = told - {re.sub(r"_(bucket|count|sum|total)$", "", name) for name in used}
    assert unused == {
        "star_agents_calls_pending",
        "star_agents_config_last_reload_success_timestamp_seconds",
        "star_agents_config_revision",
        "star_agents_intakes_rejected",
        "star_agents_memory_forgotten",
        "star_agents_memory_left_out",
        "star_agents_memory_renewed",
        "star_agents_memory_recall",
        "star_agents_memory_waiting",
        "star_agents_scorer_deaths",
        "star_agents_scorer_moved",
        "star_agents_scorer_oldest_wait_seconds",
        "star_agents_scorer_tokens",
        "star_agents_seeds_added",
        "star_agents_seeds_known",
        "star_agents_seeds_returned",
        "star_agents_server_gpu_memory_bytes",
        "star_agents_server_restarts",
        "star_agents_start_time_seconds",
    }, "a new metric belongs on the dashboard, or into this list of those that are for questions"


def test_after_a_run_the_daemon_has_told_what_it_did(text: str) -> None:
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    ended = sum(values["star_agents_outcomes_total", kind] for kind in ("kept", "base", "dropped"))
    assert ended == SEEDS
    assert values["star_agents_seeds_added_total",] == SEEDS
    assert values["star_agents_calls_total", "tutor", "ok"] > 0
    assert values["star_agents_state", "ready"] == 1
    assert values["star_agents_scorer_samples_total",] > SEEDS
    assert values["star_agents_store_commit_duration_seconds_count",] > SEEDS
    assert values["star_agents_memory_draws_total",] == SEEDS
    assert values["star_agents_event_loop_lag_seconds_count",] > 0
    probabilities = [value for key, value in values.items() if key[0] == "star_agents_pair_probability"]
    assert sum(probabilities) == pytest.approx(1.0)


def test_panels_have_a_place_of_their_own_and_a_title() -> None:
    board = dashboard()
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert panel["title"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert len({panel["title"] for panel in board["panels"]}) == len(board["panels"])
    variables = {f"${one['name']}" for one in board["templating"]["list"]}
    used = set(re.findall(r"\$(?!__)\{?(\w+)\}?", json.dumps(board)))
    assert {f"${name}" for name in used} == variables


# The log


def fields_of_the_log() -> dict[str, set[str]]:
    """Event to its fields, in every line that star_agents writes."""
    shapes = {one.name: kind_of(one).shape for one in Event.__subclasses__()}
    shapes |= {name: shape for name, (_, shape) in OTHER_LINES.items()}
    return {name: EVERY_LINE | set(get_type_hints(shape)) for name, shape in shapes.items()}


def test_the_log_pipeline_reads_fields_that_exist_and_makes_few_labels() -> None:
    (job,) = yaml.safe_load((DASHBOARDS / "loki" / "promtail.yml").read_text(encoding="utf-8"))["scrape_configs"]
    stages = {name: stage for one in job["pipeline_stages"] for name, stage in one.items()}
    read = stages["json"]["expressions"]
    assert set(read.values()) <= set().union(*fields_of_the_log().values())
    assert stages["labels"].keys() <= EVERY_LINE
    assert {*stages["labels"].values(), *stages["structured_metadata"].values()} <= read.keys()
    assert stages["timestamp"]["source"] in read


def test_the_log_pipeline_finds_its_fields_in_the_daemons_own_file(daemon: str, folder: Path) -> None:
    (job,) = yaml.safe_load((DASHBOARDS / "loki" / "promtail.yml").read_text(encoding="utf-8"))["scrape_configs"]
    file = folder / job["static_configs"][0]["labels"]["__path__"]
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(lines) > SEEDS
    for line in lines:
        assert line.keys() >= EVERY_LINE
        assert line["event"] in fields_of_the_log()
        assert line.keys() <= fields_of_the_log()[line["event"]]
        assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None


def test_the_log_panel_and_its_levels_are_those_that_the_log_has() -> None:
    board = dashboard()
    (panel,) = [one for one in board["panels"] if one["type"] == "logs"]
    (target,) = panel["targets"]
    (job,) = yaml.safe_load((DASHBOARDS / "loki" / "promtail.yml").read_text(encoding="utf-8"))["scrape_configs"]
    labels = {*job["static_configs"][0]["labels"], *job["pipeline_stages"][-2]["labels"]}
    assert set(LABEL.findall(target["expr"])) <= labels
    (level,) = [one for one in board["templating"]["list"] if one["name"] == "level"]
    assert level["query"].split(",") == ["info", "warning", "error", "critical"]


def test_alerts_name_events_that_exist() -> None:
    text = (DASHBOARDS / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"\((\w+_\w+)\)\.", text)) <= fields_of_the_log().keys()


# Debian's Prometheus


def promtool(*arguments: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    command = ["promtool", *map(str, arguments)]
    return subprocess.run(
        command, input=given, capture_output=True, text=True, check=False, cwd=DASHBOARDS / "prometheus"
    )


@NEEDS_PROMETHEUS
def test_promtool_finds_no_fault_in_config_rules_and_names(text: str) -> None:
    for done in (
        promtool("check", "config", "prometheus.yml"),
        promtool("check", "metrics", given=text),
        promtool("test", "rules", "alerts_test.yml"),
    ):
        assert done.returncode == 0, done.stdout + done.stderr


class Prometheus:
    """A real Prometheus with our configuration, scraping one daemon every half second."""

    def __init__(self, folder: Path, daemon: str) -> None:
        config = yaml.safe_load((DASHBOARDS / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
        config["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
        config["scrape_configs"][0]["static_configs"][0]["targets"] = [daemon.removeprefix("http://")]
        config["rule_files"] = [str(DASHBOARDS / "prometheus" / "alerts.yml")]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        self._log = (folder / "prometheus.log").open("w")
        self._process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address={self.url.removeprefix('http://')}",
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of one instant query; an error of Prometheus' is one of ours."""
        asked = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{asked}", timeout=30) as response:
            result: list[dict[str, Any]] = json.load(response)["data"]["result"]
            return result

    def wait_for(self, expression: str) -> list[dict[str, Any]]:
        """The result, once there is one: Prometheus tells nobody when it has scraped, so it is asked again."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            assert self._process.poll() is None, "Prometheus ended"
            try:
                if result := self.query(expression):
                    return result
            except (urllib.error.URLError, ConnectionError):
                pass  # not up yet
            time.sleep(0.1)
        raise TimeoutError(f"{expression}: nothing within {PATIENCE_S} s")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=PATIENCE_S)
        self._log.close()


@pytest.fixture(scope="module")
def prometheus(daemon: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    started = Prometheus(tmp_path_factory.mktemp("prometheus"), daemon)
    try:
        yield started
    finally:
        started.close()


@NEEDS_PROMETHEUS
def test_debians_prometheus_scrapes_the_daemon_and_answers_every_panel(prometheus: Prometheus) -> None:
    (up,) = prometheus.wait_for('up{job="star_agents"} == 1')
    assert up["metric"]["job"] == "star_agents"
    prometheus.wait_for('count_over_time(star_agents_outcomes_total{outcome="kept"}[1m]) > 2')
    (seeds,) = prometheus.query("sum(star_agents_outcomes_total)")
    assert float(seeds["value"][1]) == SEEDS
    silent = [one for one in queries() if not prometheus.query(one)]
    assert [one for one in silent if not NOTHING_YET & set(OURS.findall(one))] == []
    with urllib.request.urlopen(f"{prometheus.url}/api/v1/rules", timeout=30) as response:
        rules = [rule for group in json.load(response)["data"]["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    assert {rule["name"] for rule in rules if rule["state"] == "firing"} == set()
