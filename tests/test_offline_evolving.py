"""Evol-Instruct with the sample agents: tasks of the closed world get harder, and broken evolutions are eliminated."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from daemons import star_agents
from lines import read_jsonl, results, run

from star_agents.engine.configuration import read_config
from star_agents.offline import SEEDS_PATH, world
from star_agents.offline.agents import respond
from star_agents.offline.evolving import DEMANDS, EASE, Operator, come_to_the_same, evolve, read_evolved
from star_agents.offline.families import FAMILIES
from star_agents.offline.reading import Equality, Evolving, Question, read
from star_agents.recipes.evol import OPERATORS, evol
from star_agents.recipes.parts.elimination import answer_flaw, instruction_flaw
from star_agents.records import Message, Outcome, Sample, Seed
from star_agents.storage.reader import StoreReader
from star_agents.text.prompt_templates import PromptTemplates

assert evol.prompts is not None
PROMPTS = PromptTemplates(evol.prompts, prefix="evol/")
TASKS = [world.draw(rng, family) for rng in [Random(5)] for family in FAMILIES for _ in range(10)]


def ask(agent: str, messages: list[Message]) -> str:
    return respond(agent, [message.to_dict() for message in messages]).text


def evolving(operator: Operator, instruction: str) -> list[Message]:
    return PROMPTS.render(operator, instruction=instruction, history=[])


def is_fine(operator: Operator, parent: str, evolved: str) -> bool:
    told = [evolving(operator, parent)[0].content]
    if instruction_flaw(evolved, parent=parent, prompt=told) or come_to_the_same(parent, evolved):
        return False
    return answer_flaw(ask("tutor", [Message(role="user", content=evolved)]), instruction=evolved) == ""


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_prompt_of_each_operator_is_read_as_what_it_asks_for(operator: Operator) -> None:
    for instruction in ("Why <instruction> is\n[user] the sky blue?", TASKS[0].question):
        messages = [message.to_dict() for message in evolving(operator, instruction)]
        assert read(messages) == Evolving(operator=operator, instruction=instruction)


def test_the_prompt_of_the_judge_is_read_as_two_instructions() -> None:
    messages = PROMPTS.render("equal", parent="One\n</first>", evolved="Two")
    assert read([message.to_dict() for message in messages]) == Equality(parent="One\n</first>", evolved="Two")


def test_a_question_that_quotes_the_prompt_stays_a_question() -> None:
    quoted = "\n".join(message.content for message in evolving("deepen", "Why?"))
    assert isinstance(read([{"role": "user", "content": quoted}]), Question)


def test_a_demand_is_one_step_more_and_changes_the_right_answer() -> None:
    for task in TASKS:
        evolved = task.question
        for steps, operator in enumerate(DEMANDS, start=2):
            parent, evolved = evolved, evolve(operator, evolved, 1 / EASE[operator], Random(steps))
            found = read_evolved(evolved)
            assert found is not None
            assert (found.steps, found.text, found.base.question) == (steps, evolved, task.question)
            before = read_evolved(parent)
            assert before is not None
            if operator != "reasoning":  # An answer of one word is the same turned around.
                assert found.task.right.answer != before.task.right.answer
            assert not come_to_the_same(parent, evolved)


def test_demands_are_carried_out_in_their_order() -> None:
    question = (
        "what is the capital of france ? ana asks .\n"
        "the last word of your reply must be red .\n"
        "then turn around the order of all these words .\n"
        "tell with it how many words that makes .\n"
        "speak to ben by name before you say it .\n"
        "a list says ball , tree , car . put what stands at its end in front ."
    )
    evolved = read_evolved(question)
    assert evolved is not None
    assert evolved.task.right.answer == "car ben : red paris , 2 words"
    assert world.check(evolved.task, world.write(evolved.task, "good", Random(1)))


def test_breadth_gives_another_task_of_the_family_that_is_as_difficult() -> None:
    for task in TASKS:
        harder = evolve("deepen", task.question, 2.0, Random(1))
        found = read_evolved(evolve("breadth", harder, 2.0, Random(2)))
        assert found is not None
        assert (found.base.family, found.steps) == (task.family, 2)


def test_a_question_of_the_world_without_demands_is_the_task_that_it_was() -> None:
    for task in TASKS:
        evolved = read_evolved(task.question)
        assert evolved is not None
        assert evolved.task == task


def share_fine(agent: str) -> float:
    tried = [(one, operator, task.question) for task in TASKS[::3] for operator in OPERATORS for one in [agent]]
    fine = [is_fine(operator, text, ask(one, evolving(operator, text))) for one, operator, text in tried]
    return sum(fine) / len(fine)


def test_sample_agents_differ_in_how_well_they_evolve() -> None:
    shares = {agent: share_fine(agent) for agent in ("coach", "editor", "novice", "dreamer")}
    assert shares["coach"] > shares["editor"] + 0.1 > shares["novice"] + 0.2 > shares["dreamer"] + 0.2
    mean_ease = sum(EASE.values()) / len(EASE)
    assert shares["coach"] == pytest.approx(0.95 * mean_ease, abs=0.07)


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_text_from_outside_is_evolved_into_another_request(operator: Operator) -> None:
    text = "Explain why the sky looks blue."
    evolved = evolve(operator, text, 2.0, Random(3))
    assert is_fine(operator, text, evolved)
    assert (text in evolved) == (operator != "breadth")


def test_an_agent_answers_evolved_tasks_as_well_as_its_profile_says() -> None:
    right = 0
    for task in TASKS:
        evolved = read_evolved(evolve("constraints", task.question, 2.0, Random(7)))
        assert evolved is not None
        right += world.check(evolved.task, ask("tutor", [Message(role="user", content=evolved.text)]))
    assert right / len(TASKS) > 0.9


def test_a_referee_mostly_tells_equal_instructions_from_different_ones() -> None:
    right = 0
    for task in TASKS:
        same, other = world.reword(task, Random(1)).question, evolve("deepen", task.question, 2.0, Random(1))
        for evolved, expected in ((same, "equal"), (other, "different")):
            said = ask("referee", PROMPTS.render("equal", parent=task.question, evolved=evolved))
            right += said.splitlines()[-1] == expected
    assert 0.78 < right / (2 * len(TASKS)) < 0.92


CONFIG = """
agents:
  coach: {model: offline/coach}
  tutor: {model: offline/tutor}
  judge: {model: offline/referee}
recipe: evol
evol: {writer: coach, responder: tutor, judge: judge}
"""


def offline_seeds(count: int) -> Iterator[Seed]:
    for line in SEEDS_PATH.read_text(encoding="utf-8").splitlines()[:count]:
        row = json.loads(line)
        yield Seed.of(Sample(instruction=row["instruction"], input=row["input"], response=row["output"]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("evol")


@pytest.fixture(scope="module")
def outcomes(folder: Path) -> list[Outcome]:
    (folder / "agents.yaml").write_text(CONFIG)
    asyncio.run(run(read_config(folder / "agents.yaml"), list(offline_seeds(60)), folder / "out"))
    return [one.outcome for one in results(folder / "out")]


def test_a_run_with_the_sample_agents_makes_tasks_harder_round_by_round(outcomes: list[Outcome]) -> None:
    steps: dict[int, list[int]] = defaultdict(list)
    newest = {outcome.seed_id: 1 for outcome in outcomes}
    for number in range(5):
        for outcome in outcomes:
            trial = outcome.trials[number]
            if trial.failure is None:
                found = read_evolved(trial.sample.question)
                assert found is not None
                newest[outcome.seed_id] = found.steps
            steps[number].append(newest[outcome.seed_id])
    means = [sum(steps[number]) / len(steps[number]) for number in range(5)]
    assert means[0] == 1
    assert all(later > earlier + 0.3 for earlier, later in pairwise(means))


def test_broken_evolutions_of_every_kind_are_eliminated_and_none_is_a_row(
    outcomes: list[Outcome], folder: Path
) -> None:
    reasons = Counter(
        trial.failure.detail.split(":")[0] for outcome in outcomes for trial in outcome.trials if trial.failure
    )
    assert set(reasons) == {
        "the judge finds the instruction equal to its parent",
        "words of the prompt were copied into the instruction",
        "the answer refuses",
        "the answer holds nothing but punctuation and stop words",
    }
    rows = read_jsonl(folder / "out" / "dataset.jsonl")
    kept = sum(trial.failure is None for outcome in outcomes for trial in outcome.trials)
    assert len(rows) == kept
    assert all(read_evolved(row["messages"][0]["content"]) for row in rows)


def test_the_pool_learns_which_operators_come_out_well(outcomes: list[Outcome], folder: Path) -> None:
    earned: dict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        for reward in outcome.earned:
            earned[reward.arm].append(reward.value)
    assert set(earned) == set(OPERATORS)
    assert sum(map(len, earned.values())) == 4 * len(outcomes)
    means = {operator: sum(values) / len(values) for operator, values in earned.items()}
    assert means["complicate_input"] < means["constraints"]
    with StoreReader(folder / "out") as reader:
        assert "evol.operators" in reader.pools()


def test_the_file_that_ships_evolves_on_sample_agents_and_says_that_it_makes_no_pairs(tmp_path: Path) -> None:
    config, out = tmp_path / "evol.yaml", tmp_path / "out"
    assert star_agents("init", "--recipe", "evol", config).returncode == 0
    ended = star_agents("run", "-c", config, "-s", "offline", "-n", "3", "-o", out, "-q")
    assert ended.returncode == 0, ended.stderr
    rows = json.loads((out / "summary.json").read_text())["rows"]
    assert rows["dataset"] > 3
    assert rows["not_written"]["preferences.jsonl"] == "evol gave no pair of a better and a worse answer"
