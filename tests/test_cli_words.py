"""What a person meets at the edges of the command line: mistakes, Ctrl-C, and how long it takes to be told."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from daemons import PATIENCE_S, provider, star_agents
from lines import agents_yaml

from star_agents.config.sections import ScoringConfig
from star_agents.engine.configuration import read_config
from star_agents.recipes.registry import spelled_out

COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7])(?:;\d+)*m")
"""Any sequence that sets a colour; bold and italic are none."""
NO_KEY = """agents:
  gpt: {model: openai/gpt-4o-mini, api_key: os.environ/A_KEY_NOBODY_HAS}
  many:
    deployments:
      - {model: openai/gpt-4o-mini, api_key: os.environ/ANOTHER_KEY_NOBODY_HAS}
base_pairs: [{instruction: keep, response: gpt}]
selection: random
"""


def star(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "star_agents", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.mark.parametrize("verb", ["check", "run", "serve"])
def test_a_missing_key_is_told_with_its_line_before_litellm_or_torch_are_loaded(verb: str, tmp_path: Path) -> None:
    config = tmp_path / "agents.yaml"
    config.write_text(NO_KEY)
    rest: dict[str, list[str | Path]] = {
        "check": [],
        "run": ["-s", "offline", "-o", tmp_path / "out"],
        "serve": ["--data-dir", tmp_path / "data"],
    }
    shown = star(verb, "-c", config, *rest[verb], PYTHONVERBOSE="1")
    errors = [line for line in shown.stderr.splitlines() if line.startswith("error:")]
    assert shown.returncode == 2
    assert errors == [
        "error: agents.yaml:2: agents.gpt.api_key: the environment variable A_KEY_NOBODY_HAS is not set "
        "(export A_KEY_NOBODY_HAS=... before starting)",
        "error: agents.yaml:5: agents.many.deployments[0].api_key: the environment variable ANOTHER_KEY_NOBODY_HAS is "
        "not set (export ANOTHER_KEY_NOBODY_HAS=... before starting)",
    ]
    for heavy in ("litellm", "torch", "transformers"):
        assert f"import '{heavy}'" not in shown.stderr
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "data").exists()


def test_ctrl_c_finishes_what_is_in_hand_says_so_and_ends_with_130(tmp_path: Path) -> None:
    with provider(tmp_path / "book") as url:
        config = tmp_path / "agents.yaml"
        config.write_text(agents_yaml(url, replaced="concurrency: 4"))
        seeds = tmp_path / "seeds.jsonl"
        seeds.write_text(
            "".join(json.dumps({"instruction": f"Count to {n}.", "output": "."}) + "\n" for n in range(9999))
        )
        with subprocess.Popen(
            [sys.executable, "-m", "star_agents", "run", "-c", config, "-s", seeds, "-o", tmp_path / "out", "-v"],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "LINE_TEST_KEY": "sk-line-test"},
        ) as process:
            assert process.stderr is not None
            next(line for line in process.stderr if "outcome_committed" in line)
            process.send_signal(signal.SIGINT)
            said = process.stderr.read()
        assert process.returncode == 130
    assert "seeds, whose calls are paid for; Ctrl-C again quits at once" in said
    assert said.strip().splitlines()[-1] == "stopped by SIGINT; the same command goes on where it stopped"
    assert 0 < len((tmp_path / "out" / "dataset.jsonl").read_text().splitlines()) < 9999


def test_a_seed_file_that_is_not_there_is_told_with_the_one_that_is_near(tmp_path: Path) -> None:
    (tmp_path / "seeds.jsonl").write_text('{"instruction": "Say hello.", "output": "Hello."}\n')
    for wrong in ("seed.jsonl", "seeds"):
        shown = star_agents("run", "-c", "agents.yaml", "-s", tmp_path / wrong, "-o", tmp_path / "out")
        assert shown.returncode == 2
        assert f"{tmp_path / wrong}: no such file (did you mean {tmp_path / 'seeds.jsonl'}?)" in shown.stderr


def test_an_address_in_the_place_of_a_folder_asks_the_daemon_there() -> None:
    for verb in ("status", "logs"):
        shown = star_agents(verb, "http://127.0.0.1:9")
        assert shown.returncode != 0
        assert "no daemon answers at 127.0.0.1:9" in shown.stderr
        assert "store" not in shown.stderr


@pytest.mark.parametrize("verb", ["doctor", "logs"])
def test_no_colour_is_printed_on_a_terminal_where_no_color_is_set(verb: str, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"timestamp": "2026-01-01T00:00:00Z", "level": "warning", "event": "x"}\n')
    script = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"
    command = [sys.executable, "-c", script, sys.executable, "-m", "star_agents", verb, str(tmp_path)]
    environment = {**os.environ, "TERM": "xterm-256color"}
    coloured, plain = (
        subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, env=one, check=False).stdout.decode()
        for one in (environment, {**environment, "NO_COLOR": "1"})
    )
    assert len(plain) > 20
    assert not COLOUR.findall(plain)
    assert verb == "doctor" or COLOUR.findall(coloured)


def test_every_method_that_the_readme_names_has_a_file_to_begin_with_that_is_valid() -> None:
    repository = Path(__file__).resolve().parents[1]
    named = set(re.findall(r"^### .*\(`(\w+)`", (repository / "README.md").read_text("utf-8"), re.MULTILINE))
    files = {one.stem: one for one in (repository / "star_agents" / "recipes" / "configs").glob("*.yaml")}
    rounds = files.pop("rounds")  # No method of its own: it trains on what an arena makes.
    assert read_config(rounds).rounds is not None
    assert named == {*files, "star"}
    assert {name: list(read_config(one).recipe) for name, one in files.items()} == {
        name: spelled_out([name]) for name in files
    }


def test_config_score_and_init_score_the_end_by_default() -> None:
    assert ScoringConfig().mode == "score_eos"
    assert "[default: score_eos]" in " ".join(star_agents("score", "--help").stdout.split())
