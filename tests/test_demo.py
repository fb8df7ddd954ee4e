"""What `tools/demo` promises: 300 rows, the planted best pair rises, the planted worst fades, nothing asked twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from star_agents.cli.main import main

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.mark.timeout(900)
def test_the_demo_keeps_its_promises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "-c", str(REPOSITORY / "agents.yaml"), "-s", "offline", "-o", str(tmp_path), "--json", "-q"]
    main(command)
    summary = json.loads(capsys.readouterr().out)
    assert summary["rows"]["dataset"] == 300
    pairs = summary["pairs"]
    start = pairs["keep/tutor"]["probability_start"]
    assert start == pairs["keep/dreamer"]["probability_start"] == pytest.approx(0.1)
    assert pairs["keep/tutor"]["probability_now"] >= 2 * start
    assert pairs["keep/dreamer"]["probability_now"] <= start / 2
    assert summary["calls_sent"] > 1000

    main(command)
    assert json.loads(capsys.readouterr().out)["calls_sent"] == 0
