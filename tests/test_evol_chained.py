"""Evol-Instruct in a chain: its instructions are seeds of the next recipe, and it tells what its seeds are worth."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from daemons import star_agents
from lines import origin, read_jsonl, results, run
from openai_server import Body, Move, OpenAIServer
from test_evol import Model, seed_of
from test_offline_evolving import offline_seeds
from test_own_recipe import STUDY, documents, respond
from test_stranded import rewards_due

from star_agents.engine.configuration import read_config
from star_agents.errors import ConfigError
from star_agents.offline.evolving import read_evolved
from star_agents.storage.reader import StoreReader
from star_agents.storage.results import Result

OFFLINE = """
agents:
  coach: {model: offline/coach}
  tutor: {model: offline/tutor}
  novice: {model: offline/novice}
  judge: {model: offline/referee, roles: []}
recipe: [evol, star]
evol: {writer: coach, responder: novice, judge: judge, rounds: 2}
star:
  pairs: [{instruction: keep, response: tutor}, {instruction: keep, response: novice}]
  base_pairs: [{instruction: keep, response: seed}]
  referee: {agents: [judge], exam: warn}
  selection: referee
  candidates: 2
"""
LAST = """
from star_agents.recipes.protocol import Measure, done, recipe, sft

@recipe(takes="instruction", measures=[Measure("length", high=500)])
async def mine(seed, bench, settings):
    return done(seed, rows=[sft(seed.sample)], worth=0.25 if "2 more" in seed.sample.question else 0.75)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chained")
    (folder / "agents.yaml").write_text(OFFLINE)
    asyncio.run(run(read_config(folder / "agents.yaml"), list(offline_seeds(20)), folder / "out"))
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> list[Result]:
    return results(folder / "out")


def test_what_evol_keeps_is_what_star_works_and_nothing_else_becomes_a_row(found: list[Result], folder: Path) -> None:
    kept = [
        (one.seed.id, trial.sample)
        for one in found
        if one.outcome.recipe == "evol"
        for trial in one.outcome.trials
        if trial.failure is None
    ]
    worked = [(one.seed.parent, one.seed.sample) for one in found if one.outcome.recipe == "star"]
    assert sorted(kept, key=str) == sorted(worked, key=str)
    assert len(kept) > 20
    rows = read_jsonl(folder / "out" / "dataset.jsonl")
    assert len(rows) == sum(one.outcome.recipe == "star" and one.outcome.kind != "dropped" for one in found)
    assert not any(one.outcome.rows for one in found if one.outcome.recipe == "evol")


def test_a_row_of_star_says_by_which_operators_its_instruction_was_made_and_of_what(
    found: list[Result], folder: Path
) -> None:
    evolved = {one.seed.id: one for one in found if one.outcome.recipe == "evol"}
    for row in read_jsonl(folder / "out" / "dataset.jsonl"):
        told = origin(row)
        labels, parent = told["labels"], evolved[told["parent"]]
        round_ = int(labels["evol:round"])
        operators = [one for one in labels["evol:operators"].split(" > ") if one]
        assert (labels["evol:operator"], labels.get("evol.operators")) == (
            (operators[-1], operators[-1]) if operators else ("seed", None)
        )
        assert parent.outcome.trials[round_].sample.question == row["messages"][0]["content"]
        assert (labels["evol:evolved_from"] == "") == (not operators)
        steps = read_evolved(row["messages"][0]["content"])
        assert steps is not None


def test_an_operator_earns_what_star_makes_of_its_instructions_and_nothing_for_what_was_eliminated(
    found: list[Result], folder: Path
) -> None:
    worth: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    expected: defaultdict[str, list[float]] = defaultdict(list)
    for one in found:
        if one.outcome.recipe == "star" and "evol.operators" in one.seed.labels:
            assert one.outcome.kind != "dropped"
            pi = one.outcome.trials[one.outcome.chosen[0]].measures.get("pi")
            value = 0.0 if one.outcome.kind == "base" else pi
            if value is not None:
                worth[one.seed.parent, one.seed.labels["evol.operators"]].append(value)
        elif one.outcome.recipe == "evol":
            assert all(reward.value == 0.0 for reward in one.outcome.earned)
            for reward in one.outcome.earned:
                expected[reward.arm].append(0.0)
    for (_, arm), values in worth.items():
        expected[arm].append(sum(values) / len(values))
    with StoreReader(folder / "out") as reader:
        arms = reader.tallies().pools["evol.operators"]
    assert {arm: one.rewards for arm, one in arms.items()} == {arm: len(values) for arm, values in expected.items()}
    for arm, tally in arms.items():
        assert tally.earned / 1e6 == pytest.approx(sum(expected[arm]), abs=1e-4)
    assert sum(sum(values) for values in expected.values()) > 0
    assert rewards_due(folder / "out") == 0


async def test_before_a_recipe_of_ones_own_an_operator_earns_the_mean_of_its_instructions(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(LAST)
    async with OpenAIServer(Model()) as server:
        agent = f'{{model: openai/m, api_base: "{server.url}", api_key: os.environ/LINE_TEST_KEY}}'
        (tmp_path / "agents.yaml").write_text(
            f"agents: {{w: {agent}}}\nrecipe: [evol, ./mine.py:mine]\n"
            "evol: {writer: w, rounds: 2, operators: [deepen]}\nevolution: {policy: thompson}\nconcurrency: 1\n"
        )
        await run(read_config(tmp_path / "agents.yaml"), [seed_of()], tmp_path / "out")
    first, *children = results(tmp_path / "out")
    assert [one.seed.sample.question for one in children] == [
        "Name a river.",
        "Name a river. And 1 more.",
        "Name a river. And 1 more. And 2 more.",
    ]
    assert [one.outcome.recipe for one in children] == ["mine"] * 3
    assert (first.outcome.earned, len(first.outcome.drawn)) == ((), 2)
    with StoreReader(tmp_path / "out") as reader:
        assert reader.pools()["evol.operators"].state["counts"]["deepen"] == pytest.approx([1.5, 1.5])
    assert len(read_jsonl(tmp_path / "out" / "dataset.jsonl")) == 3


async def test_what_keeps_the_last_one_alone_hands_that_on_alone_and_the_others_earn_at_once(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(LAST)
    async with OpenAIServer(Model()) as server:
        agent = f'{{model: openai/m, api_base: "{server.url}", api_key: os.environ/LINE_TEST_KEY}}'
        (tmp_path / "agents.yaml").write_text(
            f"agents: {{w: {agent}}}\nrecipe: [evol, ./mine.py:mine]\nevol: {{writer: w, rounds: 3, keep: last}}\n"
        )
        await run(read_config(tmp_path / "agents.yaml"), [seed_of()], tmp_path / "out")
    first, child = results(tmp_path / "out")
    drawn = Counter(arm for _, arm in first.outcome.drawn)
    last = child.seed.labels["evol.operators"]
    assert first.outcome.trials[-1].arm == last
    assert Counter(reward.arm for reward in first.outcome.earned) == Counter(
        {arm: count for arm, count in drawn.items() if arm != last}
    )
    assert all(reward.value == 1.0 for reward in first.outcome.earned)


async def test_as_a_later_stage_evol_says_what_share_of_its_evolutions_came_out_well(tmp_path: Path) -> None:
    evolving = Model(compare=lambda text: "equal" if "Question 5" in text else "different")

    def say(body: Body) -> Move:
        return respond(body) if str(body["messages"][-1]["content"]).startswith("Ask seven") else evolving(body)

    (tmp_path / "mine.py").write_text(STUDY)
    async with OpenAIServer(say) as server:
        agent = f'{{model: openai/m, api_base: "{server.url}", api_key: os.environ/LINE_TEST_KEY}}'
        (tmp_path / "agents.yaml").write_text(
            f"agents: {{a: {agent}}}\nrecipe: [./mine.py:study, evol]\nstudy: {{writer: a}}\n"
            "evol: {writer: a, rounds: 2}\nevolution: {policy: thompson}\n"
        )
        await run(read_config(tmp_path / "agents.yaml"), documents(2), tmp_path / "out")
    worths = {
        one.seed.sample.question[:10]: one.outcome.worth
        for one in results(tmp_path / "out")
        if one.outcome.recipe == "evol"
    }
    assert worths == {"Question 5": 0.0, "Question 6": 1.0}
    with StoreReader(tmp_path / "out") as reader:
        counts = reader.pools()["study.style"].state["counts"]
    assert sum(won - 1 for won, _ in counts.values()) == pytest.approx(2 * 0.5)
    assert sum(won + lost - 2 for won, lost in counts.values()) == pytest.approx(2)


def test_a_chain_whose_next_recipe_does_not_take_what_evol_gives_is_refused_before_anything_is_spent(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.py").write_text(LAST.replace('"instruction"', '"document"'))
    path = tmp_path / "agents.yaml"
    path.write_text("agents: {w: {model: offline/tutor}}\nrecipe: [evol, ./mine.py:mine]\nevol: {writer: w}\n")
    with pytest.raises(ConfigError, match=r"yaml:2: recipe: recipe evol gives each sample, and recipe mine takes docu"):
        read_config(path)


def test_the_chain_runs_from_the_command_line_and_says_what_each_recipe_did(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text(OFFLINE)
    done = star_agents("run", "-c", tmp_path / "agents.yaml", "-s", "offline", "-n", "6", "-o", tmp_path / "out", "-q")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    evol, star = summary["recipes"]["evol"], summary["recipes"]["star"]
    assert evol["children"] == sum(star["outcomes"].values()) > 6
    assert star_agents("recipes", "evol").stdout.startswith(
        "evol  (built in; takes instruction, sample; gives sample to"
    )
