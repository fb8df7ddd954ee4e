"""What is told of rounds and evaluations that are not there, or cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

from model_results import STATE

from star_agents.engine.model_results import ModelResults
from star_agents.web.model_results import Evaluation


async def test_a_folder_without_rounds_or_an_evaluation_tells_of_none(tmp_path: Path) -> None:
    results = ModelResults(tmp_path / "data")
    assert (await results.rounds()).rounds == 0
    assert await results.evaluation() == Evaluation()
    assert await results.question("1") is None


async def test_files_that_cannot_be_read_are_told_until_they_can(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    results = ModelResults(data)
    (tmp_path / "rounds.json").write_text("{")
    (data / "evaluation.json").write_text("[]")
    assert "rounds.json: cannot be read" in (await results.rounds()).unread
    assert "is no JSON object" in (await results.evaluation()).unread
    (tmp_path / "rounds.json").write_text(json.dumps(STATE))
    told = await results.rounds()
    assert (told.unread, [one.name for one in told.steps], told.target) == ("", ["base", "r1-sft"], "r1-sft")
    (tmp_path / "rounds.json").write_text(json.dumps({**STATE, "rounds": 3}))
    assert (await results.rounds()).rounds == 3
