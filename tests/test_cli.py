"""The command line as a user meets it: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from storage_commands import star as run_in_this_process

SAMPLES = """
agents:
  tutor: {model: offline/tutor}
  dreamer: {model: offline/dreamer}
  referee: {model: offline/referee, roles: []}
star:
  referee: {agents: [referee]}
  selection: referee
  candidates: 1
  show_reference: true
"""


@pytest.fixture
def star() -> Any:
    """Run a command line in this process."""
    return run_in_this_process


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "agents.yaml"
    path.write_text(SAMPLES)
    return path


def write_seeds(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


SEEDS = [{"instruction": f"Count to {n}.", "output": "One, two and so on, up to the end."} for n in range(3, 7)]


def test_help_answers_at_once() -> None:
    """Under 0.5 s of a processor, or on one that is slow, within five bare starts of Python with click."""
    limit = max(0.5, 5 * _cpu_seconds(["-c", "import click"]))
    assert _cpu_seconds(["-m", "star_agents", "--help"]) < limit
    assert _cpu_seconds(["-c", "import star_agents"]) < limit


def _cpu_seconds(arguments: list[str]) -> float:
    """What it costs, however long others let it wait; the least of three."""

    def spent() -> float:
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return ended.ru_utime + ended.ru_stime

    costs = []
    for _ in range(3):
        before = spent()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        costs.append(spent() - before)
    return min(costs)


def test_run_and_check_name_a_key_at_its_old_place_and_go_on(star: Any, config: Path, tmp_path: Path) -> None:
    config.write_text(SAMPLES.replace("  candidates: 1\n", "") + "candidates: 1\n")
    seeds = write_seeds(tmp_path / "seeds.jsonl", *SEEDS)
    note = "agents.yaml:10: candidates: has a new place, `star.candidates`; the next release will no longer take it"
    ran = star("run", "-c", config, "-s", seeds, "-o", tmp_path / "out", "-q")
    assert (ran.code, ran.err.count(f"note: {note}")) == (0, 1)
    lines = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    (noted,) = [line for line in lines if line["event"] == "config_noted"]
    assert (noted["level"], note in noted["message"]) == ("warning", True)
    assert "star-agents migrate-config agents.yaml" in noted["message"]
    checked = star("check", "-c", config, "--json", "--no-exam")
    assert (checked.code, f"note: {note}" in checked.err) == (0, True)
    assert any(one["ok"] and note in one["detail"] for one in json.loads(checked.out))


def test_run_writes_the_dataset_and_names_its_files(star: Any, config: Path, tmp_path: Path) -> None:
    seeds, out = write_seeds(tmp_path / "s.jsonl", *SEEDS), tmp_path / "out"
    done = star("run", "-c", config, "-s", seeds, "-o", out)
    assert done.code == 0
    not_written = json.loads((out / "summary.json").read_text())["rows"]["not_written"]
    assert "rejected.jsonl" in not_written
    for name in ("dataset.jsonl", "preferences.jsonl", "rejected.jsonl", "summary.json", "store.sqlite3"):
        assert (out / name).is_file() == (name not in not_written)
        assert name in done.out
    assert "no rejected.jsonl: no seed was dropped" in done.out
    assert "samples" in done.err
    assert "not LLMs" in done.err
    again = star("run", "-c", config, "-s", seeds, "-o", out, "--json")
    assert json.loads(again.out)["calls_sent"] == 0


def test_bad_rows_stop_a_run_before_anything_is_made_and_skip_bad_leaves_them_out(
    star: Any, config: Path, tmp_path: Path
) -> None:
    seeds = write_seeds(
        tmp_path / "s.jsonl", SEEDS[0], {"instruction": 3}, {"instruction": "", "output": "x"}, SEEDS[1]
    )
    stopped = star("run", "-c", config, "-s", seeds, "-o", tmp_path / "out")
    assert stopped.code == 2
    assert "s.jsonl:2: instruction" in stopped.err
    assert "s.jsonl:3: instruction" in stopped.err
    assert not (tmp_path / "out").exists()
    done = star("run", "-c", config, "-s", seeds, "-o", tmp_path / "out", "--skip-bad", "--json", "-q")
    assert done.code == 0
    assert json.loads(done.out)["counts"]["done"] == 2


def test_a_seed_without_a_response_is_refused_when_no_base_pair_writes_one(
    star: Any, config: Path, tmp_path: Path
) -> None:
    seeds = write_seeds(tmp_path / "s.jsonl", {"instruction": "Say why."})
    stopped = star("run", "-c", config, "-s", seeds, "-o", tmp_path / "out")
    assert stopped.code == 2
    assert "s.jsonl:1: response" in stopped.err
    assert "base_pairs" in stopped.err


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (["run", "-c", "none.yaml", "-s", "offline", "-o", "out"], 2, "init"),
        (["run", "-c", "agents.yaml", "-s", "none.jsonl", "-o", "out"], 2, "none.jsonl"),
        (["run", "-c", "agents.yaml", "-s", "offline"], 2, "--out"),
        (["status", "nowhere"], 3, "no store here"),
        (["export", "nowhere", "-o", "x.jsonl"], 3, "no store here"),
        (["add", "agents.yaml"], 2, "agents.yaml"),
        (["score", "none.jsonl", "--small", "a", "--large", "b", "-o", "x.jsonl"], 2, "none.jsonl"),
        (["init", "agents.yaml"], 2, "--force"),
        (["frobnicate"], 2, "No such command"),
    ],
)
def test_a_mistake_ends_with_one_line_that_helps_and_a_code(
    star: Any, config: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, hint: str
) -> None:
    monkeypatch.chdir(config.parent)
    ended = star(*arguments)
    assert ended.code == code
    assert hint in ended.err


def test_add_says_when_nobody_answers(star: Any, tmp_path: Path) -> None:
    ended = star("add", write_seeds(tmp_path / "s.jsonl", *SEEDS), "--url", "http://127.0.0.1:9")
    assert ended.code == 2
    assert "no daemon answers" in ended.err


def test_init_writes_a_file_that_check_accepts(star: Any, tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    assert star("init", path).code == 0
    checked = star("check", "-c", path, "--json")
    assert checked.code == 0
    parts = {finding["part"]: finding for finding in json.loads(checked.out)}
    assert parts["agent tutor"]["ok"]
    assert parts["scorer small"]["ok"]
    assert parts["scorer large"]["ok"]


def test_check_names_what_fails_and_ends_with_1(star: Any, tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text(
        SAMPLES.replace("offline/dreamer", "offline/dreemer").replace("  selection: referee\n", "")
        + "scoring: {small: no/such, large: no/such}\n"
    )
    checked = star("check", "-c", path, "--json")
    findings = {finding["part"]: finding for finding in json.loads(checked.out)}
    assert checked.code == 1
    assert "did you mean offline/dreamer" in findings["agent dreamer"]["detail"]
    assert "no/such" in findings["scorers"]["detail"]
    assert findings["agent tutor"]["ok"]


def test_score_keeps_every_column_and_gives_a_reason_where_there_is_no_score(star: Any, tmp_path: Path) -> None:
    rows = [
        {"instruction": "sort these numbers : 3 1 2", "input": "", "output": "1 2 3 .", "id": 7},
        {"instruction": "say nothing", "output": "", "id": 8},
        {"instruction": 5, "output": "x", "id": 9},
    ]
    file, out = write_seeds(tmp_path / "data.jsonl", *rows), tmp_path / "scored.jsonl"
    done = star("score", file, "--small", "offline/small", "--large", "offline/large", "-o", out)
    assert done.code == 0
    scored = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["id"] for row in scored] == [7, 8, 9]
    assert scored[0]["gap"] == pytest.approx(scored[0]["ifd_small"] - scored[0]["ifd_large"])
    assert scored[0]["reason"] == ""
    assert scored[1]["ifd_small"] is None
    assert "response" in scored[1]["reason"]
    assert "unreadable row" in scored[2]["reason"]


@pytest.mark.parametrize("suffix", ["jsonl", "json", "parquet"])
def test_export_writes_each_kind_of_file(star: Any, config: Path, tmp_path: Path, suffix: str) -> None:
    star("run", "-c", config, "-s", write_seeds(tmp_path / "s.jsonl", *SEEDS), "-o", tmp_path / "out", "-q")
    path = tmp_path / f"data.{suffix}"
    done = star("export", tmp_path / "out", "-f", "alpaca", "-o", path, "--json")
    assert json.loads(done.out)["rows"] == 4
    if suffix == "parquet":
        rows = pyarrow.parquet.read_table(path).to_pylist()
    elif suffix == "json":
        rows = json.loads(path.read_text())
    else:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["instruction"] for row in rows] == [seed["instruction"] for seed in SEEDS]


def test_status_of_a_folder_shows_what_was_done(star: Any, config: Path, tmp_path: Path) -> None:
    star("run", "-c", config, "-s", write_seeds(tmp_path / "s.jsonl", *SEEDS), "-o", tmp_path / "out", "-q")
    status = json.loads(star("status", tmp_path / "out", "--json").out)
    assert status["seeds"] == {
        "waiting": 0,
        "working": 0,
        "kept": status["seeds"]["kept"],
        "base": 4 - status["seeds"]["kept"],
        "dropped": 0,
        "quarantined": 0,
        "stranded": 0,
        "catching_up": 0,
    }
    assert sum(status["pairs"].values()) == pytest.approx(1)
    assert "pairs" in star("status", tmp_path / "out").out
