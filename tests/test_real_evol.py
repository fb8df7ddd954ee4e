"""Evol-Instruct on a real small LLM behind a real server: `.venv/bin/pytest -m slow tests/test_real_evol.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lines import read_jsonl, results, run
from real_llm import RealLlm, real_llm, real_rows

from star_agents.engine.configuration import read_config
from star_agents.records import Sample, Seed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def llm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLlm]:
    with real_llm(tmp_path_factory.mktemp("real_evol")) as served:
        yield served


async def test_a_real_model_evolves_and_what_it_breaks_has_its_reason(llm: RealLlm, tmp_path: Path) -> None:
    agents = re.split(r"^(?=\w)", llm.agents_yaml, flags=re.MULTILINE)
    (told,) = [part for part in agents if part.startswith("agents:")]
    (tmp_path / "agents.yaml").write_text(
        f"{told}\nrecipe: evol\nevol: {{writer: writer, rounds: 2}}\nconcurrency: 4\n"
    )
    seeds = [Seed.of(Sample(instruction=row["instruction"], response=row["response"])) for row in real_rows(8)]
    config = read_config(tmp_path / "agents.yaml")
    first = await run(config, seeds, tmp_path / "out")
    again = await run(config, seeds, tmp_path / "out")
    assert first.calls > 8 * 2
    assert again.calls == 0
    trials = [trial for one in results(tmp_path / "out") for trial in one.outcome.trials if trial.role == "evolution"]
    assert len(trials) == 8 * 2
    for trial in trials:
        print(f"{trial.arm}: {trial.sample.question!r} -> {trial.sample.response!r} {trial.failure or ''}")
    assert all(trial.failure or (trial.sample.response or "").strip() for trial in trials)
    kept = [one for one in results(tmp_path / "out") if one.outcome.kind != "dropped"]
    rows = read_jsonl(tmp_path / "out" / "dataset.jsonl") if kept else []
    assert len(rows) == sum(trial.failure is None for one in kept for trial in one.outcome.trials)
