"""`reproduce`: a paper's arms beside ours, what differs said, the same command again goes on."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import Any

import anyio.to_thread
import pytest
from daemons import star_agents
from openai_server import Answer, Body, Fault, OpenAIServer

from star_agents.arena.mt_bench import Question, grading_fields, prompt_name
from star_agents.engine.campaign.plan import plan_of, rounds_of
from star_agents.engine.campaign.training import check_training
from star_agents.engine.configuration import check_config, read_config
from star_agents.engine.evaluation import OWN_PROMPTS
from star_agents.engine.reproduction.arena import arena_paper, arena_summary, read_arena_experiment
from star_agents.engine.reproduction.estimate import asked_of_run
from star_agents.engine.reproduction.experiment import AGENTS_FILE, EXPERIMENT_FILE, read_experiment, write_files
from star_agents.engine.reproduction.papers import BENCHMARKS, Paper, star_paper
from star_agents.engine.reproduction.plan import Step, config_of, fixed_by, steps_of
from star_agents.engine.reproduction.state import STATE_FILE, ReproductionState, read_state
from star_agents.engine.reproduction.table import ArmScore, comparisons, score, sentences
from star_agents.errors import ConfigError, StoreError, UsageError
from star_agents.offline import MODELS_PATH, benchmarks, world
from star_agents.offline.agents import respond
from star_agents.process.crash_points import VARIABLE
from star_agents.storage.incoming.question_files import read_judge_prompts

SCALES = ("tiny", "quick", "paper")
QUESTIONS = {name: [str(number) for number in range(40)] for name in BENCHMARKS}


def scored(arm: str, *shares: float) -> ArmScore:
    """An arm whose trainings are right on so large a share of each benchmark's questions."""
    runs = [
        {(question, 1): 10.0 if place < share * 40 else 1.0 for place, question in enumerate(QUESTIONS["vicuna"])}
        for share in shares
    ]
    return score(arm, dict.fromkeys(BENCHMARKS, runs), QUESTIONS)


def test_the_papers_averages_are_the_means_of_its_benchmarks_and_its_arms_stand_in_their_order() -> None:
    paper = star_paper()
    for arm in paper.arms.values():
        if arm.row is not None and arm.row.vicuna is not None:
            parts = [arm.row.of(name) for name in BENCHMARKS]
            assert fmean(part for part in parts if part is not None) == pytest.approx(arm.row.average, abs=0.006)
    assert list(paper.averages.values()) == sorted(paper.averages.values())
    in_table = {number: {n for n, a in paper.arms.items() if a.row and number in a.row.tables} for number in (3, 4)}
    assert in_table == {
        3: {"star", "without_evolution", "random", "evol_instruct"},
        4: {"star", "random", "ifd", "evol_instruct"},
    }


@pytest.mark.parametrize("scale", SCALES)
def test_the_files_that_a_reproduction_begins_with_are_valid_and_have_the_papers_ten_pairs(
    scale: Any, tmp_path: Path
) -> None:
    assert len(write_files(tmp_path, "star", scale)) == 2
    assert write_files(tmp_path, "star", scale) == [], "what is there is never written over"
    experiment = read_experiment(tmp_path, scale)
    config = read_config(tmp_path / AGENTS_FILE, {"OPENAI_API_KEY": "x" * 20})
    assert len(config.pool) == 10
    assert (config.evolution.rate, config.evolution.floor, config.star.reward) == ("paper", 0, "chosen")
    assert experiment.judge in config.agents
    with pytest.raises(UsageError, match=f"at scale {scale}"):
        read_experiment(tmp_path, "tiny" if scale != "tiny" else "paper")


def test_a_mistake_in_experiment_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    write_files(tmp_path, "star", "quick")
    path = tmp_path / EXPERIMENT_FILE
    path.write_text(path.read_text().replace("arms: [base,", "arms: [bass,").replace("trainings: 1", "trainings: 1"))
    with pytest.raises(ConfigError) as told:
        read_experiment(tmp_path, "quick")
    assert re.search(r"experiment\.yaml:\d+", told.value.problems[0].where)
    assert "there are base, alpaca" in told.value.problems[0].message


def test_every_arm_is_done_once_before_any_is_trained_again(tmp_path: Path) -> None:
    write_files(tmp_path, "star", "tiny")
    steps = steps_of(read_experiment(tmp_path, "tiny"), star_paper())
    assert Counter(step.kind for step in steps) == {"data": 5, "model": 21, "grades": 22}
    assert len({step.name for step in steps}) == len(steps)
    assert [step.training for step in steps if step.kind == "model"] == sorted([1, 2, 3] * 7)
    for step in steps:
        if step.kind == "grades" and step.training:
            assert steps.index(step) > steps.index(step._replace(kind="model"))


def test_an_arm_changes_the_selection_the_evolution_and_the_memory_alone() -> None:
    config = check_config(
        {"agents": {"a": {"model": "offline/tutor"}}, "star": {"referee": {"agents": ["a"]}}, "scoring": {
            "small": "offline/small", "large": "offline/large"}}
    )  # fmt: skip
    found = {name: config_of(config, arm) for name, arm in star_paper().arms.items() if arm.learns_from == "run"}
    told = {name: (one.star.selection, one.evolution.policy, one.memory.enabled) for name, one in found.items()}
    assert told == {
        "ifd": ("ifd", "uniform", False),
        "random": ("random", "uniform", False),
        "without_evolution": ("dual", "uniform", False),
        "without_memory": ("dual", "paper", False),
        "star": ("dual", "paper", True),
    }


def test_a_score_is_the_mean_over_trainings_and_questions_with_an_interval_over_both() -> None:
    one = scored("star", 0.5, 0.7)
    assert one.average.value == pytest.approx(1 + 9 * 0.6)
    alone = scored("star", 0.6)
    assert one.average.low is not None
    assert one.average.high is not None
    assert one.average.low < 6.4 < one.average.high
    widths = [found.high - found.low for found in (one.average, alone.average) if found.high and found.low]
    assert widths[0] > widths[1], "trainings that differ widen it"


def test_what_cannot_be_read_is_in_no_mean_and_counted() -> None:
    runs = [{("0", 1): 10.0, ("1", 1): None, ("2", 1): 1.0}]
    found = score("star", dict.fromkeys(BENCHMARKS, runs), {name: ["0", "1", "2"] for name in BENCHMARKS})
    assert (found.average.value, found.unreadable) == (5.5, 3)


def test_a_benchmark_that_nobody_graded_leaves_the_average_unknown() -> None:
    runs: Any = {name: [{}] if name == "vicuna" else [{("0", 1): 10.0}] for name in BENCHMARKS}
    found = score("star", runs, {name: ["0", "1"] for name in BENCHMARKS})
    assert found.average.value is None
    assert found.by_benchmark["wizardlm"].value == 10.0


def test_where_the_order_differs_is_said_with_the_interval_of_the_difference() -> None:
    paper = star_paper()
    scores = [scored("ifd", 0.9, 0.9), scored("random", 0.45, 0.5), scored("star", 0.5, 0.45)]
    found = {(one.above, one.below): one for one in comparisons(scores, paper)}
    assert list(found) == [("star", "random"), ("star", "ifd"), ("random", "ifd")]
    assert found["star", "ifd"].paper == pytest.approx(4.17 - 3.26)
    assert found["star", "ifd"].ours.value == pytest.approx(9 * (0.475 - 0.9))
    assert found["star", "ifd"].is_clear
    assert not found["star", "random"].is_clear
    told = list(sentences(scores, paper))
    assert told[0] == "order of the paper: ifd < random < star"
    assert told[1].endswith("ifd")
    assert any(one.startswith("differs, clear of chance: the paper has star above ifd by 0.91") for one in told)
    assert any(one.startswith("differs, and may be chance: star less random") for one in told)


def test_equal_shares_agree_and_say_so() -> None:
    paper = star_paper()
    rising = [scored(arm, 0.1 + 0.1 * place) for place, arm in enumerate(paper.averages)]
    assert list(sentences(rising, paper))[2].startswith("of 21 pairs of arms 21 stand as in the paper")


def test_another_experiment_in_the_folder_is_refused_and_more_trainings_are_not(tmp_path: Path) -> None:
    write_files(tmp_path, "star", "quick")
    config = read_config(tmp_path / AGENTS_FILE, {})
    experiment = read_experiment(tmp_path, "quick")
    state = ReproductionState.opened(tmp_path, fixed_by(config, experiment))
    state.finish(Step("data", "star", 0), {"seconds": 1.0})
    more = experiment.model_copy(update={"trainings": 5, "arms": ("base", "star")})
    again = ReproductionState.opened(tmp_path, fixed_by(config, more))
    assert again.is_done(Step("data", "star", 0))
    other = config.model_copy(update={"star": config.star.model_copy(update={"candidates": 2})})
    with pytest.raises(UsageError, match="other settings of agents"):
        ReproductionState.opened(tmp_path, fixed_by(other, experiment))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"form": 2}', '{"form": 1, "fixed": {}, "done": [1]}'])
def test_a_damaged_state_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / STATE_FILE).write_text(text)
    with pytest.raises(StoreError, match=re.escape(STATE_FILE)):
        read_state(tmp_path)


def test_calls_of_a_run_are_told_as_uniform_draws_make_them(tmp_path: Path) -> None:
    write_files(tmp_path, "star", "paper")
    config = read_config(tmp_path / AGENTS_FILE, {"OPENAI_API_KEY": "x" * 20})
    asked = {name: Counter[str]() for name in ("star", "random")}
    for name, counts in asked.items():
        for one in asked_of_run(config_of(config, star_paper().arms[name]), 1000, 50):
            counts[one.agent] += round(one.calls)
    # Ten pairs, of which four are drawn: each for 400 of 1,000 seeds; ChatGPT answers in two and rewrites in four.
    assert asked["random"] == {"chatgpt": 2400, "phi2": 400, "chatglm": 400, "gemma": 800, "mistral": 800, "qwen": 800}
    assert asked["star"]["chatgpt"] == 2400 + 2 * 4 * 1000


@pytest.mark.parametrize("mix", ["plain", "half", "hard"])
def test_questions_are_of_the_part_that_nobody_learns_from_and_seeds_of_another(mix: Any) -> None:
    asked = [one["turns"][0] for one in benchmarks.questions(mix, 52, 0)]
    assert len(set(asked)) == 52
    assert {world.part_of(one) for one in asked} == {"test"}
    for rows in (benchmarks.plain_rows(52, 0), benchmarks.evolved_rows(52, 0)):
        texts = ["\n\n".join(filter(None, (row["instruction"], row["input"]))) for row in rows]
        assert {world.part_of(text) for text in texts} == {"seed"}
    assert asked == [one["turns"][0] for one in benchmarks.questions(mix, 52, 0)]


def test_the_checker_grades_a_right_answer_10_and_any_other_1_in_each_turn() -> None:
    prompts = read_judge_prompts(OWN_PROMPTS)
    task = next(iter([world.solve(one["turns"][0]) for one in benchmarks.questions("plain", 1, 0)]))
    assert task is not None
    right = f"{task.right.statement} the answer is {task.right.answer} ."
    question = Question(id="1", category="fact", turns=(task.question, task.question))
    for answers, grades in ((("nobody knows .", right), (1, 10)), ((right, "what ?"), (10, 1))):
        for turn, grade in enumerate(grades, start=1):
            name = prompt_name("single", question, turn)
            values = grading_fields(question, answers, turn)
            text = prompts[name].template.format(**values)
            messages = [{"role": "system", "content": prompts[name].system}, {"role": "user", "content": text}]
            assert respond("checker", messages).text.endswith(f"Grade: [[{grade}]]")


def test_what_is_missing_for_the_papers_scale_is_told_before_anything_is_begun(tmp_path: Path) -> None:
    asked = ("reproduce", "star", "--scale", "paper", "-o", tmp_path / "out", "--json")
    write_files(tmp_path / "out", "star", "paper")
    path = tmp_path / "out" / EXPERIMENT_FILE
    path.write_text(path.read_text().replace("EleutherAI/pythia-1b", "./no-such-model"))
    agents = tmp_path / "out" / AGENTS_FILE
    agents.write_text(re.sub(r"EleutherAI/pythia-[0-9.]+b", "./no-scorer", agents.read_text()))
    told = star_agents(*asked)
    assert told.returncode == 2, told.stderr
    found = {one["what"]: one["state"] for one in json.loads(told.stdout)["findings"]}
    assert found.pop("libraries for training") == "ok"
    assert set(found.values()) == {"MISSING"}
    assert {"keys", "benchmarks", "target ./no-such-model", "large scorer ./no-scorer"} <= found.keys()
    assert "OPENAI_API_KEY is not set" in told.stdout
    begun = star_agents(*asked, "--yes", environ={"OPENAI_API_KEY": "a-key"})
    assert begun.returncode == 2
    assert re.search(r"nothing was begun, since \d+ things are missing: seeds \S+ \(there is no", begun.stderr)
    assert not (tmp_path / "out" / STATE_FILE).exists()


TRAINER = """
import json, pathlib, shutil, sys
rows, model, out = sys.argv[1:]
shutil.copytree(model, out)
(pathlib.Path(out).parent / (pathlib.Path(out).name + ".trained")).touch(exist_ok=False)
"""


def at_the_papers_scale(folder: Path, url: str) -> tuple[str | Path, ...]:
    """The paper's scale with a tiny model, a server of ours, and a trainer that copies."""
    write_files(folder, "star", "paper")
    (folder / "trainer.py").write_text(TRAINER)
    way = f'api_base: "{url}", api_key: os.environ/LINE_TEST_KEY, input_cost_per_token: 0.001, '
    way += "output_cost_per_token: 0.002, max_tokens: 64"
    (folder / AGENTS_FILE).write_text(
        f"agents:\n  one: {{model: openai/one, {way}}}\n  two: {{model: openai/two, {way}}}\n"
        f"  gpt4: {{model: openai/judge, {way}, roles: []}}\nrecipe: star\n"
        "star:\n  pairs: [{instruction: keep, response: one}, {instruction: keep, response: two}]\n"
        "  candidates: 2\n  referee: {agents: [gpt4]}\nmemory: off\nconcurrency: 4\n"
        f"scoring: {{small: {MODELS_PATH}/small, large: {MODELS_PATH}/large, device: cpu, threads: 1}}\n"
        "evaluation: {answer_temperature: 0, answer_max_tokens: 16, judge_max_tokens: 32}\n"
    )
    names = {name: f"{name}.jsonl" for name in BENCHMARKS}
    (folder / EXPERIMENT_FILE).write_text(
        f"experiment: star\nscale: paper\ntarget: {MODELS_PATH}/small\nseeds: seeds.jsonl\n"
        f"arms: [random, evol_instruct]\ntrainings: 1\nbenchmarks: {json.dumps(names)}\njudge: gpt4\n"
        f"training: {{command: '{sys.executable} {folder}/trainer.py {{rows}} {{model}} {{out}}'}}\n"
    )
    rows = ({"instruction": f"Name river {n}.", "output": f"River {n}."} for n in range(4))
    (folder / "seeds.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    for name, file in names.items():
        row = {"question_id": 7, "category": "writing", "turns": [f"Write of {name}.", "Shorter."]}
        (folder / file).write_text(f"{json.dumps(row)}\n")
    return ("reproduce", "star", "--scale", "paper", "-o", folder, "--json", "-q")


async def test_at_the_papers_scale_nothing_is_spent_without_yes_and_a_kill_costs_nothing(tmp_path: Path) -> None:
    def play(body: Body) -> Answer:
        return Answer(text="Grade: [[7]]" if body["model"] == "judge" else f"{body['model']} says so.")

    folder, moved = tmp_path / "out", tmp_path / "moved"
    async with OpenAIServer(play) as server:
        command = at_the_papers_scale(folder, server.url)

        def called(*more: str, **environ: str) -> Any:
            words = (moved if word == folder and moved.exists() else word for word in command)
            return star_agents(*words, *more, environ=environ)

        planned = await anyio.to_thread.run_sync(called)
        assert planned.returncode == 0, planned.stderr
        plan = json.loads(planned.stdout)
        assert {one["what"]: one["state"] for one in plan["findings"]}["benchmarks"] == "ok"
        kinds = {one["kind"]: one for one in plan["estimate"]["kinds"]}
        assert (kinds["data"]["calls"], kinds["grades"]["calls"]) == (8, 12)
        assert kinds["data"]["usd"] > 0
        assert plan["steps"] == [
            "random data", "random-1 model", "random-1 grades", "evol_instruct-1 model", "evol_instruct-1 grades"
        ]  # fmt: skip
        assert server.charged == []
        lives = 0
        while True:
            ended = await anyio.to_thread.run_sync(lambda: called("--yes", **{VARIABLE: "phase_done:3"}))
            lives += 1
            if ended.returncode != -signal.SIGKILL:
                break
        assert ended.returncode == 0, ended.stderr
        assert lives > 1
        asked = Counter(one["model"] for one in server.charged)
        assert "| random | table 2, 3, 4 | 5.13 | 3.39 | 2.35 | 3.62 |" in (folder / "report.md").read_text()
        folder.rename(moved)
        for judged in (12, 24):
            again = await anyio.to_thread.run_sync(lambda: called("--yes"))
            assert json.loads(again.stdout)["arms"] == json.loads(ended.stdout)["arms"], "wherever the folder lies"
            assert Counter(one["model"] for one in server.charged)["judge"] == judged
            shutil.rmtree(moved / "grades")
    assert asked["one"] + asked["two"] == 8, "nothing is paid twice"
    assert asked["judge"] == 12, "both models are the same here, and each is graded once"
    found = json.loads(ended.stdout)
    assert [one["arm"] for one in found["arms"]] == ["random", "evol_instruct"]
    assert {one["ours"]["average"]["value"] for one in found["arms"]} == {7.0}
    assert found["arms"][0]["cost"]["calls"] == 8
    assert (found["done"], found["steps"]) == (5, 5)


async def test_turns_that_the_judge_refuses_are_told_and_in_no_mean(tmp_path: Path) -> None:
    def play(body: Body) -> Answer | Fault:
        refused = "Write of vicuna." in body["messages"][-1]["content"]
        return Fault(status=400, message="I will not grade this") if refused else Answer(text="Grade: [[7]]")

    async with OpenAIServer(play) as server:
        command = at_the_papers_scale(tmp_path, server.url)
        path = tmp_path / EXPERIMENT_FILE
        path.write_text(path.read_text().replace("[random, evol_instruct]", "[evol_instruct]"))
        ended = await anyio.to_thread.run_sync(lambda: star_agents(*command, "--yes"))
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["missing"] == 2
    assert found["arms"][0]["ours"]["mt_bench"]["value"] == 7.0
    assert "2 turns have no judgement, since a call failed, and are in no mean" in (tmp_path / "report.md").read_text()


async def test_the_model_of_a_server_answers_ten_questions_that_are_shown_and_in_no_figure(tmp_path: Path) -> None:
    write_files(tmp_path, "star", "quick")
    path = tmp_path / EXPERIMENT_FILE
    told = re.sub(r"arms: .*", "arms: [base]", path.read_text()).replace("questions: 26", "questions: 5")
    path.write_text(told)
    async with OpenAIServer(lambda body: Answer(text=f"I, {body['model']}, do not know.")) as server:
        words = ("reproduce", "star", "--quick", "-o", tmp_path, "--json", "-q", "--model-server", server.url)
        ended = await anyio.to_thread.run_sync(lambda: star_agents(*words, "--served-as", "real"))
        assert ended.returncode == 0, ended.stderr
        assert len(server.charged) == 10
    found = json.loads(ended.stdout)
    assert {one["answer"] for one in found["shown"]} == {"I, real, do not know."}
    assert [one["arm"] for one in found["arms"]] == ["base"]
    assert found["arms"][0]["ours"]["average"]["value"] >= 1


def test_a_model_server_for_the_rounds_is_refused(tmp_path: Path) -> None:
    refused = star_agents("reproduce", "arena", "-o", tmp_path / "b", "--model-server", "http://127.0.0.1:1/v1")
    assert (refused.returncode, "--scale tiny" in refused.stderr) == (2, True)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("scale", SCALES)
def test_the_rounds_of_arena_learning_have_the_papers_steps(scale: Any, tmp_path: Path) -> None:
    write_files(tmp_path, "arena", scale)
    experiment = read_arena_experiment(tmp_path, scale)
    config = read_config(tmp_path / AGENTS_FILE, {})
    plan = plan_of(config, experiment.rounds)
    check_training(rounds_of(config).training, plan.methods)
    names = [step.name for step in plan.steps if step.name != "base"]
    assert names == list(arena_paper().steps)[: 1 + 3 * experiment.rounds]
    assert config.model_dump()["arena"]["mode"] == "round_robin"
    assert rounds_of(config).keep.sft == (3, 1, 1)


def test_rounds_stand_beside_the_papers_and_what_nobody_knows_is_no_figure(tmp_path: Path) -> None:
    step = {"name": "r1-sft", "rating": None, "seeds": 40, "own_rows": 10}
    found = arena_summary(tmp_path, {"steps": [step]})
    by_name = {one["step"]: one for one in found["steps"]}
    assert (by_name["r1-sft"]["share"], by_name["r1-sft"]["paper_share"]) == (0.25, pytest.approx(14_600 / 30_000))
    assert (by_name["r2-sft"]["share"], by_name["r2-sft"]["paper"]["elo"]) == (None, None)
    assert found["sentences"] == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_quick_rounds_of_arena_learning_end_with_each_rise_beside_the_papers(tmp_path: Path) -> None:
    ended = star_agents("reproduce", "arena", "--quick", "-o", tmp_path / "out", "--json", "-q")
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    rated = [one["step"] for one in found["steps"] if one["rating"] is not None]
    assert rated == ["r0-sft", "r1-sft", "r1-dpo", "r1-rloo"]
    assert len(found["sentences"]) == 3
    assert "SFT-I0 to SFT-I1 is +246 Elo points in the paper" in found["sentences"][0]
    assert "| r1-sft | SFT-I1 | 1,117 |" in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_quick_reproduction_of_star_goes_through_every_arm_and_is_not_done_twice(tmp_path: Path) -> None:
    command = ("reproduce", "star", "--quick", "-o", tmp_path / "out", "--json", "-q")
    ended = star_agents(*command)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    arms = {one["arm"]: one for one in found["arms"]}
    assert list(arms) == list(star_paper().arms)
    assert all(one["ours"]["average"]["low"] is not None and not one["ours"]["unreadable"] for one in arms.values())
    assert {one["rows"] for name, one in arms.items() if name != "base"} == {100}
    assert arms["star"]["rows_right"] > arms["random"]["rows_right"]
    assert json.loads(star_agents(*command).stdout) == found


def paper_without(arm: str) -> Paper:
    paper = star_paper()
    return paper.model_copy(update={"arms": {name: one for name, one in paper.arms.items() if name != arm}})


def test_an_arm_that_the_paper_lacks_is_in_no_comparison() -> None:
    scores = [scored("without_memory", 0.5), scored("star", 0.4), scored("random", 0.3)]
    assert [(one.above, one.below) for one in comparisons(scores, paper_without("base"))] == [("star", "random")]
