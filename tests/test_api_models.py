"""`sa.train`, `sa.evaluate` and `sa.rounds`: what the commands do, as calls, in folders that are the same for both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from daemons import star_agents
from openai_server import OpenAIServer
from rounds_world import arguments, book, play, set_up, state
from training_samples import QUICK, samples, tiny, write

import star_agents as sa


def test_a_model_is_trained_by_options_of_the_command_and_not_twice(tmp_path: Path) -> None:
    rows, model = write(tmp_path / "rows.jsonl", samples()), tiny(tmp_path / "base")
    options: dict[str, Any] = {**QUICK, "max_steps": 2, "lora": 4, "threads": 1}
    trained = sa.train(rows, model=model, out=tmp_path / "out", progress=False, **options)
    assert (trained.steps, trained.stopped_by, trained.rows) == (2, 0, 8)  # Two steps of four rows.
    assert (tmp_path / "out" / "README.md").is_file()
    assert sa.train(rows, model=model, out=tmp_path / "out", progress=False, **options).was_finished
    with pytest.raises(sa.UsageError, match="epoks: is no option of train; did you mean `epochs`"):
        sa.train(rows, model=model, out=tmp_path / "other", epoks=3)
    with pytest.raises(sa.UsageError, match="learning-rate must be a number above 0"):
        sa.train(rows, model=model, out=tmp_path / "other", learning_rate=0)


def test_an_evaluation_is_told_as_its_folder_holds_it_and_the_command_has_nothing_left_to_do(tmp_path: Path) -> None:
    path, out = tmp_path / "agents.yaml", tmp_path / "eval"
    assert star_agents("init", path).returncode == 0
    found = sa.evaluate(
        path, models=["tutor", "dreamer"], questions="offline", judge="referee", out=out, limit=3, progress=False
    )
    assert [one["model"] for one in found["models"]] == ["tutor", "dreamer"]
    assert found["stopped_by"] == ""
    assert json.loads((out / "evaluation.json").read_text())["models"] == found["models"]
    assert "outcome_committed" in (out / "log.jsonl").read_text()
    words = ("--models", "tutor,dreamer", "--questions", "offline", "--judge", "referee", "-n", "3", "--json", "-q")
    again = star_agents("evaluate", "-c", path, "-o", out, *words)
    assert again.returncode == 0, again.stderr
    told = json.loads(again.stdout)
    assert (told["calls_sent"], told["models"]) == (0, found["models"])
    with pytest.raises(sa.UsageError, match="no agent is called 'nobody'"):
        sa.evaluate(path, models=["nobody"], questions="offline", judge="referee", out=tmp_path / "none")


@pytest.mark.timeout(300)
async def test_rounds_go_on_where_the_command_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINE_TEST_KEY", "k")
    async with OpenAIServer(play) as server:
        set_up(tmp_path, server.url)

        def work() -> dict[str, object]:
            return sa.rounds(
                tmp_path / "agents.yaml", tmp_path / "seeds.jsonl", out=tmp_path / "out", rounds=1, progress=False
            )

        found = await anyio.to_thread.run_sync(work)
        sent = len(server.charged)
        assert list(state(tmp_path)["steps"]) == ["base", "r0-sft", "r1-sft"]
        assert found["target"] == "r1-sft"
        assert len(book(tmp_path, "trained")) == 2
        again = await anyio.to_thread.run_sync(lambda: star_agents(*arguments(tmp_path), "--json"))
        assert again.returncode == 0, again.stderr
        assert json.loads(again.stdout) == found
        assert len(server.charged) == sent
