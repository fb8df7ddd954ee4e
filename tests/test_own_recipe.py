"""A recipe in a file of somebody's own: durable, chained, and known everywhere by what it declares."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from lines import origin, read_jsonl, results, run
from openai_server import Answer, Body, Move, OpenAIServer

from star_agents.engine.batch import load_seeds, run_batch
from star_agents.engine.configuration import read_config
from star_agents.errors import ConfigError, SeedFileError
from star_agents.events import Event, PromptChanged
from star_agents.records import Document, Failure, Sample, Seed
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import Store

STUDY = '''
"""Questions about a document."""
from star_agents.config.recipes import Agent
from star_agents.recipes.protocol import Measure, Settings, done, recipe, sft
from star_agents.recipes.reads import Json
from star_agents.records import Reward, Sample, Trial

QUESTIONS = {"type": "object", "properties": {"questions": {"type": "array", "items": {"type": "string"}}}}


class StudySettings(Settings):
    writer: Agent
    """Who writes."""


@recipe(
    takes="document",
    settings=StudySettings,
    pools={"style": ["plain", "formal"]},
    measures=[Measure("words", high=100)],
)
async def study(seed, bench, settings):
    """Five questions about a document, and two more for the next recipe."""
    (style,) = await bench.draw("style")
    prompt = f"Ask seven {style} questions about: {seed.document.text}"
    read = await bench.ask(settings.writer, prompt, step="ask", reads=Json(QUESTIONS))
    questions = read.value["questions"]
    trials = [
        Trial(arm=style, sample=Sample(instruction=one), measures={"words": len(one.split())}) for one in questions
    ]
    return done(
        seed,
        rows=[sft(Sample(instruction=one, response="yes")) for one in questions[:5]],
        children=[bench.child(Sample(instruction=one), labels={"style": style}) for one in questions[5:]],
        trials=trials,
        earned=[],
    )
'''
ANSWER = '''
from star_agents.config.recipes import Agent
from star_agents.recipes.protocol import Settings, done, recipe, sft
from dataclasses import replace


class AnswerSettings(Settings):
    writer: Agent = "a"
    """Who answers."""


@recipe(takes="instruction", settings=AnswerSettings)
async def answer(seed, bench, settings):
    """One answer to an instruction."""
    read = await bench.ask(settings.writer, seed.sample.question, step="answer")
    return done(seed, rows=[sft(replace(seed.sample, response=read.value))], worth=0.75)
'''


def respond(body: Body) -> Move:
    asked = str(body["messages"][-1]["content"])
    if asked.startswith("Ask seven"):
        about = asked.splitlines()[0].rpartition(": ")[2]
        questions = ", ".join(f'"Question {number} about {about}?"' for number in range(7))
        return Answer(text=f'Here they are: {{"questions": [{questions}]}}')
    return Answer(text=f"The answer to {asked}")


def written(folder: Path, url: str, *, more: str = "", study: str = STUDY, answer: str = ANSWER) -> Path:
    (folder / "mine.py").write_text(study)
    (folder / "second.py").write_text(answer)
    path = folder / "agents.yaml"
    path.write_text(
        f"""
agents:
  a: {{model: openai/m, api_base: "{url}", api_key: os.environ/LINE_TEST_KEY}}
recipe: [./mine.py:study, ./second.py:answer]
study: {{writer: a}}
{more}
"""
    )
    return path


def documents(count: int) -> list[Seed]:
    return [Seed.of(Document(text=f"text {number}", title=f"title {number}")) for number in range(count)]


async def test_one_document_gives_five_rows_and_two_children_that_the_second_recipe_answers(tmp_path: Path) -> None:
    async with OpenAIServer(respond) as server:
        config = read_config(written(tmp_path, server.url))
        result = await run(config, documents(3), tmp_path / "out")
        sent = len(server.requests)
        again = await run(config, documents(3), tmp_path / "out")
    assert (sent, again.calls) == (3 + 6, 0)
    assert result.summary["counts"]["kept"] == 3 + 6
    rows = read_jsonl(tmp_path / "out" / "dataset.jsonl")
    assert len(rows) == 3 * 5 + 6
    answered = [row for row in rows if "The answer to" in row["messages"][-1]["content"]]
    assert len(answered) == 6
    children = [one.seed for one in results(tmp_path / "out") if one.seed.parent]
    assert {child.parent for child in children} == {seed.id for seed in documents(3)}
    assert {child.round for child in children} == {1}
    assert {*(label for child in children for label in child.labels)} == {"study.style"}


async def test_what_the_children_are_worth_rewards_the_pool_of_their_parent_once_per_draw(tmp_path: Path) -> None:
    async with OpenAIServer(respond) as server:
        config = read_config(written(tmp_path, server.url, more="evolution: {policy: thompson}"))
        await run(config, documents(4), tmp_path / "out")
    with StoreReader(tmp_path / "out") as reader:
        (pool,) = [row for name, row in reader.pools().items() if name == "study.style"]
    counts = pool.state["counts"]
    assert sum(wins + losses - 2 for wins, losses in counts.values()) == 4
    assert sum(wins - 1 for wins, _ in counts.values()) == pytest.approx(4 * 0.75)


def test_a_recipe_that_cannot_be_loaded_is_a_problem_with_its_line_and_its_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"agents.yaml:4: recipe: .*mine.py:2: cannot be loaded: NameError") as told:
        read_config(written(tmp_path, "http://127.0.0.1:1/v1", study="\nnonsense\n"))
    assert "Traceback" not in str(told.value)


def test_a_setting_that_names_no_agent_is_a_problem_of_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, "http://127.0.0.1:1/v1", more="answer: {writer: nobody}")
    with pytest.raises(ConfigError, match=r"agents.yaml:6: answer.writer: names an agent 'nobody'"):
        read_config(path)


def test_a_key_that_a_recipe_does_not_know_is_refused_with_those_that_it_knows(tmp_path: Path) -> None:
    path = written(tmp_path, "http://127.0.0.1:1/v1", more="answer: {writter: a}")
    with pytest.raises(ConfigError, match=r"agents.yaml:6: answer.writter: is not a key .*did you mean `writer`"):
        read_config(path)


async def test_a_fault_of_the_recipe_drops_the_seed_and_names_file_and_line(tmp_path: Path) -> None:
    broken = ANSWER.replace("    return done", "    1 / 0\n    return done")
    async with OpenAIServer(respond) as server:
        config = read_config(written(tmp_path, server.url, answer=broken))
        result = await run(config, documents(1), tmp_path / "out")
    assert result.summary["counts"]["dropped"] == 2
    (reason,) = {row["reason"] for row in read_jsonl(tmp_path / "out" / "rejected.jsonl")}
    assert reason == "recipe answer failed: second.py:16: ZeroDivisionError: division by zero"


async def test_the_example_of_the_readme_runs_as_it_stands(tmp_path: Path) -> None:
    readme = Path(__file__).resolve().parents[1] / "star_agents" / "recipes" / "README.md"
    example, *_ = re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "mine.py").write_text(example)

    def talk(body: Body) -> Move:
        asked = str(body["messages"][-1]["content"])
        if asked.startswith("Ask 2"):
            return Answer(text='{"questions": ["What is it?", "Why is it?"]}')
        return Answer(text="It is " + asked)

    async with OpenAIServer(talk) as server:
        agent = f'{{model: openai/m, api_base: "{server.url}", api_key: os.environ/LINE_TEST_KEY}}'
        (tmp_path / "agents.yaml").write_text(
            f"agents: {{gpt: {agent}}}\nrecipe: ./mine.py:mine\nmine: {{writer: gpt, questions: 2}}\n"
        )
        await run(read_config(tmp_path / "agents.yaml"), documents(3), tmp_path / "out")
    rows = read_jsonl(tmp_path / "out" / "dataset.jsonl")
    assert len(rows) == 6
    assert {row["messages"][0]["content"] for row in rows} == {"What is it?", "Why is it?"}
    assert {origin(row)["recipe"] for row in rows} == {"mine"}


async def test_a_recipe_that_asks_something_else_under_a_step_is_told_and_the_old_answer_is_not_taken_for_the_new(
    tmp_path: Path,
) -> None:
    heard: list[Event] = []
    async with OpenAIServer(respond) as server:
        broken = ANSWER.replace("    return done", "    1 / 0\n    return done")
        config = read_config(written(tmp_path, server.url, answer=broken))
        await run(config, documents(1), tmp_path / "out")
        (tmp_path / "new").mkdir()
        changed = ANSWER.replace("seed.sample.question, step", "'Say: ' + seed.sample.question, step")
        config = read_config(written(tmp_path / "new", server.url, answer=changed))
        await run_batch(config, [], "test", tmp_path / "out", retry_dropped=True, console=None, hear=heard.append)
    told = [one for one in heard if isinstance(one, PromptChanged)]
    assert {(one.step, one.agent) for one in told} == {("answer", "a")}
    assert len(told) == 2
    answers = {row["messages"][-1]["content"] for row in read_jsonl(tmp_path / "out" / "dataset.jsonl")}
    assert sum(answer.startswith("The answer to Say:") for answer in answers) == 2


async def test_two_prompts_under_one_step_are_a_fault_of_the_recipe(tmp_path: Path) -> None:
    twice = ANSWER.replace("    return done", "    await bench.ask('a', 'Else', step='answer')\n    return done")
    async with OpenAIServer(respond) as server:
        config = read_config(written(tmp_path, server.url, answer=twice))
        await run(config, documents(1), tmp_path / "out")
    (reason,) = {row["reason"] for row in read_jsonl(tmp_path / "out" / "rejected.jsonl")}
    told = "recipe answer asks two things under step 'answer'; give each call a step of its own"
    assert reason == f"{told} (second.py:16)"


async def test_seeds_of_a_kind_that_the_first_recipe_does_not_take_are_refused_before_anything_is_spent(
    tmp_path: Path,
) -> None:
    config = read_config(written(tmp_path, "http://127.0.0.1:1/v1"))
    (tmp_path / "seeds.jsonl").write_text('{"instruction": "Why?", "output": "So."}\n{"document": "text"}\n')
    with pytest.raises(SeedFileError, match=r"seeds.jsonl:1: recipe study takes document, and this is a sample"):
        load_seeds(tmp_path / "seeds.jsonl", config, skip_bad=False, limit=None)
    assert len(load_seeds(tmp_path / "seeds.jsonl", config, skip_bad=True, limit=None).seeds) == 1


async def test_a_draw_of_a_seed_that_was_queued_again_learns_from_its_children_all_the_same(tmp_path: Path) -> None:
    more = "evolution: {policy: thompson}"
    async with OpenAIServer(respond) as server:
        broken = STUDY.replace("    return done", "    1 / 0\n    return done")
        config = read_config(written(tmp_path, server.url, study=broken, more=more))
        await run(config, documents(3), tmp_path / "out")
        (tmp_path / "mended").mkdir()
        config = read_config(written(tmp_path / "mended", server.url, more=more))
        await run(config, [], tmp_path / "out", retry_dropped=True)
    with StoreReader(tmp_path / "out") as reader:
        counts = reader.pools()["study.style"].state["counts"]
    assert sum(wins + losses - 2 for wins, losses in counts.values()) == 3
    assert sum(wins - 1 for wins, _ in counts.values()) == pytest.approx(3 * 0.75)


async def test_retention_clears_the_texts_of_trials_and_judgements_and_keeps_rows_children_and_measures(
    tmp_path: Path,
) -> None:
    judged = STUDY.replace(
        "        earned=[],", "        judgements=[Judgement(judge='a', left=0, right=1, reason='because')],"
    )
    judged = judged.replace("import Reward, Sample, Trial", "import Failure, Judgement, Sample, Trial")
    judged = judged.replace("measures={", "failure=Failure(kind='format', detail='why'), measures={")
    async with OpenAIServer(respond) as server:
        config = read_config(written(tmp_path, server.url, study=judged))
        await run(config, documents(2), tmp_path / "out")
    before = results(tmp_path / "out")
    async with await Store.open(tmp_path / "out") as store:
        assert await store.clear_texts(before=time.time() + 60.0, limit=100) == 2 + 4
    after = results(tmp_path / "out")
    assert [one.outcome.rows for one in after] == [one.outcome.rows for one in before]
    assert [one.seed for one in after] == [one.seed for one in before]
    trials = [
        (old, new)
        for was, now in zip(before, after, strict=True)
        for old, new in zip(was.outcome.trials, now.outcome.trials, strict=True)
    ]
    assert len(trials) == 2 * 7
    for old, new in trials:
        assert old.sample.instruction
        assert old.failure == Failure(kind="format", detail="why")
        cleared = replace(old, sample=Sample(instruction=""), failure=Failure(kind="format", detail=""))
        assert new == cleared
    assert [one.reason for result in after for one in result.outcome.judgements] == ["", ""]


async def test_a_child_of_a_kind_that_the_next_recipe_does_not_take_is_a_fault_of_whoever_made_it(
    tmp_path: Path,
) -> None:
    wrong = STUDY.replace("bench.child(Sample(instruction=one)", "bench.child(Document(text=one)")
    wrong = wrong.replace("import Reward, Sample, Trial", "import Document, Sample, Trial")
    async with OpenAIServer(respond) as server:
        config = read_config(written(tmp_path, server.url, study=wrong))
        result = await run(config, documents(1), tmp_path / "out")
    assert (result.summary["counts"]["seeds"], result.summary["counts"]["dropped"]) == (1, 1)
    (row,) = read_jsonl(tmp_path / "out" / "rejected.jsonl")
    assert row["reason"].startswith(
        "recipe study makes a document for recipe answer, which takes instruction (mine.py:"
    )
    assert [one["name"] for one in result.summary["failures"]] == ["study"]
