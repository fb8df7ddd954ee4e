"""ArenaInstruct on sample agents, from the file that `init` writes: no key, no download."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from daemons import star_agents
from lines import read_jsonl, results

from star_agents.storage.rows import Result

DOCUMENTS = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    config = folder / "arena_instruct.yaml"
    assert star_agents("init", "--recipe", "arena_instruct", config).returncode == 0
    checked = star_agents("check", "-c", config)
    assert checked.returncode == 0, checked.stderr
    ended = star_agents("run", "-c", config, "-s", "offline", "-n", str(DOCUMENTS), "-o", folder / "out", "-q")
    assert ended.returncode == 0, ended.stderr
    return folder / "out"


def fought(folder: Path) -> list[Result]:
    return [one for one in results(folder) if one.outcome.recipe == "arena"]


def test_each_document_gives_instructions_that_are_fought_over_and_what_the_target_lost_is_a_row(folder: Path) -> None:
    documents = [one.outcome for one in results(folder) if one.outcome.recipe == "agent_instruct"]
    assert len(documents) == DOCUMENTS
    assert {one.seed.parent for one in fought(folder)} == {one.seed_id for one in documents}
    learned = read_jsonl(folder / "dataset.jsonl")
    assert len(learned) == sum(row.shape == "sft" for one in fought(folder) for row in one.outcome.rows)
    assert len(learned) > DOCUMENTS


def test_what_was_drawn_for_a_document_earns_what_its_instructions_are_worth_once_a_draw(folder: Path) -> None:
    draws = {(one.seed.parent, pool, arm) for one in fought(folder) for pool, arm in one.seed.drawn_labels.items()}
    summary = json.loads((folder / "summary.json").read_text())
    for pool in ("types", "transformations"):
        arms = summary["pools"][f"agent_instruct.{pool}"]["arms"]
        earned = {name: arm["rewards"] for name, arm in arms.items() if arm["rewards"]}
        assert earned == Counter(arm for _, one, arm in draws if one == f"agent_instruct.{pool}")
        assert any(arm["mean_reward"] for arm in arms.values())
    levels = {arm.rpartition("@")[2] for _, pool, arm in draws if pool == "agent_instruct.levels"}
    assert levels == {"0", "1", "2"}


def test_its_report_says_what_each_pool_turned_to_and_what_that_earned(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert star_agents("report", folder, "-o", page).returncode == 0
    text = " ".join(page.read_text().split())
    _, _, after = text.partition("<h3>Pool types</h3>")
    told, _, _ = after.partition("</figure>")
    assert "Probability of each arm over the outcomes" in told
    assert "Likelier than at the start: reading_comprehension/" in told
    assert "mean reward 0." in told
    assert "rewards of all arms: 0." in told
