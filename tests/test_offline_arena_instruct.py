"""ArenaInstruct on sample agents, from the file that `init` writes: no key, no download."""

from __future__ import annotations

import json
import re
from collections import Counter
from html import escape
from pathlib import Path
from statistics import fmean

import pytest
from battle_counts import by_label, lost_shares
from daemons import star_agents
from lines import read_jsonl, results

from star_agents.scheduling.win_rates import win_rate
from star_agents.storage.reader import StoreReader
from star_agents.storage.results import Result

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


def test_what_the_target_lost_by_type_level_and_transformation_is_a_count_by_hand(folder: Path) -> None:
    labels = {one.seed.id: one.seed.drawn_labels for one in fought(folder)}
    by_hand = by_label(lost_shares(folder, "scholar"), labels)
    assert set(by_hand) == {f"agent_instruct.{pool}" for pool in ("types", "levels", "transformations")}
    turns = json.loads((folder / "summary.json").read_text())["turns"]
    for pool, values in by_hand.items():
        lost = {one["name"]: one["measures"]["lost"]["all"] for one in turns[pool]["rows"] if one["measures"]}
        assert {name: one["n"] for name, one in lost.items()} == {name: len(each) for name, each in values.items()}
        means = {name: one["mean"] for name, one in lost.items()}
        assert means == {name: pytest.approx(fmean(each), abs=1e-6) for name, each in values.items()}
        ends = {name: win_rate(round(sum(each)), len(each)) for name, each in values.items() if sum(each) % 1 == 0}
        assert ends
        for name, rate in ends.items():
            assert (lost[name]["low"], lost[name]["high"]) == (pytest.approx(rate.low), pytest.approx(rate.high))


def test_shares_are_those_of_the_pools_then_and_now_and_every_status_says_the_same(folder: Path) -> None:
    with StoreReader(folder) as reader:
        pools, curves = reader.pools(), {pool: reader.curve(pool) for pool in reader.pools()}
    summary = json.loads((folder / "summary.json").read_text())
    for pool, one in summary["turns"].items():
        now = {row["name"]: row["share"] for row in one["rows"]}
        assert now == pools[pool].state["weights"]
        assert {row["name"]: row["share_at_start"] for row in one["rows"]} == curves[pool][0].probabilities
    told = json.loads(star_agents("status", folder, "--json").stdout)["turns"]
    for pool, one in told.items():
        whole = summary["turns"][pool]
        assert one["sentences"] == whole["sentences"] != []
        assert one["rows"] == whole["rows"][: len(one["rows"])]
        assert one["rows_left_out"] == len(whole["rows"]) - len(one["rows"]) > 0
    shown = " ".join(star_agents("status", folder).stdout.split())
    assert all(" ".join(sentence.split()) in shown for sentence in told["agent_instruct.types"]["sentences"])


def test_its_report_says_what_each_pool_turned_to_and_why_and_shows_it(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert star_agents("report", folder, "-o", page).returncode == 0
    text = " ".join(page.read_text().split())
    turns = json.loads((folder / "summary.json").read_text())["turns"]["agent_instruct.types"]
    _, _, after = text.partition("<h3>Pool types</h3>")
    told, _, _ = after.partition("<h3>")
    assert "Probability of each arm over the outcomes" in told
    assert "target lost, with the 95 % interval" in told
    for sentence in turns["sentences"]:
        assert f"<li>{escape(sentence, quote=False)}</li>" in told
    assert re.search(
        r"Turned to reading_comprehension/\w+: 2\.3 % → [\d.]+ %; the target lost \d+ % \[\d+, \d+\] of \d+ there", told
    )
