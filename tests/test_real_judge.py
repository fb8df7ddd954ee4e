"""A real small LLM as judge can be read, and is refused: `.venv/bin/pytest -m slow tests/test_real_judge.py`.

SmolLM2-135M names the first answer of every pair. Before verdicts were bound to a schema none of them could be read.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_llm import RealLlm, real_llm, real_rows, write_rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def llm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLlm]:
    with real_llm(tmp_path_factory.mktemp("real_judge")) as served:
        yield served


def run(config: Path, seeds: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "star_agents", "run", "-c", config, "-s", seeds, "-o", out]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=1500, check=False)


def test_its_verdicts_are_readable_and_it_fails_its_exam_so_that_run_refuses_it_with_the_figures(
    llm: RealLlm, tmp_path: Path
) -> None:
    (tmp_path / "agents.yaml").write_text(llm.agents_yaml)
    seeds = write_rows(tmp_path / "seeds.jsonl", real_rows(3))
    done = run(tmp_path / "agents.yaml", seeds, tmp_path / "out")
    assert done.returncode == 4, done.stdout + done.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    figures = summary["referee"]["exam"]["judges"]["judge"]
    assert figures["unreadable_share"] <= 0.05
    assert not figures["passed"]
    assert f"{figures['right']} of 24 right" in done.stderr
    assert "(17 are needed)" in done.stderr
    assert summary["counts"]["waiting"] == 3
    again = run(tmp_path / "agents.yaml", seeds, tmp_path / "out")
    assert again.returncode == 4
    assert "0 calls sent" in again.stdout
