"""agents.yaml with a section `rounds`: what of it cannot work, what other commands see, what a step is given."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from star_agents import recipes
from star_agents.cli.rounds_table import show_rounds
from star_agents.engine.campaign.configs import Target, data_config, keep_running
from star_agents.engine.campaign.plan import BASE, Step, plan_of
from star_agents.engine.campaign.report import write_rounds
from star_agents.engine.campaign.state import CampaignState
from star_agents.engine.configuration import check_config, read_config
from star_agents.engine.offline_arena import config_for_arena
from star_agents.errors import UsageError

SETTINGS: dict[str, Any] = {
    "agents": {"student": {"model": "offline/novice"}, "tutor": {"model": "offline/tutor"}},
    "recipe": "arena",
    "arena": {"target": "student", "opponents": ["tutor"], "judges": ["tutor"]},
    "rounds": {"target": {"agent": "student", "model": "offline/small"}},
}


def test_a_number_of_rows_that_the_first_round_reaches_is_refused() -> None:
    with pytest.raises(UsageError, match="target_rows: data would end with the first part"):
        plan_of(check_config({**SETTINGS, "target_rows": 30}), 2)


def test_grades_that_a_target_did_not_get_are_told_beside_its_mean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = CampaignState.opened(tmp_path, {"agent": "student", "model": "offline/small"}, 1)
    graded = {"benchmark": "b", "score": 5.0, "low": 4.0, "high": 6.0, "graded": 5, "unreadable": 2, "missing": 3}
    state.finish(Step(name=BASE, round=0, stage=None), "benchmark", graded)
    show_rounds(write_rounds(tmp_path))
    told = "5.00 [4.00, 6.00], 2 unreadable, 3 missing"
    assert told in " ".join(re.sub("[│┃]", " ", capsys.readouterr().out).split())
    assert told in (tmp_path / "report.html").read_text()


def test_models_of_a_config_with_rounds_can_meet_by_themselves() -> None:
    met = config_for_arena(check_config(SETTINGS), ["student", "tutor"], ["tutor"], where="agents.yaml")
    assert met.rounds is None


def test_the_config_in_force_finds_what_lies_beside_agents_yaml(tmp_path: Path) -> None:
    beside, out = tmp_path / "mine", tmp_path / "out"
    beside.mkdir()
    out.mkdir()
    template = Path(recipes.__file__).parent / "prompts" / "judging" / "judge.jinja"
    (beside / "judge.jinja").write_text(template.read_text())
    named = {"prompts": {"judging/judge": "./judge.jinja"}, "evaluation": {"questions": "./benchmarks"}}
    (beside / "agents.yaml").write_text(json.dumps({**SETTINGS, **named}))
    read = read_config(beside / "agents.yaml")
    plan = plan_of(read, 1)
    keep_running(data_config(read, plan, plan.steps[-1], Target("r1-rloo", "offline/small")), out, beside)
    running = read_config(out / "running.yaml")
    assert running.prompt_texts == read.prompt_texts
    assert running.evaluation is not None
    assert running.evaluation.questions == str(beside / "benchmarks")
