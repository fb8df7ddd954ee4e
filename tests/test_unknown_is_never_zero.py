"""A whole run and a daemon with models whose price nobody knows: no output of theirs says that anything cost 0."""

from __future__ import annotations

import json
import re
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from daemons import get, provider, star_agents, start
from lines import agents_yaml, origin, read_jsonl

from star_agents.cli.main import main

WRONG = re.compile(r"\$\s?0(\.0+)?\b")
MONEY = re.compile(r"(^|[._])usd([._]|$)")
REMOTE = "http://models.example/v1"
SETTINGS = "base_pairs: [{instruction: keep, response: a}]\npairs: [{instruction: b, response: c}]\nmemory: off"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where agents.yaml and seeds lie, a finished run, and what it said; the agents answer meanwhile."""
    path = tmp_path_factory.mktemp("unknown")
    rows = [{"instruction": f"Question {number}?", "response": "Yes."} for number in range(12)]
    (path / "seeds.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    (path / "agents.yaml").write_text(agents_yaml(REMOTE, replaced=SETTINGS), encoding="utf-8")
    with provider(path / "book") as url:
        # The public name leads to the test server.
        proxy = {"HTTP_PROXY": url.removesuffix("/v1")}
        files = ("-c", path / "agents.yaml", "-s", path / "seeds.jsonl", "-o", path / "out")
        done = star_agents("run", *files, environ=proxy)
        assert done.returncode == 0, done.stderr
        (path / "said").write_text(done.stdout + done.stderr)
        yield path


def star(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Everything that a command prints."""
    main([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    return shown.out + shown.err


def amounts(data: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that stands under a key of money, with where it stands."""
    if isinstance(data, dict):
        for key, value in data.items():
            if MONEY.search(key) and not isinstance(value, dict):
                yield f"{path}/{key}", value
            yield from amounts(value, f"{path}/{key}")
    elif isinstance(data, list):
        for number, value in enumerate(data):
            yield from amounts(value, f"{path}/{number}")


def assert_unknown(data: Any, *, at_least: int) -> None:
    found = dict(amounts(data))
    assert len(found) >= at_least, f"where does it say what it cost? {sorted(found)}"
    assert {where: value for where, value in found.items() if value is not None} == {}


def test_a_run_says_unknown_on_the_terminal_and_null_in_every_file(folder: Path) -> None:
    out, shown = folder / "out", (folder / "said").read_text()
    assert not WRONG.search(shown), shown
    assert re.search(r"\d+ calls sent, unknown in all", shown)
    assert "nobody knows the price of openai/a at models.example" in shown.replace("\n", " ")
    assert re.search(r"12/12 seeds, \d+ calls, unknown$", shown, re.MULTILINE)
    assert_unknown(json.loads((out / "summary.json").read_text()), at_least=10)
    assert_unknown([origin(row) for row in read_jsonl(out / "dataset.jsonl")], at_least=12)
    assert_unknown(read_jsonl(out / "log.jsonl"), at_least=12)


def test_status_report_and_exports_say_so_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "out"
    shown = star(capsys, "status", out)
    assert "cost: unknown" in shown
    assert not WRONG.search(shown), shown
    assert_unknown(json.loads(star(capsys, "status", out, "--json")), at_least=8)
    again = star(capsys, "run", "-c", folder / "agents.yaml", "-s", folder / "seeds.jsonl", "-o", out, "--json", "-q")
    assert_unknown(json.loads(again[again.index("{") : again.rindex("}") + 1]), at_least=10)
    star(capsys, "report", out, "-o", folder / "report.html")
    page = (folder / "report.html").read_text()
    assert not WRONG.search(page)
    assert "an unknown cost" in page
    star(capsys, "export", out, "-f", "messages", "-o", folder / "messages.jsonl")
    assert_unknown([origin(row) for row in read_jsonl(folder / "messages.jsonl")], at_least=12)


def test_a_daemon_answers_null_and_metrics_have_no_sample(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "out", tmp_path / "data")
    daemon, base = start(tmp_path, agents_yaml(REMOTE, replaced=SETTINGS))
    with daemon:
        status = get(base, "/v1/status")
        assert status["rate"].pop("usd_per_hour") == 0, "this process called nobody"
        assert_unknown(status, at_least=8)
        assert_unknown(get(base, "/v1/pairs"), at_least=2)
        outcomes = get(base, "/v1/outcomes")
        assert_unknown(outcomes, at_least=12)
        assert_unknown(get(base, f"/v1/outcomes/{outcomes['outcomes'][0]['seq']}"), at_least=3)
        with urllib.request.urlopen(base + "/metrics", timeout=60) as response:
            samples = [line for line in response.read().decode().splitlines() if not line.startswith("#")]
    assert any(line.startswith("star_agents_unpriced_calls_total") for line in samples)
    assert [line for line in samples if MONEY.search(line.partition("{")[0].partition(" ")[0])] == []
